"""Any ODLA library as a device: `odla:/path/to/lib.so`. The library is loaded by a child process only."""
