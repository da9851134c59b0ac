"""The C API's functions in Python: what `libodla.so` calls. One module per family; `library` connects them to C."""
