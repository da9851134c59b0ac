"""ODLA, the narrow waist through which any device runs a graph."""
