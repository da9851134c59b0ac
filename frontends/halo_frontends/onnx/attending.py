"""What ONNX Runtime's attention operators share: masks as numbers added to scores, caches, the Attention node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.expanding import NodeWriter
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType, add_dims, scale_dim

DEFAULT_FILTER = -10000.0
"""What is added to the score of a padded key when `mask_filter_value` is absent."""

_LOWEST = {
    DType.FLOAT16: -65504.0,
    DType.BFLOAT16: -3.3895313892515355e38,
    DType.FLOAT32: -3.4028234663852886e38,
    DType.FLOAT64: -1.7976931348623157e308,
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many queries and keys there are, as int64 scalars; `first` is the position of the first query."""

    queries: Value
    keys: Value
    first: Value | None = None


def counted(write: NodeWriter, count: Value) -> Value:
    """0, 1, ... up to `count` (not included)."""
    return write("Range", write.integer(0), count, write.integer(1))


def scalar64(write: NodeWriter, value: Value) -> Value:
    """An integer of one element as an int64 scalar."""
    return write.reshaped(write.cast(value, DType.INT64))


def lowest(write: NodeWriter, like: Value) -> Value:
    """The lowest finite number of an element type."""
    return write.number(_LOWEST[write.dtype(like)], like)


def causal(write: NodeWriter, sizes: Sizes) -> Value:
    """Whether a query may see a key: those up to its own position. [queries, keys], after dimensions of `first`."""
    query = write.unsqueezed(counted(write, sizes.queries), 1)
    if sizes.first is not None:
        query = write("Add", query, sizes.first)
    return write("LessOrEqual", counted(write, sizes.keys), query)


# -- padding masks ------------------------------------------------------------------------------------------------


def unpadded(write: NodeWriter, mask: Value, batch: Value, sizes: Sizes) -> Value | None:
    """Whether each key is more than padding, as it broadcasts over [batch, head, query, key]; None if all are.

    `batch` is the value whose dimension 0 is the batch. Forms of a mask: lengths (batch), ends and starts (2 batch),
    lengths and more (3 batch + 2), keys (batch, keys), (batch, queries, keys), (batch, 1, most, most).
    """
    shape = write.shape(mask)
    match len(shape):
        case 1:
            return _within_lengths(write, mask, batch, sizes)
        case 2:
            if shape[1] == 1 and write.maker.builder.known(sizes.keys) != 1:
                return None
            raw = write.unsqueezed(mask, 1, 2)
        case 3:
            raw = write.unsqueezed(mask, 1)
        case 4:
            raw = _square_part(write, mask, sizes)
        case rank:
            raise UnsupportedError(f"a mask of {rank} dimensions is not supported", write.draft.where)
    return write("Greater", raw, write.number(0, raw))


def _within_lengths(write: NodeWriter, mask: Value, batch: Value, sizes: Sizes) -> Value:
    count, size = write.shape(batch)[0], write.shape(mask)[0]
    key = counted(write, sizes.keys)
    zero, end = write.ints(0), write("Shape", batch, start=0, end=1)

    def column(start: Value, stop: Value) -> Value:
        part = write.cast(write("Slice", mask, start, stop), DType.INT64)
        return write.unsqueezed(part, 1, 2, 3)

    inside = write("Less", key, column(zero, end))
    if size == scale_dim(count, 2):
        begin = column(end, write("Add", end, end))
        return write("And", inside, write("GreaterOrEqual", key, begin))
    if size not in (count, add_dims(scale_dim(count, 3), 2)):
        raise UnsupportedError(f"a mask of {size} elements does not fit a batch of {count}", write.draft.where)
    return inside


def _square_part(write: NodeWriter, mask: Value, sizes: Sizes) -> Value:
    """The rows of the queries and the columns of the keys of a mask [batch, 1, most, most]."""
    first = write.ints(0) if sizes.first is None else write.unsqueezed(sizes.first, 0)
    last = write("Add", first, write.unsqueezed(sizes.queries, 0))
    rows = write("Slice", mask, first, last, write.ints(2))
    return write("Slice", rows, write.ints(0), write.unsqueezed(sizes.keys, 0), write.ints(3))


def added_to_scores(
    write: NodeWriter, like: Value, keep: Value | None, seen: Value | None, bias: Value | None
) -> Value | None:
    """What is added to scores of the type of `like`: the filter value where a key is padding (`keep` is false), the
    lowest number where it must not be seen, and the bias; None if nothing is.
    """
    mask: Value | None = None
    if keep is not None:
        given = write.draft.number("mask_filter_value")
        filtered = write.number(DEFAULT_FILTER if given is None else given, like)
        mask = write("Where", keep, write.number(0, like), filtered)
    if seen is not None:
        mask = write("Where", seen, write.number(0, like) if mask is None else mask, lowest(write, like))
    if bias is None or mask is None:
        return bias if mask is None else mask
    return write("Add", mask, bias)


# -- caches -------------------------------------------------------------------------------------------------------


def by_head(write: NodeWriter, value: Value, heads: int) -> Value:
    """[batch, step, heads x size] as [batch, head, step, size]; 4-D values have that shape already."""
    if write.rank(value) == 4:
        return value
    return write("Transpose", write.reshaped(value, 0, 0, heads, -1), perm=(0, 2, 1, 3))


def along_batch(write: NodeWriter, scalar: Value, batch: Value) -> Value:
    """A scalar, once for each batch entry of `batch`."""
    return write("Expand", scalar, write("Shape", batch, start=0, end=1))


# -- the node -----------------------------------------------------------------------------------------------------


def attention(
    write: NodeWriter,
    operands: Sequence[Value | None],
    outputs: Sequence[str],
    heads: int,
    **attributes: AttributeValue,
) -> tuple[Value, ...]:
    """An Attention node whose results have these names; operands are ONNX's (Q, K, V, mask, past key, past value)."""
    scale = write.draft.number("scale")
    given: dict[str, AttributeValue] = {"q_num_heads": heads, "kv_num_heads": heads, **attributes}
    if scale:
        given["scale"] = float(scale)
    names = list(outputs)
    while len(names) > 1 and not names[-1]:
        names.pop()
    return write.maker.finish("Attention", operands, replace(write.draft, outputs=tuple(names)), **given)
