"""Checks of functions about devices, memory, files, logs and profiles."""

from __future__ import annotations

import tempfile
from pathlib import Path

from halo_backends.native.conformance.checks import check
from halo_backends.native.conformance.session import C, Session, number
from halo_backends.native.wire import Argument

_TEXT_BYTES = 256


@check("AllocateDevice", "SetCurrentDevice", "DestroyDevice")
def devices(s: Session) -> None:
    """The default device is allocated, made current, and given back."""
    device = s.opened("odla_AllocateDevice", None, 0, 0)
    s.call("odla_SetCurrentDevice", {"v": device})
    s.call("odla_SetCurrentDevice", None)
    s.call("odla_DestroyDevice", {"v": device})


@check("CreateDeviceConfig", "InitDevice", "DestroyDeviceConfig")
def configurations(s: Session) -> None:
    """A device is initialised from an empty configuration."""
    device = s.opened("odla_AllocateDevice", None, 0, 0)
    config = s.opened("odla_CreateDeviceConfig")
    s.call("odla_InitDevice", {"v": device}, {"v": config})
    s.call("odla_DestroyDeviceConfig", {"v": config})


@check("GetDeviceInfo")
def device_info(s: Session) -> None:
    """A device tells how many of its kind there are."""
    device = s.opened("odla_AllocateDevice", None, 0, 0)
    wanted = number("ODLA_DEVICE_INFO_DEV_COUNT")
    s.call("odla_GetDeviceInfo", {"v": device}, wanted, {"get": "odla_scalar_value"})


@check("GetVendor", "GetVendorInfo")
def vendors(s: Session) -> None:
    """The default vendor describes itself."""
    vendor = s.opened("odla_GetVendor", 0)
    room: Argument = {"room": _TEXT_BYTES}
    answer = s.call("odla_GetVendorInfo", {"v": vendor}, 0, _TEXT_BYTES, room, {"get": "odla_size_t"})
    size = answer["outs"][1]
    s.expect("odla_GetVendorInfo", 0 < size <= _TEXT_BYTES, f"says it wrote {size} bytes")


@check("AllocateDeviceMemory", "CopyMemory", "FreeDeviceMemory")
def device_memory(s: Session) -> None:
    """What is copied to the device and back is the same."""
    place = s.slot()
    s.call("odla_AllocateDeviceMemory", {"out": place}, C.nbytes)
    s.call("odla_CopyMemory", {"v": place}, s.at("c"), C.nbytes, number("ODLA_MEMCPY_H2D"))
    s.clear("y")
    s.call("odla_CopyMemory", s.at("y"), {"v": place}, C.nbytes, number("ODLA_MEMCPY_D2H"))
    s.expect("odla_CopyMemory", s.holds("y", C), "did not bring the bytes back")
    s.call("odla_FreeDeviceMemory", {"v": place})


@check("AllocateHostMemory", "FreeHostMemory")
def host_memory(s: Session) -> None:
    """Host memory is allocated and given back."""
    place = s.slot()
    s.call("odla_AllocateHostMemory", {"out": place}, C.nbytes)
    s.call("odla_FreeHostMemory", {"v": place})


@check("StoreComputation", "LoadComputation")
def stored_computations(s: Session) -> None:
    """A computation is stored to a file and loaded from it."""
    with tempfile.TemporaryDirectory() as folder:
        place = _location(Path(folder) / "computation")
        small = s.small()
        s.call("odla_StoreComputation", place, {"v": small.computation})
        s.destroy(small)
        loaded = s.opened("odla_LoadComputation", place)
    if s.has("odla_GetNumOfOutputsFromComputation"):
        count = s.got("odla_GetNumOfOutputsFromComputation", {"v": loaded})
        s.expect("odla_LoadComputation", count == 1, f"gave a computation of {count} outputs, not 1")


@check("StoreExecutable", "LoadExecutable")
def stored_executables(s: Session) -> None:
    """An executable is stored to a file and loaded from it."""
    with tempfile.TemporaryDirectory() as folder:
        place = _location(Path(folder) / "executable")
        small = s.small()
        executable = s.opened("odla_CompileComputation", {"v": small.computation}, s.library.device())
        s.call("odla_StoreExecutable", place, {"v": executable})
        s.opened("odla_LoadExecutable", place, s.library.device())


def _location(path: Path) -> Argument:
    kind = number("ODLA_LOCATION_PATH")
    fields = {"location_type": kind, "location": {"text": str(path)}, "size": len(str(path))}
    return {"struct": ["odla_resource_location", fields]}


@check("CreateConstantsArray", "StoreConstantsArray", "LoadConstantsArray", "DestroyConstantsArray")
def constants_arrays(s: Session) -> None:
    """A bundle of constants is stored to a file and loaded from it."""
    with tempfile.TemporaryDirectory() as folder:
        path: Argument = {"text": str(Path(folder) / "constants")}
        bundle = s.opened("odla_CreateConstantsArray")
        s.call("odla_StoreConstantsArray", path, {"v": bundle})
        loaded = s.opened("odla_LoadConstantsArray", path)
        for each in (bundle, loaded):
            s.call("odla_DestroyConstantsArray", {"v": each})


@check("SetLogLevel", "SetLogger", "GetLogger")
def logs(s: Session) -> None:
    """The log's level and logger are set."""
    s.call("odla_SetLogLevel", number("ODLA_LOG_LEVEL_ERROR"))
    s.call("odla_SetLogger", None)
    s.call("odla_GetLogger")


@check("GetVersionString")
def version(s: Session) -> None:
    """The library tells its version."""
    text = s.call("odla_GetVersionString").get("text", "")
    s.expect("odla_GetVersionString", bool(text), "answered no text")


@check("CreateDeviceTrace", "ReleaseDeviceTrace")
def traces(s: Session) -> None:
    """A trace is made and released."""
    trace = s.opened("odla_CreateDeviceTrace")
    s.call("odla_ReleaseDeviceTrace", {"v": trace})


@check("StartDeviceProfiler", "StopDeviceProfiler", "RetrieveDeviceTrace")
def profiler(s: Session) -> None:
    """A device is profiled and the trace fetched."""
    device: Argument = {"v": s.opened("odla_AllocateDevice", None, 0, 0)}
    s.call("odla_StartDeviceProfiler", device)
    s.call("odla_StopDeviceProfiler", device)
    s.opened("odla_RetrieveDeviceTrace", device)


@check("SetComputationItem")
def computation_items(s: Session) -> None:
    """An option is given to a computation before it is built; a library may know none."""
    computation = s.opened("odla_CreateComputation")
    datum: Argument = {"datum": ["odla_uint32", 0]}
    s.ask("odla_SetComputationItem", {"v": computation}, number("ODLA_FP16_MODE"), datum)
    s.done["odla_SetComputationItem"] = 1
    s.call("odla_DestroyComputation", {"v": computation})
