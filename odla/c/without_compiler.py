"""What Python programs use instead of the parts of `libodla.so` that are written in C."""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from halo_py.errors import UnsupportedError, UsageError
from odla.api.c_source import type_declarations

_ALIGNMENT = 64


class Arguments:
    """The rest of a variadic call's arguments, taken one by one; after the last one comes NULL."""

    def __init__(self, ffi: Any, values: tuple[Any, ...]) -> None:
        self._ffi = ffi
        self._values: Iterator[Any] = iter(values)
        self._kept: list[Any] = []

    def number(self, kind: Callable[[Any], Any]) -> Any:
        """The next one as a number. Raises UsageError if there is none, or it is no number."""
        try:
            return kind(next(self._values))
        except StopIteration:
            raise UsageError("the value of an attribute is missing") from None
        except (TypeError, ValueError) as error:
            raise UsageError(f"the value of an attribute is no number: {error}") from error

    def pointer(self) -> Any:
        """The next one as a pointer: texts as C strings, lists of numbers as arrays, None and the end as NULL."""
        value = next(self._values, None)
        if value is None:
            return self._ffi.NULL
        if isinstance(value, int):
            return self._ffi.cast("void*", value)
        if isinstance(value, str):
            made = self._ffi.new("char[]", value.encode())
        else:
            entries = list(value)
            made = self._ffi.new("double[]" if any(isinstance(e, float) for e in entries) else "int64_t[]", entries)
        self._kept.append(made)
        return self._ffi.cast("void*", made)


class Support:
    """The C functions that the implementations call, by ctypes and cffi."""

    def __init__(self, ffi: Any) -> None:
        self._ffi = ffi
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
        self._blocks: dict[int, Any] = {}
        self.functions: dict[str, Any] = {}
        """Callbacks that stand for exported C functions whose addresses programs get."""

    def halo_mapped(self, address: Any, bytes: int) -> bool:
        """Whether every page of these bytes is mapped."""
        page = mmap.PAGESIZE
        start = int(self._ffi.cast("uintptr_t", address))
        first = start - start % page
        length = start + bytes - first
        resident = ctypes.create_string_buffer(-(-length // page) or 1)
        return self._libc.mincore(first, length or 1, resident) == 0

    def halo_environment(self, name: Any) -> Any:
        """A variable of the environment; NULL if it is not set."""
        found = os.environ.get(self._ffi.string(name).decode())
        return self._ffi.NULL if found is None else self._ffi.new("char[]", found.encode())

    def halo_allocate(self, bytes: int) -> Any:
        """Memory aligned for devices."""
        block = self._ffi.new("char[]", bytes + _ALIGNMENT)
        address = int(self._ffi.cast("uintptr_t", block))
        aligned = address + -address % _ALIGNMENT
        self._blocks[aligned] = block
        return self._ffi.cast("void*", aligned)

    def halo_free(self, address: Any) -> None:
        """Give it back."""
        self._blocks.pop(int(self._ffi.cast("uintptr_t", address)), None)

    def halo_print(self, text: Any) -> None:
        """Write to the standard output."""
        sys.stdout.write(self._ffi.string(text).decode())

    def halo_print_error(self, text: Any) -> None:
        """Write to the error output."""
        sys.stderr.write(self._ffi.string(text).decode())

    @staticmethod
    def halo_next_int64(rest: Arguments) -> int:
        """The next variadic argument as a whole number."""
        return rest.number(int)

    @staticmethod
    def halo_next_double(rest: Arguments) -> float:
        """The next variadic argument as a number."""
        return rest.number(float)

    @staticmethod
    def halo_next_pointer(rest: Arguments) -> Any:
        """The next variadic argument as a pointer."""
        return rest.pointer()


def make() -> tuple[Any, Support]:
    """Cffi's types of the interface, and the functions beside them. Raises UnsupportedError without cffi."""
    try:
        cffi: Any = importlib.import_module("cffi")
    except ImportError as error:
        raise UnsupportedError("cffi is not installed", hint="pip install 'halo-py[odla-c]'") from error
    ffi = cffi.FFI()
    ffi.cdef(type_declarations())
    return ffi, Support(ffi)
