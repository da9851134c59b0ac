"""Codelets: what the vertices of tile kernels cost and compute."""
