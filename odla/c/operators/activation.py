"""Activations, softmax, losses and dropout (ODLA/ops/odla_ops_nn.h)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from halo_py.ops import activation as act
from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from halo_py.ops.indexing import Gather, GatherElements
from halo_py.ops.reduction import ReduceSum
from halo_py.ops.reshaping import Identity, Squeeze
from halo_py.ops.softmax import Hardmax, LogSoftmax, Softmax
from odla.c.operators.emit import Emit, Node, dtype_of, operator

if TYPE_CHECKING:
    from halo_py.ir.op import Op
    from odla.c.operators.emit import Dims

PLAIN: dict[str, Op] = {
    "odla_Relu": act.Relu(),
    "odla_Sigmoid": act.Sigmoid(),
    "odla_Softplus": act.Softplus(),
    "odla_Softsign": act.Softsign(),
    "odla_Swish": act.Swish(),
    "odla_HardSwish": act.HardSwish(),
}
_NONE, _MEAN, _SUM = range(3)
"""`odla_reduction_mode`."""


def _plain(op: Op, emit: Emit, x: Node) -> Node:
    return emit.add(op, x)


for _name, _op in PLAIN.items():
    operator(_name)(partial(_plain, _op))


@operator("odla_Celu")
def celu(emit: Emit, x: Node, alpha: float) -> Node:
    """CELU."""
    return emit.add(act.Celu(alpha=alpha), x)


@operator("odla_Elu")
def elu(emit: Emit, x: Node, alpha: float) -> Node:
    """ELU."""
    return emit.add(act.Elu(alpha=alpha), x)


@operator("odla_Gelu")
def gelu(emit: Emit, x: Node, use_approx: bool) -> Node:
    """GELU, exact or by tanh."""
    return emit.add(act.Gelu(approximate="tanh" if use_approx else "none"), x)


@operator("odla_HardSigmoid")
def hard_sigmoid(emit: Emit, x: Node, alpha: float, beta: float) -> Node:
    """max(0, min(1, alpha x + beta))."""
    return emit.add(act.HardSigmoid(alpha=alpha, beta=beta), x)


@operator("odla_LeakyRelu")
def leaky_relu(emit: Emit, x: Node, alpha: float) -> Node:
    """x, or alpha x below zero."""
    return emit.add(act.LeakyRelu(alpha=alpha), x)


@operator("odla_PRelu")
def prelu(emit: Emit, x: Node, slope: Node) -> Node:
    """x, or slope x below zero."""
    return emit.add(act.PRelu(), x, slope)


@operator("odla_Selu")
def selu(emit: Emit, x: Node, alpha: float, gamma: float) -> Node:
    """SELU."""
    return emit.add(act.Selu(alpha=alpha, gamma=gamma), x)


@operator("odla_Shrink")
def shrink(emit: Emit, x: Node, bias: float, lambd: float) -> Node:
    """Zero within [-lambd, lambd], else x moved towards zero by bias."""
    return emit.add(act.Shrink(bias=bias, lambd=lambd), x)


@operator("odla_ThresholdedRelu")
def thresholded_relu(emit: Emit, x: Node, alpha: float) -> Node:
    """X where it is above alpha, else zero."""
    return emit.add(act.ThresholdedRelu(alpha=alpha), x)


@operator("odla_Softmax")
def softmax(emit: Emit, x: Node, axis: int) -> Node:
    """Softmax along an axis."""
    return emit.add(Softmax(axis=axis), x)


@operator("odla_LogSoftmax")
def log_softmax(emit: Emit, x: Node, axis: int) -> Node:
    """The logarithm of softmax along an axis."""
    return emit.add(LogSoftmax(axis=axis), x)


@operator("odla_Hardmax")
def hardmax(emit: Emit, x: Node, axis: int) -> Node:
    """One at the first maximum along an axis, zero elsewhere."""
    return emit.add(Hardmax(axis=axis), x)


@operator("odla_Dropout")
def dropout(emit: Emit, x: Node, ratio: float) -> Node:
    """The input itself: nothing is dropped when a model is used."""
    return emit.add(Identity(), x)


@operator("odla_NegativeLogLikeliHoodLoss")
def negative_log_likelihood(
    emit: Emit, x: Node, gt: Node, ignored: int, reduction: int, weight: Node | None, output_shape: Dims | None
) -> Node:
    """-weight[class] x[class] of the true classes; those that are ignored count nothing."""
    kept = emit.add(logic.Not(), emit.add(logic.Equal(), gt, emit.constant(ignored, dtype_of(gt))))
    classes = emit.add(logic.Where(), kept, gt, emit.constant(0, dtype_of(gt)))
    picked = emit.add(GatherElements(axis=1), x, emit.unsqueeze(classes, (1,)))
    loss = emit.add(ew.Neg(), emit.add(Squeeze(), picked, emit.ints((1,))))
    share = emit.cast(kept, dtype_of(x))
    if weight is not None:
        share = emit.add(ew.Mul(), share, emit.add(Gather(axis=0), weight, classes))
    loss = emit.add(ew.Mul(), loss, share)
    if reduction == _NONE:
        return loss
    total = emit.add(ReduceSum(keepdims=0), loss)
    return total if reduction == _SUM else emit.add(ew.Div(), total, emit.add(ReduceSum(keepdims=0), share))
