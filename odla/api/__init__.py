"""The C API as data: what the public ODLA headers declare, and our documentation of it."""
