"""Tables of `com.microsoft` with quantised rows: gathering from blocks, and the embedding layer of BERT."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from halo_frontends.onnx.blocks import Blocks, int64, leading, unpacked
from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker, constant_like
from halo_frontends.onnx.expanding import check_attributes
from halo_frontends.onnx.quantities import known_rank, operand
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType


@dataclass(frozen=True, slots=True)
class _Table:
    """A GatherBlockQuantized node: which axes are gathered and quantised, counted from the front."""

    shape: tuple[int, ...]
    """Of the numbers, not of their bytes."""
    gather: int
    quantize: int
    blocks: Blocks
    """Along the quantised axis."""
    result_rank: int

    @property
    def result_axis(self) -> int:
        """The quantised axis of the result."""
        added = self.result_rank - len(self.shape)
        return self.quantize + added if self.quantize > self.gather else self.quantize


@expands("GatherBlockQuantized")
def _gather_block_quantized(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: data, indices, scales, zero points. Indices out of range give zeros."""
    check_attributes(draft, "bits", "block_size", "quantize_axis", "gather_axis")
    table = _table_of(draft)
    valid, rows = _indices(draft, maker, table)
    fields = maker.make("Gather", [draft.value(0), rows], draft, axis=table.gather)
    block = rows
    if table.gather == table.quantize:
        size = constant_like(maker, draft, np.asarray(table.blocks.size, draft.dtype(1).numpy), "size")
        block = maker.make("Div", [rows, size], draft)
    scales = maker.make("Gather", [_whole_scales(draft, maker, table), block], draft, axis=table.gather)
    zeros = operand(draft, 3)
    if zeros is not None:
        zeros = maker.make("Gather", [zeros, block], draft, axis=table.gather)
    if draft.dtype(0) is DType.UINT8:
        fields, zeros = _from_bytes(draft, maker, table, fields, scales, zeros)
    numbers = _numbers(draft, maker, table, [fields, scales, zeros])
    nothing = constant_like(maker, draft, np.zeros((), draft.dtype(2).numpy), "nothing")
    return maker.finish("Where", [valid, numbers, nothing], draft)


