"""Activations that exporters spell out in arithmetic: GELU, Swish, HardSwish, HardSigmoid, Softplus, Mish."""

from __future__ import annotations

import math
from collections.abc import Sequence

from halo_py.ir.graph import Node, Value
from halo_py.ir.pattern import SCALAR_TOLERANCE, Code, Maker, Pattern, is_closed, is_number, onnx_op, rewrite, rules_of
from halo_py.ir.rewrite import Rewriter, Rule, every_rule, kind_of
from halo_py.passes.products import Product, factors, plus_number


def close(left: float, right: float) -> bool:
    """Equal up to what exporters round off."""
    return math.isclose(left, right, rel_tol=SCALAR_TOLERANCE)


def gelu(rewriter: Rewriter, node: Node) -> bool:
    """0.5 x (1 + erf(x / sqrt 2)), or 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), associated anyhow -> Gelu."""
    product = factors(rewriter, node.outputs[0])
    if len(product.values) != 2 or not close(product.coefficient, 0.5):
        return False
    for x, other in (product.values, product.values[::-1]):
        one_plus = plus_number(rewriter, other)
        if one_plus is None or one_plus[1] != 1:
            continue
        inner = rewriter.producer(one_plus[0])
        if inner is None or kind_of(inner) not in ("Erf", "Tanh"):
            continue
        test = _erf_argument if kind_of(inner) == "Erf" else _tanh_argument
        nodes = test(rewriter, inner.inputs[0], x)
        if nodes is None:
            continue
        inside = [*product.nodes, one_plus[2], inner, *nodes]
        if x.type == node.outputs[0].type and is_closed(rewriter, inside, node):
            kind = "none" if kind_of(inner) == "Erf" else "tanh"
            rewriter.replace_with(node, onnx_op("Gelu", approximate=kind), (x,), _others(inside, node))
            return True
    return False


def _others(nodes: Sequence[Node], root: Node) -> list[Node]:
    return [node for node in nodes if node is not root]


def _erf_argument(rewriter: Rewriter, argument: Value | None, x: Value) -> list[Node] | None:
    scaled = factors(rewriter, argument)
    return scaled.nodes if scaled.values == [x] and close(scaled.coefficient, math.sqrt(0.5)) else None


def _tanh_argument(rewriter: Rewriter, argument: Value | None, x: Value) -> list[Node] | None:
    scaled = factors(rewriter, argument)
    if not close(scaled.coefficient, math.sqrt(2 / math.pi)):
        return None
    whole = len(scaled.values) == 1
    nodes = _cubic(rewriter, scaled.values[0], x) if whole else _factored_cubic(rewriter, scaled, x)
    return None if nodes is None else [*scaled.nodes, *nodes]


def _cubic(rewriter: Rewriter, value: Value, x: Value) -> list[Node] | None:
    """X + 0.044715 x^3."""
    node = rewriter.producer(value)
    if node is None or kind_of(node) != "Add":
        return None
    for linear, cube in (node.inputs, node.inputs[::-1]):
        product = factors(rewriter, cube)
        if linear is x and product.values == [x, x, x] and close(product.coefficient, 0.044715):
            return [node, *product.nodes]
    return None


def _factored_cubic(rewriter: Rewriter, scaled: Product, x: Value) -> list[Node] | None:
    """X (1 + 0.044715 x^2)."""
    if len(scaled.values) != 2 or x not in scaled.values:
        return None
    other = scaled.values[1 - scaled.values.index(x)]
    one_plus = plus_number(rewriter, other)
    if one_plus is None or one_plus[1] != 1:
        return None
    product = factors(rewriter, one_plus[0])
    if product.values == [x, x] and close(product.coefficient, 0.044715):
        return [one_plus[2], *product.nodes]
    return None


