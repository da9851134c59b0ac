"""The one place that holds cffi's objects: `ffi` (types, memory) and `lib` (what C offers to Python).

They exist once `libodla.so` has started. Both are untyped, so what is read through them is converted at once.
"""

from __future__ import annotations

from typing import Any


class _Binding:
    """cffi's module as two attributes."""

    ffi: Any
    lib: Any

    @property
    def connected(self) -> bool:
        """Whether they exist."""
        return hasattr(self, "lib")


c = _Binding()
"""Set by `odla.c.library.connect` before any function runs."""

FIRST_ADDRESS = 4096
"""No memory lies below: smaller 'pointers' are numbers."""


def address_of(pointer: Any) -> int:
    """A pointer as a number; 0 for NULL."""
    return int(c.ffi.cast("uintptr_t", pointer))


def is_memory(pointer: Any, bytes: int = 1) -> bool:
    """Whether `bytes` bytes at this address are mapped; of memory whose size is known, whether it has so many."""
    if c.ffi.typeof(pointer).kind == "array":
        return len(pointer) >= bytes
    address = address_of(pointer)
    return address >= FIRST_ADDRESS and bool(c.lib.halo_mapped(c.ffi.cast("void*", address), bytes))


def text_at(pointer: Any) -> str:
    """A C string."""
    contents: bytes = c.ffi.string(c.ffi.cast("char*", pointer))
    return contents.decode("utf-8", "replace")


def c_function(name: str) -> Any:
    """The address of an exported C function, or of what stands for it."""
    known = getattr(c.lib, "functions", None)
    return c.ffi.addressof(c.lib, name) if known is None else known[name]


def environment(name: str) -> str | None:
    """A variable of the program's environment as it is now (Python knows it as it was at first); None without text."""
    found = c.lib.halo_environment(c_text(name))
    return None if found == c.ffi.NULL else text_at(found) or None


def c_text(text: str) -> Any:
    """Text as a C string, which lives as long as the answer is kept."""
    return c.ffi.new("char[]", text.encode())
