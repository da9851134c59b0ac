"""A library in its process: what it exports, and the ways in which it wants to be called."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from halo_backends.native.process import Answers, Failure, LibraryProcess
from halo_backends.native.wire import CallStep

DEFAULT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user chooses. No call may take longer than `seconds`; functions in `exclude` are not called."""

    seconds: float = DEFAULT_SECONDS
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ways:
    """How a library is driven where ODLA leaves a choice, or libraries leave things out."""

    eager: bool = False
    """Values and operators at once, without a computation."""
    by_id: bool = True
    """Buffers are bound by ids, as generated programs do; else by handles."""
    fetch: bool = False
    """Outputs are copied by odla_GetValueData after the run instead of being bound before."""
    device: bool = False
    """A device is allocated, made current and passed; else the device is NULL."""
    launch: bool = False
    """odla_CompileComputation and odla_LaunchExecutable instead of odla_ExecuteComputation."""
    several: bool = False
    """Several computations can live in one process."""

    def __str__(self) -> str:
        if self.eager:
            return "eager mode"
        parts = ["graph mode", "bound by id" if self.by_id else "bound by value"]
        parts += ["outputs fetched after the run"] * self.fetch
        parts += ["a device allocated"] * self.device
        parts += ["compiled and launched"] * self.launch
        return ", ".join(parts)


class CallFailedError(Exception):
    """A call answered an error."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(eq=False)
class Library:
    """A loaded library. Its process serves one thread at a time."""

    path: str
    settings: Settings
    ways: Ways
    process: LibraryProcess
    exported: frozenset[str]
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _device: int | None = None

    @staticmethod
    def open(path: str, settings: Settings, ways: Ways) -> Library:
        """Start a process that loads the library. Raises OSError, LibraryDiedError."""
        process = LibraryProcess(settings.seconds)
        try:
            exported = process.load(path)
        except OSError:
            process.close()
            raise
        return Library(path, settings, ways, process, frozenset(exported) - settings.exclude)

    def slot(self) -> int:
        """A slot that holds no handle yet."""
        return next(self._numbers)

    def has(self, *functions: str) -> bool:
        """Whether the library exports all of them."""
        return self.exported.issuperset(functions)

    def call(self, *steps: CallStep) -> Answers:
        """Make calls up to the first that fails. Raises LibraryDiedError."""
        return self.process.call(steps)

    def need(self, steps: Sequence[CallStep]) -> Answers:
        """Make calls, all of which must succeed. Raises CallFailedError, LibraryDiedError."""
        answers = self.process.call(steps)
        if answers.failure is not None:
            raise CallFailedError(answers.failure)
        return answers

    def device(self) -> dict[str, int] | None:
        """The device as an argument. Raises CallFailedError."""
        if not self.ways.device:
            return None
        if self._device is None:
            slot = self.slot()
            self.need([CallStep("odla_AllocateDevice", (self._vendor(), 0, 0, {"out": slot}))])
            self._device = slot
            self.call(
                CallStep("odla_InitDevice", ({"v": slot}, None), may_fail=True),
                CallStep("odla_SetCurrentDevice", ({"v": slot},), may_fail=True),
            )
        return {"v": self._device}

    def _vendor(self) -> dict[str, int] | None:
        """The default vendor if the library tells one."""
        slot = self.slot()
        if not self.has("odla_GetVendor"):
            return None
        failure = self.call(CallStep("odla_GetVendor", (0, {"out": slot}))).failure
        return {"v": slot} if failure is None else None
