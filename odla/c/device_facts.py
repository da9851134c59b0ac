"""What `odla_GetDeviceInfo` answers: facts about this computer, and about a simulated device."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halo_py.errors import UsageError
from odla.c.binding import c_text
from odla.c.element_types import ElementType, ElementTypeError
from odla.driver import DeviceInfo, find_driver

if TYPE_CHECKING:
    from odla.c.device import Device

INTERFACE_VERSION = "0.5.0"


class Info(IntEnum):
    """`odla_device_info`."""

    ODLA_LIB_VERSION = 0
    DEV_COUNT = 1
    DEV_INDEX = 2
    DEV_TYPE = 3
    DEV_UUID = 4
    PROCESSOR_UTIL = 5
    MEMORY_UTIL = 6
    TOTAL_MEMORY = 7
    USED_MEMORY = 8
    POWER_USAGE = 9
    POWER_LIMIT = 10
    DRIVER_VERSION = 11
    SDK_VERSION = 12


@dataclass(frozen=True, slots=True)
class Fact:
    """A property's value; `member` is the one of `odla_scalar_value` that holds it."""

    value: str | int | float

    @property
    def element(self) -> ElementType:
        """The element type that tells which member holds the value."""
        if isinstance(self.value, str):
            return ElementType.STRING
        return ElementType.UINT64 if isinstance(self.value, int) else ElementType.FLOAT32

    @property
    def member(self) -> str:
        """The member's name."""
        return {ElementType.STRING: "val_str", ElementType.UINT64: "val_uint64"}.get(self.element, "val_fp32")

    def c_value(self) -> Any:
        """The value as C has it; texts live as long as the process."""
        if not isinstance(self.value, str):
            return self.value
        return _texts.setdefault(self.value, c_text(self.value))


_texts: dict[str, Any] = {}


def library_version() -> str:
    """HALO's version."""
    try:
        return version("halo-py")
    except PackageNotFoundError:
        return "unknown"


def fact(device: Device, info: int) -> Fact:
    """A property of a device. Raises ElementTypeError if it cannot be measured here, UsageError if there is none."""
    about = described(device.target.device)
    match Info(info):
        case Info.ODLA_LIB_VERSION | Info.DRIVER_VERSION | Info.SDK_VERSION:
            return Fact(INTERFACE_VERSION if info == Info.ODLA_LIB_VERSION else library_version())
        case Info.DEV_COUNT:
            return Fact(about.processors)
        case Info.DEV_INDEX:
            return Fact(device.index)
        case Info.DEV_TYPE:
            return Fact(int(device.kind))
        case Info.DEV_UUID:
            return Fact(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{uuid.getnode()}/{about.name}/{device.index}")))
        case Info.PROCESSOR_UTIL:
            return Fact(min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
        case Info.TOTAL_MEMORY:
            return Fact(_total_memory(about))
        case Info.USED_MEMORY:
            return Fact(_used_memory())
        case Info.MEMORY_UTIL:
            return Fact(min(1.0, _used_memory() / max(1, _total_memory(about))))
        case Info.POWER_USAGE | Info.POWER_LIMIT:
            raise ElementTypeError(f"{about.name} does not measure its power")


def described(name: str) -> DeviceInfo:
    """What a device's driver says of it."""
    known = find_driver(name).devices()
    return next((info for info in known if info.name == name), DeviceInfo(name, "unknown"))


def _total_memory(about: DeviceInfo) -> int:
    if about.memory_bytes is not None:
        return about.memory_bytes
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _used_memory() -> int:
    """Bytes of memory this process holds (devices here are simulated in it, or are it)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError) as error:
        raise UsageError("this system does not say how much memory is used") from error
    return pages * os.sysconf("SC_PAGE_SIZE")
