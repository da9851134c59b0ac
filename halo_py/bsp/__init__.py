"""Bulk-synchronous programs: steps, lowering, schedule, memory and time."""
