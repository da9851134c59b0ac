"""Devices, executables and results: what a user of ODLA holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.errors import UsageError
from halo_py.types import Dim, DType, TensorType, Type
from odla.driver import Driver, Port, RunResult, Signature, drivers, find_driver

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue
    from odla.driver import Options, Refused

Inputs = Mapping[str, Any] | Sequence[Any]
"""Inputs by name, or in order."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the driver that runs it."""

    name: str
    driver: Driver

    def supports(self, graph: Graph) -> Sequence[Refused]:
        """The nodes that it cannot run, each with its reason."""
        return self.driver.supports(graph, self.name)

    def compile(self, model: Graph | Path, options: Options) -> Executable:
        """The model compiled for this device. Raises HaloError."""
        return Executable.of(self.driver, self.driver.compile(model, self.name, options))


def device(name: str) -> Device:
    """The device of this name. Raises TargetError."""
    return Device(name, find_driver(name))


def devices() -> tuple[Device, ...]:
    """Every device that a driver lists."""
    return tuple(Device(info.name, driver) for driver in drivers() for info in driver.devices())


class Result(Mapping[str, Any]):
    """Outputs of a run by name (a NumPy array each; a list for a sequence), with the run's `profile`.

    `fallbacks` lists the nodes that ran on the CPU because the device's library lacks them.
    """

    __slots__ = ("_names", "_values", "fallbacks", "profile")

    def __init__(
        self,
        names: tuple[str, ...],
        values: Sequence[RuntimeValue],
        profile: Any = None,
        fallbacks: Sequence[Refused] = (),
    ) -> None:
        self._names = names
        self._values = values
        self.profile = profile
        self.fallbacks = fallbacks

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def in_order(self) -> tuple[RuntimeValue, ...]:
        """The outputs in the model's order."""
        return tuple(self._values)


@dataclass(frozen=True, slots=True)
class Executable:
    """A computation compiled for one device."""

    driver: Driver
    artefact: Any
    signature: Signature
    _checks: tuple[_InputCheck, ...] = field(repr=False)
    _output_names: tuple[str, ...] = field(repr=False)

    @staticmethod
    def of(driver: Driver, artefact: Any) -> Executable:
        """A driver's artefact as an executable."""
        signature = driver.signature(artefact)
        checks = tuple(_InputCheck.of(port) for port in signature.inputs)
        return Executable(driver, artefact, signature, checks, tuple(port.name for port in signature.outputs))

    @property
    def device(self) -> str:
        """The device it was compiled for."""
        return self.driver.device_of(self.artefact)

    def save(self, path: str | Path) -> None:
        """Write it to one file. Raises OutputError."""
        self.driver.save(self.artefact, Path(path))

    def run(self, inputs: Inputs) -> Result:
        """One run. Raises UsageError for inputs that do not fit."""
        result = self.driver.run(self.artefact, self.ordered(inputs))
        return self.result(result)

    def result(self, result: RunResult) -> Result:
        """What a driver's run gave, by name."""
        return Result(self._output_names, result.outputs, result.profile, result.fallbacks)

    def ordered(self, inputs: Inputs) -> list[RuntimeValue]:
        """The inputs checked and in order. Raises UsageError."""
        checks = self._checks
        if isinstance(inputs, Mapping):
            try:
                ordered = [inputs[check.name] for check in checks]
            except KeyError:
                ordered = None
            if ordered is None or len(inputs) != len(checks):
                raise self._wrong_names(inputs)
        elif isinstance(inputs, (list, tuple)):
            ordered = inputs
            if len(ordered) != len(checks):
                raise UsageError(f"the model has {len(checks)} inputs, {len(ordered)} are given", hint=self._hint())
        else:
            raise UsageError("inputs are given as a mapping from name to array, or as a list", hint=self._hint())
        return [check.check(value) for check, value in zip(checks, ordered, strict=True)]

    def _wrong_names(self, inputs: Mapping[str, Any]) -> UsageError:
        names = [check.name for check in self._checks]
        missing = [name for name in names if name not in inputs]
        unknown = [name for name in inputs if name not in names]
        parts = [f"input {name!r} is not given" for name in missing]
        parts += [f"the model has no input {name!r}" for name in unknown]
        return UsageError("; ".join(parts), hint=self._hint())

    def _hint(self) -> str:
        return "its inputs are " + (", ".join(f"{port.name}: {port.type}" for port in self.signature.inputs) or "none")


@dataclass(frozen=True, slots=True)
class _InputCheck:
    """What one input must be, made ready so that a check costs less than a microsecond."""

    name: str
    type: Type
    dtype: np.dtype[np.generic] | None
    shape: tuple[Dim, ...] | None
    static: bool

    @staticmethod
    def of(port: Port) -> _InputCheck:
        type = port.type
        if isinstance(type, TensorType):
            return _InputCheck(port.name, type, type.dtype.numpy, type.shape, type.is_static)
        return _InputCheck(port.name, type, None, None, False)

    def check(self, value: Any) -> Any:
        """The value as the driver wants it. Raises UsageError."""
        if self.dtype is None:
            return value
        array = cast("np.ndarray[Any, Any]", value) if isinstance(value, np.ndarray) else self._converted(value)
        if array.dtype != self.dtype:
            if self.dtype == object and array.dtype.kind in "UST":
                return array.astype(object)
            raise self._error(array)
        if array.shape != self.shape and (self.static or not self._fits(array.shape)):
            raise self._error(array)
        return array

    def _converted(self, value: Any) -> np.ndarray[Any, Any]:
        try:
            return np.asarray(value, self.dtype)
        except (TypeError, ValueError) as error:
            raise UsageError(f"input {self.name!r} must be {self.type}: {error}") from error

    def _fits(self, shape: tuple[int, ...]) -> bool:
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            not isinstance(dim, int) or dim == size for dim, size in zip(self.shape, shape, strict=True)
        )

    def _error(self, value: np.ndarray[Any, Any]) -> UsageError:
        try:
            found = DType.from_numpy(value.dtype).text
        except KeyError:
            found = str(value.dtype)
        sizes = ", ".join(str(size) for size in value.shape)
        hint = f"convert it with .astype({self.dtype})" if value.dtype != self.dtype else None
        return UsageError(f"input {self.name!r} must be {self.type}, found {found}[{sizes}]", hint=hint)
