"""Machines as data: TOML descriptions and one loader."""
