"""Which ops have a gradient: one rule per op, declared with `@gradient` or, as its own formula, with `@by_formula`."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from halo_py.ir.op import Op

if TYPE_CHECKING:
    from halo_py.autodiff.reverse import Backward
    from halo_py.autodiff.terms import Term

AnyOp = TypeVar("AnyOp", bound=Op)

Gradients = Sequence["Term | None"]
"""One gradient per operand of a node; None where none flows."""

Rule = Callable[["Backward", Any], Gradients]
"""Gets a node on the way back and its op, answers the gradients of the operands."""

Formula = Callable[["Backward", Any], Sequence["Term | None"]]
"""Gets a node and its op, answers the node's results in ops that have gradients (None: not differentiable)."""

FAMILIES = (
    "elementwise",
    "activation",
    "reduction",
    "softmax",
    "normalization",
    "contraction",
    "convolution",
    "pooling",
    "movement",
    "slicing",
    "indexing",
    "interpolation",
    "attention",
)
"""Modules of `halo_py.autodiff.rules`."""

_RULES: dict[str, Rule] = {}


def gradient(*classes: type[AnyOp]) -> Callable[[Callable[[Backward, AnyOp], Gradients]], Rule]:
    """Declare the rule of these ops. Raises ValueError if one of them has a rule already."""

    def declare(rule: Callable[[Backward, AnyOp], Gradients]) -> Rule:
        for cls in classes:
            name = cls.declaration.name
            if name in _RULES:
                raise ValueError(f"op {name!r} has two gradients")
            _RULES[name] = rule
        return rule

    return declare


def by_formula(
    *classes: type[AnyOp],
) -> Callable[[Callable[[Backward, AnyOp], Sequence[Term | None]]], Rule]:
    """Declare the gradient of these ops as that of their results, written in other ops."""

    def declare(formula: Callable[[Backward, AnyOp], Sequence[Term | None]]) -> Rule:
        @functools.wraps(formula)
        def rule(at: Backward, op: AnyOp) -> Gradients:
            return at.through(formula, op)

        return gradient(*classes)(rule)

    return declare


def constant(*classes: type[Op]) -> None:
    """Declare ops whose results do not change with their operands, or only in steps: no gradient flows."""

    def none(at: Backward, _op: Op) -> Gradients:
        return [None] * len(at.node.inputs)

    gradient(*classes)(none)


@functools.cache
def _load() -> None:
    for family in FAMILIES:
        importlib.import_module(f"halo_py.autodiff.rules.{family}")


def rule_of(op: Op) -> Rule | None:
    """The rule of an op, None if it has no gradient."""
    _load()
    return _RULES.get(op.declaration.name)


def has_gradient(cls: type[Op]) -> bool:
    """Whether gradients can be taken through ops of this class."""
    _load()
    return cls.declaration.name in _RULES
