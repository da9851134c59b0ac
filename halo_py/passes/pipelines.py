"""The one place where the order of passes is written."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import cast

from halo_py.errors import UsageError
from halo_py.passes.affine import FoldAffine
from halo_py.passes.base import Pass, Pipeline
from halo_py.passes.canonicalize import Canonicalize
from halo_py.passes.cse import MergeEqualNodes
from halo_py.passes.dce import DropDeadCode
from halo_py.passes.fold import FoldConstants
from halo_py.passes.forests import Forests
from halo_py.passes.fuse import Fuse
from halo_py.passes.indices import NarrowIndices
from halo_py.passes.precision import Precision, PrecisionName
from halo_py.passes.recognize import Recognize
from halo_py.passes.specialize import Specialize
from halo_py.passes.transposes import SinkTransposes

PASSES: tuple[type[Pass], ...] = (
    Specialize,
    Forests,
    FoldConstants,
    Canonicalize,
    MergeEqualNodes,
    Recognize,
    FoldAffine,
    SinkTransposes,
    NarrowIndices,
    Precision,
    Fuse,
    DropDeadCode,
)
"""Every pass of this distribution."""

PIPELINES = ("ipu", "cpu")


_registered: dict[str, type[Pass]] = {}


def register_pass(cls: type[Pass]) -> None:
    """Make a pass part of every pipeline without an entry point."""
    _registered[cls.name] = cls


def third_party_passes() -> tuple[type[Pass], ...]:
    """Passes of other distributions: registered ones first, then those of the entry point group `halo.passes`."""
    return (*_registered.values(), *(cls for cls in _installed_passes() if cls.name not in _registered))


@cache
def _installed_passes() -> tuple[type[Pass], ...]:
    return tuple(cast("type[Pass]", entry.load()) for entry in entry_points(group="halo.passes"))


def pass_classes() -> dict[str, type[Pass]]:
    """Every known pass by name."""
    return {cls.name: cls for cls in (*PASSES, *third_party_passes())}


def pipeline(name: str, *, symbols: dict[str, int] | None = None, precision: PrecisionName = "fp32") -> Pipeline:
    """A named pipeline: 'ipu' for tiled machines, 'cpu' for an engine that fuses by itself.

    `symbols` fixes dimensions by name. Raises UsageError for a name it does not know.
    """
    fixed = tuple(sorted((symbols or {}).items()))
    simplify = (FoldConstants(), Canonicalize(), MergeEqualNodes())
    match name:
        case "ipu":
            steps: tuple[Pass, ...] = (
                Specialize(fixed, both_branches=200),
                Forests(),
                *simplify,
                Recognize(),
                FoldAffine(),
                SinkTransposes(),
                *simplify,
                NarrowIndices(),
                Precision(precision),
                Fuse(),
                MergeEqualNodes(),
                DropDeadCode(),
            )
        case "cpu":
            simplify = (FoldConstants(weights=True), *simplify[1:])
            steps = (Specialize(fixed), *simplify, DropDeadCode())
        case _:
            raise UsageError(f"unknown pipeline {name!r}", hint=f"known pipelines: {', '.join(PIPELINES)}")
    return Pipeline(name, with_passes(steps, [cls() for cls in third_party_passes()]))


def with_passes(steps: tuple[Pass, ...], added: list[Pass]) -> tuple[Pass, ...]:
    """The list with each added pass after the last pass it `follows`; at the end if it follows none of them."""
    result = list(steps)
    for step in added:
        places = [index for index, other in enumerate(result) if other.name == step.follows]
        result.insert(places[-1] + 1 if places else len(result), step)
    return tuple(result)
