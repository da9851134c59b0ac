"""Templates that move elements: reshapes, transposes, slices, concatenations, pads, gathers, scatters."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ops.choosing import OneHot, TopK
from halo_py.ops.indexing import Gather, GatherElements, GatherND, ScatterElements, ScatterND
from halo_py.ops.movement import DepthToSpace, Expand, SpaceToDepth, Tile, Transpose
from halo_py.ops.padding import CenterCropPad, Pad, ReverseSequence, Trilu
from halo_py.ops.reshaping import Flatten, Identity, Reshape, Squeeze, Unsqueeze
from halo_py.ops.slicing import Concat, Slice, Split
from halo_py.types import DType
from tests.fuzz.draft import FLOATS, Draft, dtype_of, tensor_dtype
from tests.fuzz.templates.base import broadcasts, factors, fit_shape, template
from tests.fuzz.templates.elementwise import INTEGERS


def pick_any(draft: Draft, least: int = 0) -> Value:
    """A tensor of numbers or booleans, mostly floats."""

    def accept(value: Value) -> bool:
        dtype = tensor_dtype(value)
        return (
            dtype in (*FLOATS, *INTEGERS, DType.BOOL)
            and draft.array(value).ndim >= least
            and draft.array(value).size > 0
        )

    return draft.pick_float(least) if draft.chance(0.7) else draft.pick(accept)


@template("movement", 2)
def reshaping(draft: Draft) -> None:
    """Reshape with numbers, -1 and 0."""
    value = pick_any(draft)
    shape = factors(draft, prod(draft.shape(value)), draft.between(1, 4))
    if draft.chance(0.5):
        shape[draft.below(len(shape))] = -1
    if draft.chance(0.3):
        shape = [0 if n < len(draft.shape(value)) and draft.shape(value)[n] == d else d for n, d in enumerate(shape)]
    draft.one(Reshape(), value, draft.ints(*shape))


@template("movement")
def ranks(draft: Draft) -> None:
    """Flatten, Squeeze, Unsqueeze, Identity."""
    value = pick_any(draft)
    rank = len(draft.shape(value))
    match draft.below(4):
        case 0:
            draft.one(Flatten(axis=draft.between(-rank, rank)), value)
        case 1:
            ones = [axis for axis, size in enumerate(draft.shape(value)) if size == 1]
            axes = ones[: draft.between(1, 2)] if ones else []
            draft.one(Squeeze(), value, draft.ints(*axes) if axes and draft.chance(0.7) else None)
        case 2:
            made = rank + (1 if draft.chance(0.7) else 2)
            axes = draft.random.sample(range(made), made - rank)
            draft.one(Unsqueeze(), value, draft.ints(*(a - made if draft.chance(0.3) else a for a in axes)))
        case _:
            draft.one(Identity(), value)


@template("movement", 2)
def transposing(draft: Draft) -> None:
    """A random permutation."""
    value = pick_any(draft, 1)
    perm = list(range(len(draft.shape(value))))
    draft.random.shuffle(perm)
    draft.one(Transpose(tuple(perm) if draft.chance(0.9) else None), value)


@template("movement", 2)
def slicing(draft: Draft) -> None:
    """Starts, ends, axes and steps of either sign."""
    value = pick_any(draft, 1)
    shape = draft.shape(value)
    axes = sorted(draft.random.sample(range(len(shape)), draft.between(1, len(shape))))
    starts: list[int] = []
    ends: list[int] = []
    steps: list[int] = []
    for axis in axes:
        size = shape[axis]
        step = draft.choose((1, 1, 1, 2, 3, -1, -2))
        low, high = sorted((draft.between(0, size), draft.between(0, size)))
        if low == high:
            low, high = 0, size
        start, end = (low, high) if step > 0 else (high - 1, low - 1)
        starts.append(start - size if draft.chance(0.2) and 0 <= start < size else start)
        far = (1 << 62) if step > 0 else -(1 << 62)
        ends.append(far if end in (size, -1) and (draft.chance(0.5) or end == -1) else end)
        steps.append(step)
    named = [axis - len(shape) if draft.chance(0.2) else axis for axis in axes]
    draft.one(Slice(), value, draft.ints(*starts), draft.ints(*ends), draft.ints(*named), draft.ints(*steps))


@template("movement", 2)
def joining(draft: Draft) -> None:
    """Concatenation of a value with others, and of a value with itself."""
    value = pick_any(draft, 1)
    shape, dtype = draft.shape(value), dtype_of(value)
    axis = draft.below(len(shape))

    def accept(other: Value) -> bool:
        if tensor_dtype(other) is not dtype or draft.array(other).ndim != len(shape):
            return False
        found = draft.shape(other)
        return all(n == axis or a == b for n, (a, b) in enumerate(zip(found, shape, strict=True)))

    parts = [draft.pick(accept) for _ in range(draft.between(1, 3))]
    if draft.chance(0.4):
        wanted = [*shape[:axis], draft.between(1, 4), *shape[axis + 1 :]]
        parts.append(fit_shape(draft, value, tuple(wanted)))
    draft.one(Concat(axis=axis - len(shape) if draft.chance(0.3) else axis), *parts, value)


@template("movement")
def splitting(draft: Draft) -> None:
    """Equal or given pieces; some are read again by a later concatenation."""
    value = pick_any(draft, 1)
    shape = draft.shape(value)
    axis = max(range(len(shape)), key=lambda n: shape[n])
    count = draft.between(2, 3)
    if shape[axis] < count:
        return
    if draft.chance(0.5):
        cut = sorted(draft.random.sample(range(1, shape[axis]), count - 1))
        sizes = [b - a for a, b in zip([0, *cut], [*cut, shape[axis]], strict=True)]
        parts = draft.add(Split(axis=axis), (value, draft.ints(*sizes)), count)
    else:
        parts = draft.add(Split(axis=axis, num_outputs=count), (value,), count)
    if draft.chance(0.5):
        draft.one(Concat(axis=axis), *reversed(parts))


@template("movement", 1.5)
def padding(draft: Draft) -> None:
    """All modes of Pad; negative pads cut."""
    value = pick_any(draft, 1)
    shape = draft.shape(value)
    mode = draft.choose(("constant", "constant", "reflect", "edge", "wrap"))
    axes = sorted(draft.random.sample(range(len(shape)), draft.between(1, len(shape))))
    pads = [_pad(draft, shape[axis], mode) for _ in range(2) for axis in axes]
    fill = draft.scalar(draft.choose((1, 0, 3)), value) if mode == "constant" and draft.chance(0.5) else None
    everywhere = len(axes) == len(shape) and draft.chance(0.5)
    draft.one(Pad(mode=mode), value, draft.ints(*pads), fill, None if everywhere else draft.ints(*axes))


def _pad(draft: Draft, size: int, mode: str) -> int:
    if mode == "constant" and size > 2 and draft.chance(0.15):
        return -1
    return draft.between(0, min(2, size - 1 if mode == "reflect" else size))


@template("movement")
def repeating(draft: Draft) -> None:
    """Expand and Tile."""
    value = pick_any(draft)
    shape = draft.shape(value)
    if draft.chance(0.5) and shape:
        draft.one(Tile(), value, draft.ints(*(draft.choose((1, 1, 2, 3)) for _ in shape)))
        return
    wanted = [draft.between(1, 4) if size == 1 else draft.choose((size, size, 1)) for size in shape]
    draft.one(Expand(), value, draft.ints(*([draft.between(1, 3)] if draft.chance(0.4) else []), *wanted))


@template("movement", 0.7)
def blocks(draft: Draft) -> None:
    """Depth to space and back."""
    value = draft.pick_float()
    mode = draft.choose(("DCR", "CRD"))
    n, c, h, w = (draft.between(1, 2), 4 * draft.between(1, 2), draft.between(1, 3), draft.between(1, 3))
    if draft.chance(0.5):
        draft.one(DepthToSpace(2, mode), fit_shape(draft, value, (n, c, h, w)))
    else:
        draft.one(SpaceToDepth(2), fit_shape(draft, value, (n, c // 4, 2 * h, 2 * w)))


@template("movement", 0.7)
def masks(draft: Draft) -> None:
    """Triangles, crops, reversed sequences."""
    value = pick_any(draft, 2)
    shape = draft.shape(value)
    match draft.below(3):
        case 0:
            k = draft.constant(np.asarray(draft.between(-2, 2), np.int64)) if draft.chance(0.6) else None
            draft.one(Trilu(upper=draft.below(2)), value, k)
        case 1:
            wanted = [max(1, size + draft.between(-2, 2)) for size in shape]
            draft.one(CenterCropPad(), value, draft.ints(*wanted))
        case _:
            time = draft.below(2)
            lengths = draft.integers([shape[1 - time]], 1, shape[time] + 1)
            draft.one(ReverseSequence(batch_axis=1 - time, time_axis=time), value, draft.given(lengths))


def indices(draft: Draft, shape: Sequence[int], size: int) -> Value:
    """Indices into a dimension, some counted from its end."""
    low = -size if draft.chance(0.4) else 0
    dtype = DType.INT32 if draft.chance(0.3) else DType.INT64
    return draft.given(draft.integers(shape, low, size, dtype))


@template("indexing", 2)
def gathering(draft: Draft) -> None:
    """Gather, GatherElements, GatherND."""
    value = pick_any(draft, 1)
    shape = draft.shape(value)
    axis = draft.below(len(shape))
    match draft.below(3):
        case 0:
            wanted = [draft.between(1, 3) for _ in range(draft.below(3))]
            draft.one(Gather(axis=axis), value, indices(draft, wanted, shape[axis]))
        case 1:
            wanted = [draft.between(1, 4) if n == axis else draft.between(1, size) for n, size in enumerate(shape)]
            draft.one(GatherElements(axis=axis), value, indices(draft, wanted, shape[axis]))
        case _:
            batch = draft.below(min(2, len(shape)))
            count = draft.between(1, len(shape) - batch)
            lead = [*shape[:batch], *(draft.between(1, 3) for _ in range(draft.below(2)))]
            rows = [draft.integers(lead, 0, shape[batch + n]) for n in range(count)]
            draft.one(GatherND(batch_dims=batch), value, draft.given(np.stack(rows, axis=-1)))


@template("indexing", 1.5)
def scattering(draft: Draft) -> None:
    """Scatters with every reduction; without one, places are written once."""
    value = pick_any(draft, 1)
    shape, dtype = draft.shape(value), dtype_of(value)
    reduction = draft.choose(("none", "add", "mul", "max", "min"))
    if dtype is DType.BOOL:
        reduction = "none"
    axis = draft.below(len(shape))
    if draft.chance(0.5):
        rows = [draft.generator.permutation(shape[axis])[: draft.between(1, shape[axis])]]
        wanted = list(shape)
        wanted[axis] = len(rows[0])
        lead = [1] * len(shape)
        lead[axis] = -1
        places = np.broadcast_to(rows[0].reshape(lead), wanted).astype(np.int64)
        updates = _updates(draft, wanted, dtype)
        draft.one(ScatterElements(axis=axis, reduction=reduction), value, draft.given(places.copy()), updates)
        return
    count = draft.between(1, len(shape))
    number = draft.between(1, min(4, prod(shape[:count])))
    flat = draft.generator.permutation(prod(shape[:count]))[:number]
    places = np.stack(np.unravel_index(flat, shape[:count]), axis=-1).astype(np.int64)
    updates = _updates(draft, [number, *shape[count:]], dtype)
    draft.one(ScatterND(reduction=reduction), value, draft.given(places), updates)


def _updates(draft: Draft, shape: Sequence[int], dtype: DType) -> Value:
    def accept(value: Value) -> bool:
        return tensor_dtype(value) is dtype and draft.shape(value) == tuple(shape)

    fitting = [value for value in draft.pool if accept(value)]
    if fitting and draft.chance(0.6):
        return draft.choose(fitting)
    if dtype in FLOATS:
        return draft.given(draft.floats(shape, dtype))
    return draft.given(draft.integers(shape, 0, 2 if dtype is DType.BOOL else 5, dtype))


@template("indexing")
def choosing(draft: Draft) -> None:
    """TopK and OneHot."""
    if draft.chance(0.6):
        value = draft.pick_float(1)
        axis = draft.below(len(draft.shape(value)))
        k = draft.constant(np.asarray([draft.between(1, draft.shape(value)[axis])], np.int64))
        op = TopK(axis=axis, largest=draft.below(2))
        draft.add(op, (value, k), 2)
        return
    found = draft.integers([draft.between(1, 4) for _ in range(draft.between(1, 2))], -3, 5)
    depth = draft.constant(np.asarray(draft.between(4, 6), np.int64))
    values = draft.constant(np.asarray((0.0, 1.0) if draft.chance(0.5) else (-0.5, 2.0), np.float32))
    draft.one(OneHot(axis=draft.choose((-1, 0, 1))), draft.given(found), depth, values)


@template("movement", 0.7)
def residual(draft: Draft) -> None:
    """A value and an older one of another shape, brought together by movements and joined."""
    from halo_py.ops.elementwise import Add

    value = draft.pick_float(1)
    older = draft.choose([other for other in draft.pool if tensor_dtype(other) is dtype_of(value)])
    if not broadcasts(draft.shape(older), draft.shape(value)):
        older = fit_shape(draft, older, draft.shape(value))
    draft.one(Add(), value, older)
