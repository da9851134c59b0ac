"""Frontends: each reads one model format into a graph and imports no framework."""
