"""ODLA libraries behind the driver interface: the device's name is `odla:` and the library's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halo_backends.graph_file import graph_signature, load_graph, read_note, save_graph
from halo_py.errors import TargetError, UsageError
from halo_py.frontend import load_model
from odla.driver import (
    DeviceInfo,
    Options,
    Refused,
    RunResult,
    Signature,
    archive_kind,
    check_options,
    import_options,
)

if TYPE_CHECKING:
    from halo_backends.native.engine import NativeProgram
    from halo_backends.native.library import Settings
    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue

PREFIX = "odla:"
_KIND = "halo-native-executable"
_OPTIONS = ("seconds", "exclude")


class NativeBackend:
    """Drives any library that exports ODLA's C functions; what it lacks runs on the CPU.

    Options: `seconds`, how long one call may take; `exclude`, functions of the library that are not used (a list, or
    names with commas between them).
    """

    name = "native"

    def devices(self) -> Sequence[DeviceInfo]:
        """None by itself: a device is named by its library."""
        return ()

    def claims(self, device: str) -> bool:
        return device.startswith(PREFIX)

    def supports(self, graph: Graph, device: str) -> Sequence[Refused]:
        program = self.compile(graph, device, {})
        program.close()
        return program.fallbacks

    def compile(self, model: Graph | Path, device: str, options: Options) -> NativeProgram:
        from halo_backends.native.engine import NativeProgram
        from halo_py.passes.pipelines import pipeline

        settings = _settings(device, options)
        path = _path(device)
        if isinstance(model, Path):
            model = load_model(model, import_options(options))
        return NativeProgram(pipeline("cpu").run(model), path, settings)

    def owns(self, artefact: object) -> bool:
        cls: type[Any] = type(artefact)
        return cls.__module__ == "halo_backends.native.engine" and cls.__name__ == "NativeProgram"

    def reads(self, path: Path, head: bytes) -> bool:
        return archive_kind(path, head) == _KIND

    def load(self, path: Path) -> NativeProgram:
        """The graph is read back, the library is asked anew."""
        from halo_backends.native.engine import NativeProgram

        device = PREFIX + read_note(path, _KIND)
        return NativeProgram(load_graph(path, _KIND), _path(device), _settings(device, {}))

    def save(self, artefact: NativeProgram, path: Path) -> None:
        save_graph(artefact.graph, path, _KIND, note=str(artefact.path))

    def signature(self, artefact: NativeProgram) -> Signature:
        return graph_signature(artefact.graph)

    def device_of(self, artefact: NativeProgram) -> str:
        return f"{PREFIX}{artefact.path}"

    def run(self, artefact: NativeProgram, inputs: Sequence[RuntimeValue]) -> RunResult:
        return RunResult(artefact.run(inputs), fallbacks=artefact.fallbacks)


def _path(device: str) -> Path:
    path = Path(device.removeprefix(PREFIX))
    if not path.is_file():
        hint = f"a device is named {PREFIX}/path/to/lib.so"
        raise TargetError(f"device {device!r}: there is no file {path}", hint=hint)
    return path.absolute()  # not resolved: a library may find others beside its link


def _settings(device: str, options: Options) -> Settings:
    from halo_backends.native.library import DEFAULT_SECONDS, Settings

    check_options(device, options, _OPTIONS)
    return Settings(_seconds(options, DEFAULT_SECONDS), _excluded(options))


def _seconds(options: Mapping[str, Any], default: float) -> float:
    given = options.get("seconds", default)
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"option seconds is {given!r}", hint="give a number above 0")
    return seconds


def _excluded(options: Mapping[str, Any]) -> frozenset[str]:
    from odla.api.table import functions

    given: Any = options.get("exclude") or ()
    names = frozenset(str(name) for name in (given.split(",") if isinstance(given, str) else given) if name)
    unknown = sorted(names - {function.name for function in functions()})
    if unknown:
        raise UsageError(f"option exclude: ODLA has no function {', '.join(unknown)}", hint="e.g. exclude=odla_Conv")
    return names
