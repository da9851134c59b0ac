"""Fused operators of `com.microsoft`: a contraction or an activation with what stands around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_frontends.onnx.upgrade import upgrade
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value

_PREFIX = "activation_"

# -- contractions -------------------------------------------------------------------------------------------------


@expands("FusedMatMul", "TransposeMatMul")
def _fused_matmul(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    check_attributes(draft, *_PRODUCT)
    return (_product(NodeWriter(draft, maker)),)


_PRODUCT = ("alpha", "transA", "transB", "transBatchA", "transBatchB")


def _product(write: NodeWriter) -> Value:
    """Alpha times the product of two operands, each transposed on demand; vectors are never transposed."""
    draft = write.draft
    alpha = draft.number("alpha")
    factor = 1.0 if alpha is None else alpha
    batched = draft.integer("transBatchA", 0) or draft.integer("transBatchB", 0)
    if draft.rank(0) == 2 and draft.rank(1) == 2 and not batched:
        transposes = {name: draft.integer(name, 0) for name in ("transA", "transB")}
        return write.result(0, "Gemm", draft.value(0), draft.value(1), alpha=factor, **transposes)
    left, right = (_transposed(write, index, side) for index, side in enumerate("AB"))
    if factor == 1.0:
        return write.result(0, "MatMul", left, right)
    product = write("MatMul", left, right)
    return write.result(0, "Mul", product, write.number(factor, product))


def _transposed(write: NodeWriter, index: int, side: str) -> Value:
    """Operand `index`: `transBatch` moves dimension 0 before the last one, `trans` then exchanges the last two."""
    value = write.draft.value(index)
    exchange, batch = (write.draft.integer(f"{name}{side}", 0) for name in ("trans", "transBatch"))
    if not exchange and not batch:
        return value
    rank = write.rank(value)
    if rank < 2:
        return value
    order = list(range(rank))
    if batch:
        order = [*order[1:-1], order[0], order[-1]]
    if exchange:
        order[-2:] = [order[-1], order[-2]]
    return write("Transpose", value, perm=tuple(order))


@expands("FusedGemm")
def _fused_gemm(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    own = ("alpha", "beta", "transA", "transB")
    check_attributes(draft, *own, "activation", *(f"{_PREFIX}{name}" for name in ("alpha", "beta", "gamma")))
    write = NodeWriter(draft, maker)
    function = draft.text("activation", "")
    parameters = _parameters(draft)
    attributes = {name: value for name, value in draft.attributes.items() if name in own}
    if not function:
        return (write.result(0, "Gemm", *draft.inputs, **attributes),)
    return (_activated(write, write("Gemm", *draft.inputs, **attributes), function, parameters),)


@expands("FusedMatMulActivation")
def _fused_matmul_activation(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    parameters = _parameters(draft)
    check_attributes(draft, *_PRODUCT, "activation", "activation_axis", *(_PREFIX + name for name in parameters))
    product = _product(NodeWriter(replace(draft, outputs=(f"{draft.name}.product",)), maker))
    return (_activated(NodeWriter(draft, maker), product, draft.text("activation", ""), parameters),)


def _parameters(draft: Draft) -> dict[str, float]:
    """The numbers that belong to the activation of a fused product."""
    found = {name: draft.number(_PREFIX + name) for name in ("alpha", "beta", "gamma")}
    return {name: float(number) for name, number in found.items() if number is not None}


@expands("GemmFastGelu")
def _gemm_fast_gelu(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """GELU by tanh of a product plus an optional bias."""
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    made = write("MatMul", draft.value(0), draft.value(1))
    if draft.has(2):
        made = write("Add", made, draft.value(2))
    return (write.result(0, "Gelu", made, approximate="tanh"),)


@expands("FusedConv")
def _fused_conv(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    return (fused_convolution(NodeWriter(draft, maker)),)


def fused_convolution(write: NodeWriter) -> Value:
    """Convolution plus bias, plus an addend Z of the result's shape, then an activation."""
    own = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    draft = write.draft
    check_attributes(draft, *own, "activation", "activation_params")
    attributes = {name: value for name, value in draft.attributes.items() if name in own}
    made = write("Conv", *draft.inputs[:3], **attributes)
    if draft.has(3):
        made = write("Add", made, draft.value(3))
    function = draft.text("activation", "")
    if not function:
        return made
    given = draft.attributes.get("activation_params", ())
    numbers = [float(number) for number in given] if isinstance(given, tuple) else []
    if function == "Clip":
        return _clipped(write, made, numbers)
    return _activated(write, made, function, dict(zip(("alpha", "beta"), numbers, strict=False)))


