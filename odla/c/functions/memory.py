"""ODLA/odla_memory.h: memory that the library allocates, and copies that stay inside it."""

from __future__ import annotations

import threading
from typing import Any

from halo_py.errors import OutOfMemoryError, UsageError
from odla.c.binding import address_of, c, is_memory
from odla.c.decode import Out
from odla.c.dispatch import implements


class _Memory:
    """Allocated blocks of one kind: address -> size."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self.blocks: dict[int, int] = {}
        self.lock = threading.Lock()

    def allocate(self, out: Out, size: int) -> None:
        out.set(None)
        address = c.lib.halo_allocate(size)
        if not address_of(address):
            raise OutOfMemoryError(f"there is no memory for {size} bytes")
        with self.lock:
            self.blocks[address_of(address)] = size
        out.set(address)

    def free(self, pointer: Any) -> None:
        address = address_of(pointer)
        with self.lock:
            if self.blocks.pop(address, None) is None:
                raise UsageError(f"{address:#x} is no {self.noun} memory")
        c.lib.halo_free(c.ffi.cast("void*", address))


_DEVICE = _Memory("device")
_HOST = _Memory("host")


@implements("odla_AllocateDeviceMemory")
def allocate_device(dev_ptr: Out, size: int) -> None:
    """Memory aligned for devices."""
    _DEVICE.allocate(dev_ptr, size)


@implements("odla_FreeDeviceMemory")
def free_device(ptr: Any) -> None:
    """Give it back."""
    _DEVICE.free(ptr)


@implements("odla_AllocateHostMemory")
def allocate_host(host_ptr: Out, size: int) -> None:
    """Memory of the host."""
    _HOST.allocate(host_ptr, size)


@implements("odla_FreeHostMemory")
def free_host(ptr: Any) -> None:
    """Give it back."""
    _HOST.free(ptr)


@implements("odla_CopyMemory")
def copy_memory(dst: Any, src: Any, size: int, type: int) -> None:
    """Copy bytes. What lies in a block of this library must not go over its end."""
    for pointer, name in ((dst, "dst"), (src, "src")):
        if not is_memory(pointer, size) or not _inside(address_of(pointer), size):
            raise UsageError(f"the {size} bytes at {name} are not all in memory")
    c.ffi.memmove(c.ffi.cast("char*", dst), c.ffi.cast("char*", src), size)


def _inside(address: int, size: int) -> bool:
    for memory in (_DEVICE, _HOST):
        with memory.lock:
            for start, held in memory.blocks.items():
                if start <= address < start + held:
                    return address + size <= start + held
    return True
