"""Devices and vendors as C programs hold them, and how a call finds the device it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from halo_py.errors import TargetError, UsageError
from odla.c import state
from odla.c.handles import Handled
from odla.c.items import Item
from odla.c.jobs import Jobs
from odla.c.program import Target
from odla.c.trace import Profiler
from odla.execution import DEFAULT_DEVICE
from odla.handles import device as find_device

if TYPE_CHECKING:
    from collections.abc import Mapping


class VendorName(IntEnum):
    """`odla_vendor_name`."""

    DEFAULT = 0
    ALIBABA = 1
    ARM = 2
    CAMBRICON = 3
    GRAPHCORE = 4
    HABANA = 5
    INTEL = 6
    NVIDIA = 7
    QUALCOMM = 8


class DeviceName(IntEnum):
    """`odla_device_name`."""

    DEFAULT = 0
    ALIBABA_HANGUANG = 1
    ARM_CORTEX_M = 2
    CAMBRICON_MLU220 = 3
    CAMBRICON_MLU270 = 4
    GRAPHCORE_IPU = 5
    HABANA_GAUDI = 6
    HABANA_GOYA = 7
    INTEL_X86 = 8
    INTEL_DNNL = 9
    NVIDIA_GPU = 10
    NVIDIA_TENSORRT = 11
    QUALCOMM_AIC100 = 12


@dataclass(frozen=True, slots=True)
class VendorFacts:
    """What is known of a vendor this library has devices of."""

    description: str
    features: str
    device: DeviceName


VENDORS = {
    VendorName.DEFAULT: VendorFacts(
        "HALO: this computer, and simulated systems of IPUs", "graph eager async profile", DeviceName.DEFAULT
    ),
    VendorName.INTEL: VendorFacts("x86 processors, by ONNX Runtime", "graph eager async", DeviceName.INTEL_X86),
    VendorName.GRAPHCORE: VendorFacts(
        "simulated systems of IPUs", "graph eager async profile", DeviceName.GRAPHCORE_IPU
    ),
}
NAMES = {DeviceName.INTEL_X86: "cpu", DeviceName.GRAPHCORE_IPU: "ipu-1"}
"""Kinds of devices this library has -> the name of one."""


class Vendor(Handled):
    """A vendor."""

    noun = "vendor"

    def __init__(self, name: VendorName) -> None:
        super().__init__()
        self.name = name
        self.facts = VENDORS[name]


class DeviceConfig(Handled):
    """Settings for a device: `device` names it, everything else is a compile option."""

    noun = "device config"

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, Any] = {}


class Device(Handled):
    """A device that a program allocated."""

    noun = "device"

    def __init__(self, kind: DeviceName, index: int, name: str) -> None:
        super().__init__()
        self.kind = kind
        self.index = index
        self.target = Target(name)
        self.destroyed = False
        self.jobs = Jobs()

    def configure(self, items: Mapping[str, Any]) -> None:
        """Take settings. Raises TargetError for a device that does not exist."""
        name = str(items.get("device", self.target.device))
        find_device(name)
        options = {key: value for key, value in items.items() if key != "device"}
        self.target = Target(name, tuple(sorted(options.items())))


def allocate(vendor: Vendor | None, kind: int, index: int) -> Device:
    """The device of a kind. Raises TargetError if there is none."""
    wanted = device_name(kind)
    if wanted is DeviceName.DEFAULT and vendor is not None:
        wanted = vendor.facts.device
    if vendor is not None and vendor.facts.device not in (DeviceName.DEFAULT, wanted):
        raise TargetError(f"the vendor has no {wanted.name}")
    if index < 0:
        raise UsageError(f"the device index is {index}")
    if wanted is DeviceName.DEFAULT:
        name = state.environment_device() or DEFAULT_DEVICE
    elif wanted in NAMES:
        name = NAMES[wanted]
    else:
        raise TargetError(f"this library has no device {wanted.name}")
    if name == DEFAULT_DEVICE and index:
        raise TargetError(f"there is no device {index}: this computer is device 0")
    find_device(name)
    return Device(wanted, index, name)


def device_name(number: int) -> DeviceName:
    """The kind of this number. Raises UsageError if it is none."""
    try:
        return DeviceName(number)
    except ValueError:
        raise UsageError(f"device_name is {number}, which is no odla_device_name") from None


def target_of(device: Device | None, items: Mapping[Item, Any]) -> Target:
    """Where a computation with these items runs: on the call's device, the thread's, the one its items mean (simulated
    IPUs), the environment's, the default one.
    """
    device = device or state.device()
    options: dict[str, Any] = {}
    if items.get(Item.FP16_MODE):
        options["precision"] = "mixed"
    if device is not None:
        return Target(device.target.device, tuple(sorted({**options, **dict(device.target.options)}.items())))
    name = state.environment_device()
    if name is None and (items.get(Item.USE_SIM_MODE) or items.get(Item.PROCESSOR_NUM)):
        name = f"ipu-{items.get(Item.PROCESSOR_NUM, 1)}"
    return Target(name or DEFAULT_DEVICE, tuple(sorted(options.items())))


_profilers: dict[str, Profiler] = {}


def profiler_of(name: str) -> Profiler:
    """The profiler of a device, by the device's name."""
    found = _profilers.get(name)
    if found is None:
        found = _profilers.setdefault(name, Profiler())
    return found