def hard_swish(rewriter: Rewriter, node: Node) -> bool:
    """X clip(x + 3, 0, 6) / 6, associated anyhow -> HardSwish."""
    product = factors(rewriter, node.outputs[0])
    if len(product.values) != 2 or not close(product.coefficient, 1 / 6):
        return False
    for x, other in (product.values, product.values[::-1]):
        clip = rewriter.producer(other)
        if clip is None or not _clips(rewriter, clip, 0, 6):
            continue
        shifted = plus_number(rewriter, clip.inputs[0])
        if shifted is None or shifted[0] is not x or shifted[1] != 3:
            continue
        inside = [*product.nodes, clip, shifted[2]]
        if x.type == node.outputs[0].type and is_closed(rewriter, inside, node):
            rewriter.replace_with(node, onnx_op("HardSwish"), (x,), _others(inside, node))
            return True
    return False


def _clips(rewriter: Rewriter, node: Node, low: float, high: float) -> bool:
    bounds = node.inputs[1:]
    if kind_of(node) != "Clip" or len(bounds) != 2:
        return False
    return rewriter.scalar(bounds[0]) == low and is_number(rewriter, bounds[1], high)


def hard_sigmoid(rewriter: Rewriter, node: Node) -> bool:
    """clip(x + 3, 0, 6) / 6 -> HardSigmoid(alpha = 1 / 6), unless it is part of a HardSwish."""
    product = factors(rewriter, node.outputs[0])
    if len(product.values) != 1 or not close(product.coefficient, 1 / 6):
        return False
    clip = rewriter.producer(product.values[0])
    if clip is None or not _clips(rewriter, clip, 0, 6):
        return False
    shifted = plus_number(rewriter, clip.inputs[0])
    if shifted is None or shifted[1] != 3 or shifted[0].type != node.outputs[0].type:
        return False
    inside = [*product.nodes, clip, shifted[2]]
    if not is_closed(rewriter, inside, node):
        return False
    op = onnx_op("HardSigmoid", alpha=1 / 6, beta=0.5)
    rewriter.replace_with(node, op, (shifted[0],), _others(inside, node))
    return True


def hard_swish_of_sigmoid(rewriter: Rewriter, node: Node) -> bool:
    """X HardSigmoid(x; 1 / 6, 0.5) -> HardSwish."""
    for x, other in (node.inputs, node.inputs[::-1]):
        inner = rewriter.producer(other)
        if x is None or other is None or inner is None or kind_of(inner) != "HardSigmoid" or inner.inputs[0] is not x:
            continue
        fields = inner.op.attributes()
        if close(fields["alpha"], 1 / 6) and close(fields["beta"], 0.5) and rewriter.has_one_use(other):
            rewriter.replace_with(node, onnx_op("HardSwish"), (x,), (inner,))
            return True
    return False


def _swish(op: Code, x: Pattern) -> Pattern:
    return op.Mul(x, op.Sigmoid(x))


def _make_swish(op: Maker, x: Value) -> Value:
    return op.Swish(x, alpha=1.0)


def _scaled_swish(op: Code, x: Pattern) -> Pattern:
    return op.Mul(x, op.Sigmoid(op.Mul(x, op.number("alpha"))))


def _make_scaled_swish(op: Maker, x: Value, alpha: Value) -> Value | None:
    factor = op.rewriter.scalar(alpha)
    return None if factor is None else op.Swish(x, alpha=factor)


def _softplus(op: Code, x: Pattern) -> Pattern:
    return op.Log(op.Add(op.Exp(x), 1.0))


def _make_softplus(op: Maker, x: Value) -> Value:
    return op.Softplus(x)


def _mish(op: Code, x: Pattern) -> Pattern:
    return op.Mul(x, op.Tanh(op.Softplus(x)))


def _make_mish(op: Maker, x: Value) -> Value:
    return op.Mish(x)


_PRODUCTS: dict[str, list[Rule]] = {
    "Mul": [gelu, hard_swish, hard_swish_of_sigmoid, hard_sigmoid],
    "Div": [gelu, hard_swish, hard_sigmoid],
}

ACTIVATIONS = every_rule(
    _PRODUCTS,
    rules_of(
        rewrite(_swish, _make_swish),
        rewrite(_scaled_swish, _make_scaled_swish),
        rewrite(_softplus, _make_softplus),
        rewrite(_mish, _make_mish),
    ),
)
