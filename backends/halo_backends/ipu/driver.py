"""The simulated IPU as an ODLA driver: any target the registry knows is one of its devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from halo_backends.ipu.engine import Engine, Mode, Resident
from halo_py.errors import TargetError, UsageError
from halo_py.executable import KIND, Executable
from halo_py.profile import Profile, RunCounters, profile_of
from halo_py.targets import available, load_target
from odla.driver import DeviceInfo, Options, Port, Refused, RunResult, Signature, archive_kind, check_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue

    Array = NDArray[np.generic]

RUN_OPTIONS = ("mode", "rounding_seed")
"""Options of a run; all others are those of `halo_py.compile`."""


class Loaded:
    """An executable on the simulated machine, with how to run it."""

    def __init__(self, executable: Executable, mode: Mode = "whole", rounding_seed: int | None = None) -> None:
        if mode not in get_args(Mode):
            raise UsageError(f"unknown mode {mode!r}", hint="use whole or tiled")
        self.executable = executable
        self.mode: Mode = mode
        self.rounding_seed = rounding_seed
        self.resident = Resident()
        self._profile: Profile | None = None

    def profile(self, counters: RunCounters) -> Profile:
        """The program's profile with what this run counted."""
        if self._profile is None:
            self._profile = profile_of(self.executable.program, self.executable.system)
        return replace(self._profile, counters=counters)


class IpuBackend:
    """Compiles for a simulated system of IPUs and runs on it.

    Options are those of `halo_py.compile`, and `mode` ('whole' computes each kernel once, 'tiled' runs every vertex on
    its tile's slices) and `rounding_seed` (stochastic rounding to float16, tiled mode).
    """

    name = "ipu"

    def devices(self) -> Sequence[DeviceInfo]:
        """Every target of the registry."""
        return [_described(name) for name in available()]

    def claims(self, device: str) -> bool:
        """Whether the registry (or a file) describes this target."""
        try:
            load_target(device)
        except TargetError:
            return False
        return True

    def supports(self, graph: Graph, device: str) -> Sequence[Refused]:
        """The nodes that run on the host instead of tiles, each with its reason."""
        from halo_py.compile import host_reasons

        return [
            Refused(node.name, node.op.declaration.onnx or node.op.kind, reason)
            for node, reason in host_reasons(graph).items()
        ]

    def compile(self, model: Graph | Path, device: str, options: Options) -> Loaded:
        """The model compiled for the target. Raises HaloError."""
        from halo_py.compile import compile as compile_model

        check_options(device, options, (*RUN_OPTIONS, *_keyword_only(compile_model)))
        run = {name: options[name] for name in RUN_OPTIONS if name in options}
        rest: dict[str, Any] = {name: value for name, value in options.items() if name not in RUN_OPTIONS}
        return Loaded(compile_model(model, target=device, **rest), **run)

    def owns(self, artefact: object) -> bool:
        """Whether it is a compiled program, loaded or not."""
        return isinstance(artefact, (Loaded, Executable))

    def reads(self, path: Path, head: bytes) -> bool:
        """Whether a file is a `.halo` file of a compiled program."""
        return archive_kind(path, head) == KIND

    def load(self, path: Path) -> Loaded:
        """An executable read from its file. Raises ExecutableError."""
        return Loaded(Executable.load(path))

    def save(self, artefact: Loaded | Executable, path: Path) -> None:
        """Write the executable to a file. Raises OutputError."""
        _executable(artefact).save(path)

    def signature(self, artefact: Loaded | Executable) -> Signature:
        """Inputs and outputs of a whole request."""
        executable = _executable(artefact)
        parts = executable.parts
        return Signature(
            tuple(Port(port.name, port.request_type(parts)) for port in executable.inputs),
            tuple(Port(port.name, port.request_type(parts)) for port in executable.outputs),
        )

    def device_of(self, artefact: Loaded | Executable) -> str:
        """The target's name."""
        return _executable(artefact).system.name

    def run(self, artefact: Loaded | Executable, inputs: Sequence[RuntimeValue]) -> RunResult:
        """One request: every replica and micro-batch. Raises SimulationError."""
        loaded = artefact if isinstance(artefact, Loaded) else Loaded(artefact)
        executable = loaded.executable
        engine = Engine(executable.program, loaded.mode, loaded.rounding_seed, resident=loaded.resident)
        parts = [self._part(engine, executable, inputs, number) for number in range(executable.parts)]
        outputs: list[RuntimeValue] = [
            results[0] if port.batch_axis is None else np.concatenate(results, axis=port.batch_axis)
            for port, results in zip(executable.outputs, zip(*parts, strict=True), strict=True)
        ]
        counters = engine.counters
        counted = RunCounters(
            counters.bytes_exchanged, counters.bytes_sent, counters.vertices, counters.multiply_accumulates
        )
        return RunResult(outputs, loaded.profile(counted))

    @staticmethod
    def _part(engine: Engine, executable: Executable, inputs: Sequence[RuntimeValue], number: int) -> list[Any]:
        ports = zip(executable.graph.inputs, executable.inputs, inputs, strict=True)
        return engine.run(executable.graph, {value: port.part(contents, number) for value, port, contents in ports})


def _keyword_only(function: Callable[..., object]) -> list[str]:
    parameters = signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _described(name: str) -> DeviceInfo:
    system = load_target(name)
    return DeviceInfo(name, "simulated", processors=system.ipus, memory_bytes=int(system.bytes_on_chip))


def _executable(artefact: Loaded | Executable) -> Executable:
    return artefact.executable if isinstance(artefact, Loaded) else artefact
