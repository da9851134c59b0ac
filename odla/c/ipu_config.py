"""The options of IPU clients: the JSON file that the variable ODLA_POPART_CONFIG, or a device config, names.

Every key is honoured or refused by name; keys that no client's library knows are named in the log and have no effect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from halo_py.errors import UsageError, Where
from odla.c.log import Level, log

VARIABLE = "ODLA_POPART_CONFIG"
"""The environment variable, and the item of a device config, that name a file. The item may also be its text."""

SEQUENCE, PARALLEL, PIPELINE, PIPELINE_ASYNC = "sequence", "parallel", "pipeline", "pipeline_async"
MODES = (SEQUENCE, PARALLEL, PIPELINE, PIPELINE_ASYNC)
QUEUES = ("LockFreeQueue", "ContextQueues")
UNMATCHED = "^__all_unmatched__$"
"""The pattern that stands for every node that no other one matches."""

SAVED_MODEL = "odla_popart_saved.onnx"
"""Where a model is saved if the config does not say it."""

_VERSION = "1.0.0"
_MOST = 1 << 20

Patterns = tuple[tuple[str, int, int], ...]
"""Pattern for names of nodes, IPU, stage; the first that matches counts."""


@dataclass(frozen=True, slots=True)
class IpuConfig:
    """What the file says; None where it says nothing."""

    file: str | None = None
    execution_mode: str = SEQUENCE
    ipu_num: int | None = None
    batches_per_step: int | None = None
    pipeline: Patterns = ()
    amp: float | None = None
    """The part of a tile's memory that one op may use beside operands and results."""
    save_model_path: str | None = None
    load_onnx_path: str | None = None
    queue_capacity: int = 1 << 20
    debug: bool = False
    """Whether the file outranks the items of a computation."""
    text: str = ""

    @property
    def pipelined(self) -> bool:
        """Whether nodes are put into the stages that the patterns name."""
        return bool(self.pipeline) and self.execution_mode in (PIPELINE, PIPELINE_ASYNC)

    @property
    def stage_patterns(self) -> tuple[tuple[str, int], ...]:
        """The patterns with their stages, the one for all other nodes last; empty if nothing is pipelined."""
        if not self.pipelined:
            return ()
        rest = [("", stage) for pattern, _, stage in self.pipeline if pattern == UNMATCHED]
        return (*((pattern, stage) for pattern, _, stage in self.pipeline if pattern != UNMATCHED), *rest)

    @staticmethod
    def named(path_or_text: str) -> IpuConfig:
        """The config of an item: a text that begins with a brace, else a file. Raises FileNotFoundError, UsageError."""
        read = IpuConfig.parse if path_or_text.lstrip().startswith("{") else IpuConfig.read
        return read(path_or_text)

    @staticmethod
    def read(path: str) -> IpuConfig:
        """The config in a file. Raises FileNotFoundError, UsageError."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no file {path!r}, which {VARIABLE} names") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot be read: {error}", Where(path)) from error
        return IpuConfig.parse(text, path)

    @staticmethod
    def parse(text: str, file: str | None = None) -> IpuConfig:
        """The config of a text. Raises UsageError that lists everything that is wrong with it."""
        where = Where(file or VARIABLE)
        try:
            table: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"is not JSON: {error}", where) from error
        if not isinstance(table, dict):
            raise UsageError("is no JSON object", where)
        problems: list[str] = []
        found = _values(cast("Mapping[str, Any]", table), problems)
        if problems:
            raise UsageError("; ".join(problems), where)
        return IpuConfig(file=file, text=text, **found)


def _values(table: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            log(Level.WARN, f"{VARIABLE}: {key!r} has no effect" + (f"; did you mean {near[0]!r}?" if near else ""))
            continue
        try:
            found[key] = _KEYS[key](value)
        except _WrongError as wrong:
            problems.append(f"{key}: {wrong}")
    for flag, path, default in (("save_model", "save_model_path", SAVED_MODEL), ("load_onnx", "load_onnx_path", None)):
        wanted = found.pop(flag, False)
        given = found.pop(path, default)
        if wanted and not given:
            problems.append(f"{flag} is true, but there is no {path}")
        elif wanted:
            found[path] = given
    for key in ("version", "sdk_version", "queue_type"):
        found.pop(key, None)
    return found


class _WrongError(Exception):
    """What is wrong with a value."""


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongError(f"is {value!r}, not true or false")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise _WrongError(f"is {value!r}, not a whole number from 1 to {_MOST}")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise _WrongError(f"is {value!r}, not a number above 0 and at most 1")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongError(f"is {value!r}, not a text")
    return value


def _one_of(*known: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in known:
            raise _WrongError(f"is {value!r}; known are {', '.join(known)}")
        return str(value)

    return check


def _pipeline(value: Any) -> Patterns:
    """The patterns in the order in which they are tried: by their text, as the original library's map has them."""
    if not isinstance(value, dict):
        raise _WrongError("is no object of patterns with [IPU, stage]")
    found: list[tuple[str, int, int]] = []
    for pattern, place in sorted(cast("dict[str, Any]", value).items()):
        entries = cast("list[Any]", place) if isinstance(place, list) else []
        if len(entries) != 2 or any(isinstance(e, bool) or not isinstance(e, int) or e < 0 for e in entries):
            raise _WrongError(f"{pattern!r} is {place!r}, not [IPU, stage]")
        found.append((pattern, *entries))
    ipu_of: dict[int, int] = {}
    for pattern, ipu, stage in found:
        if ipu_of.setdefault(stage, ipu) != ipu:
            raise _WrongError(f"{pattern!r} puts stage {stage} on IPU {ipu}, another pattern on IPU {ipu_of[stage]}")
    if len(set(ipu_of.values())) != len(ipu_of):
        shared = next(ipu for ipu in ipu_of.values() if list(ipu_of.values()).count(ipu) > 1)
        stages = ", ".join(str(stage) for stage, ipu in ipu_of.items() if ipu == shared)
        raise _WrongError(f"stages {stages} share IPU {shared}: here every stage has an IPU of its own")
    return tuple(found)


def _version(value: Any) -> str:
    if _text(value) != _VERSION:
        log(Level.WARN, f"{VARIABLE}: version {value} is read as {_VERSION}")
    return _VERSION


_KEYS: dict[str, Callable[[Any], Any]] = {
    "version": _version,
    "sdk_version": _text,
    "amp": _share,
    "batches_per_step": _count,
    "execution_mode": _one_of(*MODES),
    "ipu_num": _count,
    "load_onnx": _flag,
    "load_onnx_path": _text,
    "pipeline": _pipeline,
    "save_model": _flag,
    "save_model_path": _text,
    "queue_type": _one_of(*QUEUES),
    "queue_capacity": _count,
    "debug": _flag,
}
