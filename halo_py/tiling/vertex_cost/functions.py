"""Inner-loop cycles of every scalar function, by kind of arithmetic.

Source: tables of graphcore/poplibs 7eac0f26, lib/popops/popopsCycleEstimators.cpp and PerformanceEstimation.cpp,
restated as effective cycles per loop. Functions that PopLibs composes are listed as what they are composed of; those
it does not have are marked assumed in `ASSUMED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from halo_py.tiling.vertex_cost.arithmetic import Kind
from halo_py.tiling.vertex_cost.counts import Counts, ceil_rule, floor_rule


class Loop(NamedTuple):
    """`cycles` per `elements`; `natural` loops follow the floor rule, unrolled ones round up."""

    cycles: int
    elements: int = 1
    natural: bool = False

    def total(self, elements: Counts) -> Counts:
        """Cycles of one worker's loop over its elements."""
        rule = floor_rule if self.natural else ceil_rule
        return rule(self.cycles, elements, self.elements)


@dataclass(frozen=True, slots=True)
class Function:
    """Loops of one function; `in_place` and `scalar` (one operand a scalar) where they differ."""

    operands: Literal[1, 2, 3]
    float32: Loop
    float16: Loop
    int32: Loop | None = None
    bool_: Loop | None = None
    in_place32: Loop | None = None
    in_place16: Loop | None = None
    scalar32: Loop | None = None
    scalar16: Loop | None = None

    def loop(self, kind: Kind, in_place: bool = False, scalar: bool = False) -> Loop:
        """The loop that applies."""
        match kind:
            case "float32":
                special = self.scalar32 if scalar else self.in_place32 if in_place else None
                return special or self.float32
            case "float16":
                special = self.scalar16 if scalar else self.in_place16 if in_place else None
                return special or self.float16
            case "int32":
                return self.int32 or INTEGER
            case "bool":
                return self.bool_ or self.int32 or INTEGER


INTEGER = Loop(7)
_LOGIC = Loop(5, 4)
_COMPARE_INT = Loop(22, 4)


def _sum() -> Function:
    return Function(2, Loop(3, 2), Loop(3, 4), scalar32=Loop(2, 2), scalar16=Loop(2, 4))


def _order() -> Function:
    return Function(2, Loop(3, 2), Loop(4, 4), in_place32=Loop(4, 2), scalar16=Loop(3, 4))


def _compare(f32: int, f16: int, scalar32: int, scalar16: int, integer: int = 22) -> Function:
    loops = Loop(f32, 4), Loop(f16, 4), Loop(integer, 4), _LOGIC
    return Function(2, *loops, scalar32=Loop(scalar32, 4), scalar16=Loop(scalar16, 4))


def _rounding() -> Function:
    return Function(1, Loop(6, 2, natural=True), Loop(6, 4, natural=True))


def _test(f32: int, f16: int) -> Function:
    return Function(1, Loop(f32 + 4, 2, natural=True), Loop(f16 + 4, 4, natural=True))


