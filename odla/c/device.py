"""Devices and vendors as C programs hold them, and how a call finds the device it runs on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from halo_py.errors import TargetError, UsageError
from odla.c import state
from odla.c.handles import Handled
from odla.c.ipu_config import VARIABLE, IpuConfig
from odla.c.items import Item
from odla.c.jobs import Jobs
from odla.c.program import Target
from odla.c.trace import Profiler
from odla.driver import find_driver
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
    """Settings for a device: `device` names it, ODLA_POPART_CONFIG is an IPU config, all else are compile options."""

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
        """Take settings. Raises TargetError for a device that does not exist, UsageError for a wrong IPU config."""
        name = str(items.get("device", self.target.device))
        find_device(name)
        config = items.get(VARIABLE)
        options = {key: value for key, value in items.items() if key not in ("device", VARIABLE)}
        self.target = Target(
            name, tuple(sorted(options.items())), None if config is None else IpuConfig.named(str(config))
        )


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


def target_of(device: Device | None, items: Mapping[Item, Any], ipu: IpuConfig | None = None) -> Target:
    """Where a computation with these items and this IPU config runs: on the call's device, the thread's, the
    environment's, the simulated IPUs that the items or the config mean, the default one.

    Raises UsageError if items and config disagree, or the device has too few IPUs.
    """
    device = device or state.device()
    options: dict[str, Any] = {}
    if items.get(Item.FP16_MODE):
        options["precision"] = "mixed"
    if device is not None:
        options.update(device.target.options)
        ipu = device.target.ipu or ipu
        name = device.target.device
    else:
        name = state.environment_device()
    processors = _processors(items, ipu)
    if name is None:
        means_ipus = ipu is not None or items.get(Item.USE_SIM_MODE) or processors
        name = _ipus(processors) if means_ipus else DEFAULT_DEVICE
    if ipu is not None:
        options.update(_ipu_options(name, ipu, processors))
    return Target(name, tuple(sorted(options.items())), ipu)


def _processors(items: Mapping[Item, Any], ipu: IpuConfig | None) -> int | None:
    """How many IPUs the program wants; None if nobody said."""
    stated = items.get(Item.PROCESSOR_NUM)
    wanted = None if ipu is None else ipu.ipu_num
    if ipu is not None and ipu.debug and wanted is not None:
        return wanted
    if ipu is not None and ipu.pipelined and None not in (stated, wanted) and stated != wanted:
        raise UsageError(
            f"ODLA_PROCESSOR_NUM is {stated}, ipu_num of the pipeline's config {wanted}",
            hint="make them equal, or let the config win with its key debug",
        )
    return wanted if stated is None else int(stated)


def _ipus(processors: int | None) -> str:
    """The smallest system that has so many IPUs: one, or a pod, which has a multiple of four."""
    wanted = processors or 1
    return "ipu-1" if wanted <= 1 else f"ipu-pod{4 * -(-wanted // 4)}"


def _ipu_options(name: str, ipu: IpuConfig, processors: int | None) -> dict[str, Any]:
    """Compile options that follow from an IPU config; none for devices that are no system of IPUs."""
    there = _simulated_processors(name)
    if there is None:
        return {}
    if processors is not None and processors > there:
        raise UsageError(f"{processors} IPUs are wanted, {name} has {there}", hint="choose a larger device")
    options: dict[str, Any] = {} if ipu.amp is None else {"temporary_share": ipu.amp}
    if ipu.pipelined:
        options.update(stage_patterns=ipu.stage_patterns, replicas=1)
    return options


@functools.cache
def _simulated_processors(name: str) -> int | None:
    """How many chips a simulated device has (no bound for one that its driver does not list); None for others."""
    known = find_driver(name).devices()
    listed = [about.processors for about in known if about.name == name and about.kind == "simulated"]
    listed += [_UNBOUNDED for about in known[:1] if about.kind == "simulated"]
    return listed[0] if listed else None


_UNBOUNDED = 1 << 30

_profilers: dict[str, Profiler] = {}


def profiler_of(name: str) -> Profiler:
    """The profiler of a device, by the device's name."""
    found = _profilers.get(name)
    if found is None:
        found = _profilers.setdefault(name, Profiler())
    return found