def _clipped(write: NodeWriter, value: Value, bounds: Sequence[float]) -> Value:
    if len(bounds) != 2:
        raise UnsupportedError(f"Clip needs two activation_params, found {len(bounds)}", write.draft.where)
    return write.result(0, "Clip", value, *(write.number(bound, value) for bound in bounds))


# -- activations --------------------------------------------------------------------------------------------------

_ACTIVATIONS = (
    "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh",
    "ThresholdedRelu",
)  # fmt: skip
"""Functions that fused operators name and that are ONNX operators themselves."""


def _activated(write: NodeWriter, value: Value, function: str, parameters: Mapping[str, float]) -> Value:
    """The activation of a fused operator as the draft's result 0. Raises UnsupportedError for unknown functions."""
    if function in ("ScaledTanh", "ParametricSoftplus"):
        inner = "Tanh" if function == "ScaledTanh" else "Softplus"
        return scaled_function(write, inner, value, parameters.get("alpha", 1.0), parameters.get("beta", 1.0))
    if function not in _ACTIVATIONS:
        raise UnsupportedError(f"the activation {function!r} is not supported", write.draft.where)
    return write.result(0, function, value, **parameters)


def scaled_function(write: NodeWriter, function: str, value: Value, alpha: float, beta: float) -> Value:
    """`alpha function(beta x)`, as the draft's result 0."""
    made = write(function, write("Mul", value, write.number(beta, value)))
    return write.result(0, "Mul", made, write.number(alpha, made))


@expands("Gelu")
def _gelu(draft: Draft, _maker: Maker) -> Draft:
    check_attributes(draft)
    return draft.renamed("Gelu")


@expands("BiasGelu")
def _bias_gelu(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    return (write.result(0, "Gelu", write("Add", draft.value(0), draft.value(1))),)


@expands("FastGelu")
def _fast_gelu(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """GELU by tanh, of the operand plus an optional bias."""
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    source = write("Add", draft.value(0), draft.value(1)) if draft.has(1) else draft.value(0)
    return (write.result(0, "Gelu", source, approximate="tanh"),)


@expands("QuickGelu")
def _quick_gelu(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    check_attributes(draft, "alpha")
    alpha = draft.number("alpha")
    return (NodeWriter(draft, maker).result(0, "Swish", draft.value(0), alpha=1.702 if alpha is None else alpha),)


@expands("BiasSplitGelu")
def _bias_split_gelu(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """The first half of (operand plus bias) times the GELU of the second."""
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    left, right = write.several(2, "Split", write("Add", draft.value(0), draft.value(1)), axis=-1, num_outputs=2)
    return (write.result(0, "Mul", left, write("Gelu", right)),)


# -- sums ---------------------------------------------------------------------------------------------------------


@expands("BiasAdd")
def _bias_add(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operand plus bias plus residual."""
    check_attributes(draft)
    write = NodeWriter(draft, maker)
    return (write.result(0, "Add", write("Add", draft.value(0), draft.value(1)), draft.value(2)),)


@expands("BiasSoftmax")
def _bias_softmax(draft: Draft, maker: Maker) -> Draft | tuple[Value, ...]:
    """Softmax of operand plus bias, over all dimensions from `axis` on together.

    Both ways in which the bias may broadcast (`is_inner_broadcast`) are those of Add.
    """
    check_attributes(draft, "axis", "is_inner_broadcast")
    write = NodeWriter(draft, maker)
    total = write("Add", draft.value(0), draft.value(1))
    plain = draft.without("is_inner_broadcast").renamed("Softmax").reading(total)
    return upgrade(plain, 12, maker)