FUNCTIONS: dict[str, Function] = {
    "add": _sum(),
    "sub": _sum(),
    "mul": _sum(),
    "max": _order(),
    "min": _order(),
    "div": Function(2, Loop(10, 2), Loop(21, 4), Loop(277), scalar32=Loop(6, 2), scalar16=Loop(8, 2)),
    "pow": Function(2, Loop(312), Loop(325)),
    "atan2": Function(2, Loop(272, 2), Loop(578, 4)),
    "mod": Function(2, Loop(133, 2), Loop(300, 4), Loop(292), scalar32=Loop(93, 2), scalar16=Loop(225, 4)),
    "compare": _compare(14, 9, 12, 8),
    "not_equal": _compare(20, 11, 18, 10),
    "logic": Function(2, Loop(5, 4), Loop(5, 4), bool_=_LOGIC),
    "bitwise": Function(2, Loop(7), Loop(7)),
    "shift": Function(2, Loop(7), Loop(7)),
    "select": Function(3, Loop(5), Loop(5), Loop(5), Loop(5)),
    "clamp": Function(3, Loop(2, 2, natural=True), Loop(2, 4, natural=True)),
    "relu": Function(1, Loop(3, 2), Loop(3, 4), in_place32=Loop(2, 2), in_place16=Loop(2, 4)),
    "neg": Function(1, Loop(2, 2), Loop(2, 4), in_place32=Loop(3, 2), in_place16=Loop(3, 4)),
    "square": Function(1, Loop(2, 2), Loop(2, 4)),
    "abs": Function(1, Loop(5), Loop(5), in_place32=Loop(5, 2), in_place16=Loop(5, 4)),
    "not": Function(1, Loop(7), Loop(7), bool_=_LOGIC),
    "exp": Function(1, Loop(6, 2), Loop(4, 4)),
    "log": Function(1, Loop(12, 2), Loop(4, 4), in_place32=Loop(14, 2), in_place16=Loop(6, 4)),
    "tanh": Function(1, Loop(12, 2), Loop(4, 4), in_place32=Loop(10, 2), in_place16=Loop(2, 4)),
    "sigmoid": Function(1, Loop(12, 2), Loop(6, 4), in_place32=Loop(10, 2), in_place16=Loop(4, 4)),
    "sqrt": Function(1, Loop(10, 2), Loop(23, 4)),
    "rsqrt": Function(1, Loop(8, 2), Loop(19, 4)),
    "reciprocal": Function(1, Loop(6, 2), Loop(15, 4)),
    "expm1": Function(1, Loop(8, 1, natural=True), Loop(9, 4, natural=True)),
    "log1p": Function(1, Loop(22, 2, natural=True), Loop(22, 4, natural=True), in_place16=Loop(21, 4, natural=True)),
    "erf": Function(1, Loop(41), Loop(13)),
    "gelu_erf": Function(1, Loop(22), Loop(16)),
    # the loop of the popnn vertex: cycles per vector after the first
    "gelu_tanh": Function(1, Loop(10, 2), Loop(5, 4)),
    "swish": Function(1, Loop(11, 2), Loop(5, 4)),
    "cbrt": Function(1, Loop(31, 2, natural=True), Loop(21, 4, natural=True)),
    "sin": Function(1, Loop(2304, 1, natural=True), Loop(25)),
    "cos": Function(1, Loop(2304, 1, natural=True), Loop(25)),
    "tan": Function(1, Loop(5100), Loop(5700)),
    "asin": Function(1, Loop(106, 1, natural=True), Loop(106, 1, natural=True)),
    "ceil": _rounding(),
    "floor": _rounding(),
    "round": _rounding(),
    "trunc": Function(1, Loop(3, 2), Loop(11, 4), in_place32=Loop(4, 2)),
    "isnan": _test(3, 3),
    "isinf": _test(3, 5),
    "isfinite": _test(5, 5),
    "sign": Function(1, Loop(9, 2, natural=True), Loop(9, 4, natural=True)),
    "inv_std_dev": Function(2, Loop(12, 2), Loop(24, 4)),
    "cast": Function(1, Loop(2, 4), Loop(1, 2), Loop(2), Loop(2)),
    "copy": Function(1, Loop(1, 2), Loop(1, 4), Loop(1, 2), Loop(1, 8)),
    "unknown": Function(1, Loop(40), Loop(40), Loop(40), Loop(40)),
}

COMPOSED: dict[str, tuple[str, ...]] = {
    "acos": ("asin", "sub"),
    "atan": ("div", "mul", "mul", "mul", "mul", "add", "add", "add", "add", "select"),
    "sinh": ("exp", "reciprocal", "sub", "mul"),
    "cosh": ("exp", "reciprocal", "add", "mul"),
    "asinh": ("square", "add", "sqrt", "add", "log"),
    "acosh": ("square", "add", "sqrt", "add", "log"),
    "atanh": ("add", "sub", "div", "log", "mul"),
    "softplus": ("exp", "log1p"),
    "softsign": ("abs", "add", "div"),
    "elu": ("expm1", "mul", "select"),
    "celu": ("mul", "expm1", "mul", "select"),
    "selu": ("expm1", "mul", "mul", "select"),
    "leaky_relu": ("mul", "max"),
    "prelu": ("mul", "compare", "select"),
    "thresholded_relu": ("compare", "select"),
    "hard_sigmoid": ("mul", "add", "clamp"),
    "hard_swish": ("mul", "add", "clamp", "mul"),
    "mish": ("exp", "log1p", "tanh", "mul"),
    "shrink": ("compare", "compare", "select", "select"),
    "exp2": ("exp",),
    "log2": ("log", "mul"),
    "gelu": ("gelu_erf",),
    "fused_multiply_add": ("mul", "add"),
    "mean": ("add", "mul"),
    "xor": ("logic",),
    "and": ("logic",),
    "or": ("logic",),
    "equal": ("compare",),
    "less": ("compare",),
    "greater": ("compare",),
    "less_equal": ("compare",),
    "greater_equal": ("compare",),
    "where": ("select",),
    "clip": ("clamp",),
    "identity": ("copy",),
    "fmod": ("mod",),
    "remainder": ("mod",),
    "isnan_or_inf": ("isnan", "isinf"),
    "quantize": ("mul", "round", "add", "clamp", "cast"),
    "dequantize": ("cast", "sub", "mul"),
}

ASSUMED = frozenset({"unknown", "atan", "cast", "copy", "bitwise", "shift", "not", "logic"}) | COMPOSED.keys()
"""Functions whose cycles are not read from a table as they stand (for integers and booleans logic is)."""


def parts(function: str) -> tuple[str, ...]:
    """The table's functions that `function` consists of; one without an entry counts as 'unknown'."""
    if function in FUNCTIONS:
        return (function,)
    return COMPOSED.get(function, ("unknown",))