def _table_of(draft: Draft) -> _Table:
    shape = tuple(size for size in draft.shape(0) or () if isinstance(size, int))
    rank, indices = known_rank(draft, 0), known_rank(draft, 1)
    if len(shape) != rank or not rank:
        raise UnsupportedError("needs a table of known shape", draft.where)
    gather, quantize = (
        _axis(draft, name, default, rank) for name, default in (("gather_axis", 0), ("quantize_axis", 1))
    )
    bits = draft.integer("bits", 4)
    if draft.dtype(0) is DType.UINT8:
        if bits not in (2, 4, 8):
            raise UnsupportedError(f"tables of {bits} bits are not supported, those of 2, 4 and 8 are", draft.where)
        if gather != 0 or quantize != rank - 1 or rank < 2:
            raise ModelError("bytes are gathered along the first axis and quantised along the last", draft.where)
        shape = (*shape[:-1], shape[-1] * 8 // bits)
    size = draft.integer("block_size", 128) or max(shape[quantize], 1)
    if size < 1:
        raise ModelError(f"blocks of {size} do not exist", draft.where)
    return _Table(shape, gather, quantize, Blocks(shape[quantize], size, bits), rank - 1 + indices)


def _axis(draft: Draft, name: str, default: int, rank: int) -> int:
    axis = draft.integer(name, default)
    if not -rank <= axis < rank:
        raise ModelError(f"{name} {axis} is outside rank {rank}", draft.where)
    return axis % rank


def _indices(draft: Draft, maker: Maker, table: _Table) -> tuple[Value, Value]:
    """Which indices are in range, shaped to broadcast over the result, and all of them counted from the front."""
    indices, rows, dtype = draft.value(1), table.shape[table.gather], draft.dtype(1).numpy
    count = constant_like(maker, draft, np.asarray(max(rows, 1), dtype), "rows")
    low = constant_like(maker, draft, np.asarray(-rows, dtype), "low")
    inside = [maker.make("GreaterOrEqual", [indices, low], draft), maker.make("Less", [indices, count], draft)]
    valid = maker.make("And", inside, draft)
    behind = len(table.shape) - 1 - table.gather
    if behind:
        first = table.result_rank - table.gather - behind
        axes = tuple(range(first, first + behind))
        valid = maker.make("Unsqueeze", [valid, int64(maker, draft, axes, "axes")], draft)
    return valid, maker.make("Mod", [indices, count], draft)


def _whole_scales(draft: Draft, maker: Maker, table: _Table) -> Value:
    """The scales, repeated along dimensions where one serves the whole table."""
    wanted = (*table.shape[: table.quantize], table.blocks.count, *table.shape[table.quantize + 1 :])
    if draft.shape(2) == wanted:
        return draft.value(2)
    return maker.make("Expand", [draft.value(2), int64(maker, draft, wanted, "scales")], draft)


def _from_bytes(
    draft: Draft, maker: Maker, table: _Table, fields: Value, scales: Value, zeros: Value | None
) -> tuple[Value, Value]:
    """Gathered bytes as integers, and their zero points, which by default are the middle of the range."""
    fields = unpacked(draft, maker, fields, table.blocks.bits)
    if zeros is None:
        middle = constant_like(maker, draft, np.asarray(table.blocks.middle, np.uint8), "middle")
        return fields, maker.make("Expand", [middle, maker.make("Shape", [scales], draft)], draft)
    zeros = unpacked(draft, maker, zeros, table.blocks.bits)
    return fields, leading(draft, maker, zeros, table.blocks.count, table.result_axis)


def _numbers(draft: Draft, maker: Maker, table: _Table, operands: list[Value | None]) -> Value:
    """Gathered integers, scales and zero points as numbers."""
    axis, blocks = table.result_axis, table.blocks
    if table.gather == table.quantize:
        return maker.make("DequantizeLinear", operands, draft, axis=axis, block_size=1)
    missing = blocks.padded - blocks.extent
    size = blocks.extent if blocks.count == 1 else blocks.size
    if blocks.count == 1 or not missing:
        return maker.make("DequantizeLinear", operands, draft, axis=axis, block_size=size)
    pads = int64(maker, draft, (0, missing), "pads")
    filled = maker.make("Pad", [operands[0], pads, None, int64(maker, draft, (axis,), "axes")], draft)
    numbers = maker.make("DequantizeLinear", [filled, *operands[1:]], draft, axis=axis, block_size=size)
    return leading(draft, maker, numbers, blocks.extent, axis)


# -- the embedding layer of BERT ----------------------------------------------------------------------------------


@expands("QEmbedLayerNormalization")
def _qembed_layer_normalization(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Operands: ids of words and segments, tables of words, positions and segments, gamma, beta, mask, five scales and
    five zero points in that order. The second result counts the mask's ones.
    """
    check_attributes(draft, "epsilon")
    positions = maker.make("Unsqueeze", [_positions(draft, maker), int64(maker, draft, (0,), "axes")], draft)
    total = maker.make("Add", [_rows(draft, maker, 0, draft.value(0)), _rows(draft, maker, 1, positions)], draft)
    if draft.has(1):
        total = maker.make("Add", [total, _rows(draft, maker, 2, draft.value(1))], draft)
    gamma, beta = (_part(draft, maker, part, draft.value(2 + part)) for part in (3, 4))
    epsilon = draft.number("epsilon")
    attributes = {"axis": -1, "epsilon": 1e-12 if epsilon is None else epsilon}
    first = replace(draft, outputs=draft.outputs[:1])
    result = maker.finish("LayerNormalization", [total, gamma, beta], first, **attributes)
    if len(draft.outputs) < 2:
        return result
    return *result, *_mask_index(replace(draft, outputs=draft.outputs[1:]), maker)


def _positions(draft: Draft, maker: Maker) -> Value:
    """0, 1, ... for every position of the sequence."""
    length = maker.make("Shape", [draft.value(0)], draft, start=1, end=2)
    scalar = maker.make("Squeeze", [length], draft)
    zero, one = (constant_like(maker, draft, np.asarray(number, np.int64), "step") for number in (0, 1))
    return maker.make("Range", [zero, scalar, one], draft)


def _rows(draft: Draft, maker: Maker, part: int, ids: Value) -> Value:
    """Rows of the table of words (0), positions (1) or segments (2) as numbers."""
    return _part(draft, maker, part, maker.make("Gather", [draft.value(2 + part), ids], draft))


def _part(draft: Draft, maker: Maker, part: int, fields: Value) -> Value:
    """Integers of one of the five quantised parts as numbers."""
    return maker.make("DequantizeLinear", [fields, draft.value(8 + part), operand(draft, 13 + part)], draft)


def _mask_index(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """How many ones each row of the mask holds; 0 without a mask."""
    one = constant_like(maker, draft, np.asarray(1 if draft.has(7) else 0, np.int32), "one")
    if draft.has(7):
        ones = maker.make("Equal", [draft.value(7), one], draft)
        counted = maker.make("Cast", [ones], draft, to=DType.INT32.onnx_number)
    else:
        counted = maker.make("Mul", [draft.value(0), one], draft)
    return maker.finish("ReduceSum", [counted, int64(maker, draft, (1,), "axes")], draft, keepdims=0)
