"""ODLA/ops/odla_ops_quantization.h."""

from __future__ import annotations

from halo_py.ops.quantization import DequantizeLinear, QuantizeLinear
from odla.c.element_types import ElementType
from odla.c.element_types import dtype_of as dtype_of_element
from odla.c.operators.emit import Emit, Node, dtype_of, operator


@operator("odla_Quantize")
def quantize(emit: Emit, x: Node, scale: Node, zero_point: Node | None, axis: int, target_data_type: int) -> Node:
    """round(x / scale) + zero point, limited to the target type; per tensor, or per slice along an axis."""
    target = dtype_of_element(target_data_type, "target_data_type")
    emit.element = ElementType(target_data_type)
    if zero_point is None:
        return emit.add(QuantizeLinear(axis=axis, output_dtype=target), x, scale)
    return emit.add(QuantizeLinear(axis=axis), x, scale, emit.cast(zero_point, target))


@operator("odla_Dequantize")
def dequantize(emit: Emit, x: Node, scale: Node, zero_point: Node | None, axis: int, target_data_type: int) -> Node:
    """(x - zero point) scale in the target type."""
    target = dtype_of_element(target_data_type, "target_data_type")
    zero = () if zero_point is None else (emit.cast(zero_point, dtype_of(x)),)
    return emit.cast(emit.add(DequantizeLinear(axis=axis), x, scale, *zero), target)
