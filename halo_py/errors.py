"""Errors a user can meet: each names the user's file, node and op, and says what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the *user's* model; it survives fusion and tiling.

    `merged` lists the other nodes that a fused node stands for.
    """

    file: str | None = None
    node: str | None = None
    op: str | None = None
    merged: tuple[str, ...] = ()

    def merge(self, *others: Where) -> Where:
        """This place, remembering `others` as fused into it."""
        names = [name for other in others for name in (other.node, *other.merged) if name]
        extra = tuple(dict.fromkeys((*self.merged, *names)))
        return replace(self, merged=tuple(name for name in extra if name != self.node))

    def __str__(self) -> str:
        parts: list[str] = []
        if self.file:
            parts.append(self.file)
        if self.node:
            parts.append(f"node {self.node!r}")
        if self.op:
            parts.append(f"op {self.op}")
        return ", ".join(parts) or "unknown place"


NOWHERE = Where()


class HaloError(Exception):
    """Base of every error HALO raises on purpose.

    `message` says what is wrong, `where` the place in the user's model, `hint` what to do about it.
    `exit_code` is what the commands return (documented in docs/exit-codes.md).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, where: Where = NOWHERE, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = self.message if self.where == NOWHERE else f"{self.where}: {self.message}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class UsageError(HaloError):
    """A wrong argument: an unknown option value, a shape or batch that cannot be met."""

    exit_code = 2


class ModelError(HaloError):
    """A model file that is missing, truncated, malformed or inconsistent."""

    exit_code = 3


class UnsupportedError(HaloError):
    """Operators or features that have no implementation; lists all of them at once."""

    exit_code = 4


class ShapeError(ModelError):
    """Types or shapes that do not fit together, or a dimension that must be known and is not."""


class OutOfMemoryError(HaloError):
    """The program does not fit the tiles' memory."""

    exit_code = 5


class TargetError(UsageError):
    """An unknown target or a malformed machine description."""


class ExecutableError(HaloError):
    """A `.halo` file that was changed, is incomplete or was made by an incompatible version."""

    exit_code = 6


class VerificationError(HaloError):
    """The compiled program's values differ from the judge's."""

    exit_code = 7


class OutputError(HaloError):
    """An output file could not be written (full disk, no permission)."""

    exit_code = 8


class SimulationError(HaloError):
    """The simulated machine met something impossible: a read of a byte nobody wrote, a bad transfer."""

    exit_code = 9


class DeviceError(HaloError):
    """A device, or the library that drives it, failed: it crashed, did not return, or answered an error."""

    exit_code = 10


class InternalError(HaloError):
    """An invariant of the compiler does not hold: a defect of HALO itself, please report it."""

    exit_code = 70
