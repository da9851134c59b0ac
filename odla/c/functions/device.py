"""ODLA/odla_device.h: vendors, devices and their settings."""

from __future__ import annotations

from typing import Any

from halo_py.errors import OutOfMemoryError, TargetError, UsageError
from odla.c import device_facts, state
from odla.c.binding import FIRST_ADDRESS, address_of, c, is_memory, text_at
from odla.c.decode import Out, read_id
from odla.c.device import VENDORS, Device, DeviceConfig, Vendor, VendorName, allocate
from odla.c.dispatch import implements

_DESCRIPTION, _FEATURES = range(2)
"""`odla_vendor_info`."""


@implements("odla_GetVendor")
def get_vendor(vendor_name: int, vendor: Out) -> None:
    """A vendor whose devices this library has."""
    vendor.set(None)
    name = VendorName(vendor_name)
    if name not in VENDORS:
        raise TargetError(f"this library has no devices of {name.name}")
    vendor.set(Vendor(name))


@implements("odla_GetVendorInfo")
def vendor_info(
    vendor: Vendor, info_name: int, allocated_info_value_size: int, info_value: Any, size: Out | None
) -> None:
    """A text about a vendor, with its closing zero byte; without memory for it, only its size."""
    text = (vendor.facts.description if info_name == _DESCRIPTION else vendor.facts.features).encode() + b"\0"
    if size is not None:
        size.set(len(text))
    if address_of(info_value) == 0:
        return
    if allocated_info_value_size < len(text):
        raise OutOfMemoryError(f"the text has {len(text)} bytes, there is memory for {allocated_info_value_size}")
    if not is_memory(info_value, len(text)):
        raise UsageError("info_value is not in memory")
    c.ffi.memmove(c.ffi.cast("char*", info_value), text, len(text))


@implements("odla_AllocateDevice")
def allocate_device(vendor: Vendor | None, device_name: int, device_idx: int, device: Out) -> None:
    """The n-th device of a kind."""
    device.set(None)
    device.set(allocate(vendor, device_name, device_idx))


@implements("odla_GetDeviceInfo")
def device_info(device: Device, info_type: int, info_value: Out) -> None:
    """One property of a device."""
    fact = device_facts.fact(device, info_type)
    pointer = info_value.pointer
    pointer.data_type = int(fact.element)
    setattr(pointer, fact.member, fact.c_value())


@implements("odla_InitDevice")
def init_device(device: Device, config: DeviceConfig | None) -> None:
    """Apply a config, and make sure that the device exists."""
    device.configure({} if config is None else config.items)


@implements("odla_SetCurrentDevice")
def set_current_device(device: Device | None) -> None:
    """The device of this thread's calls; NULL: none."""
    state.set_device(device)


@implements("odla_DestroyDevice")
def destroy_device(device: Device) -> None:
    """Wait for its tasks, then forget it. What was compiled for it stays usable."""
    device.jobs.drain()
    device.destroyed = True
    device.drop_handle()


@implements("odla_CreateDeviceConfig")
def create_config(device_config: Out) -> None:
    """A config without settings."""
    device_config.set(DeviceConfig())


@implements("odla_SetDeviceConfigItem")
def set_config_item(device_config: DeviceConfig, device_config_item: Any, rest: Any) -> None:
    """A setting: a name, and its value as text (or as a number cast to a pointer)."""
    key, value = read_setting(device_config_item, rest)
    device_config.items[key] = value


@implements("odla_DestroyDeviceConfig")
def destroy_config(device_config: DeviceConfig) -> None:
    """Forget a config."""
    device_config.drop_handle()


def read_setting(item: Any, rest: Any) -> tuple[str, str | int]:
    """The name and the value of a setting: `const char*` both; numbers may be given as text or cast to a pointer.

    Raises UsageError if either is no C string.
    """
    key = read_id(item)
    if not key or address_of(item) < FIRST_ADDRESS:
        raise UsageError("the item is no C string that names a setting")
    pointer = c.lib.halo_next_pointer(rest)
    address = address_of(pointer)
    if address < FIRST_ADDRESS:
        return key, address
    if not is_memory(pointer):
        raise UsageError(f"the value of {key!r} is no C string")
    text = text_at(pointer)
    return key, int(text) if text.lstrip("-").isdigit() else text
