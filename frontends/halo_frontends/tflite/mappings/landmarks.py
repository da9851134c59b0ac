"""MediaPipe's operators that cut the surroundings of landmarks out of an image, and bring landmarks back into it.

A matrix [1, 4, 4] takes a place (x, y) of the cutting to its place in the image: (x, y, 0, 1) times the first two rows.
Of every operator the second version is read. Source: mediapipe/util/tflite/operations/ of MediaPipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow_ops import arithmetic
from halo_frontends.tflite.flexbuffer import MalformedFlexBufferError, read_lists, read_numbers
from halo_frontends.tflite.operation import Operation, maps
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value

_LONGEST_SIDE = 1 << 14


@dataclass(frozen=True, slots=True)
class _Options:
    numbers: Mapping[str, float]
    lists: Mapping[str, tuple[float, ...]]
    emit: Emitter

    @staticmethod
    def of(op: Operation) -> _Options:
        """Raises ModelError if the options cannot be read."""
        data = op.info.custom_options
        try:
            return _Options(read_numbers(data), read_lists(data), op.emit)
        except MalformedFlexBufferError:
            raise ModelError("has options that cannot be read", op.emit.where) from None

    def number(self, name: str) -> float:
        found = self.numbers.get(name)
        if found is None:
            raise ModelError(f"has no option {name!r}", self.emit.where)
        return found

    def side(self, name: str) -> int:
        """Height or width of the cutting."""
        found = self.number(name)
        if not 1 <= found <= _LONGEST_SIDE:
            raise ModelError(f"has the option {name} = {found}", self.emit.where)
        return int(found)

    def landmark(self, name: str, count: int) -> int:
        """Number of one of so many landmarks."""
        return self._among(self.number(name), name, count)

    def landmarks(self, name: str, count: int) -> tuple[int, ...]:
        found = self.lists.get(name)
        if not found:
            raise UnsupportedError(f"has no option {name!r} (its version 1 is not supported)", self.emit.where)
        return tuple(self._among(number, name, count) for number in found)

    def _among(self, number: float, name: str, count: int) -> int:
        if not 0 <= number < count:
            raise ModelError(f"has the option {name} = {number} for {count} landmarks", self.emit.where)
        return int(number)


@maps("CUSTOM Landmarks2TransformMatrix")
def _matrix(op: Operation) -> Value:
    """Operand: landmarks [1, N, 2 or 3]. The matrix of an upright cutting around a subset of them.

    The cutting is turned so that the line between two landmarks has the angle asked for, and is as large as what the
    subset then covers, times a scale.
    """
    emit, options = op.emit, _Options.of(op)
    count = _landmarks(op)[1]
    points = emit.slice(emit.squeeze(op.value(0), 0), 1, 0, 2)
    cos, sin = _rotation(points, options, count, emit)
    chosen = emit.op("Gather", points, emit.ints(*options.landmarks("subset_idxs", count)), axis=0)
    turned = _turned(_column(chosen, 0, emit), _column(chosen, 1, emit), cos, sin, emit)
    scales: list[Value] = []
    corner: list[Value] = []
    for coordinate, scale, name in zip(turned, ("scale_x", "scale_y"), ("output_width", "output_height"), strict=True):
        size = options.side(name)
        high, low = (emit.op(kind, coordinate, emit.ints(0), keepdims=1) for kind in ("ReduceMax", "ReduceMin"))
        step = _times(emit.op("Sub", high, low), options.number(scale) / size, emit)
        scales.append(step)
        corner.append(emit.op("Sub", _times(emit.op("Add", high, low), 0.5, emit), _times(step, size / 2, emit)))
    back = emit.op("Neg", sin)
    shift = _turned(corner[0], corner[1], cos, back, emit)
    zero = emit.constant(np.zeros((1, 1), np.float32), "zero")
    first = (emit.op("Mul", cos, scales[0]), emit.op("Mul", sin, scales[1]), zero, shift[0])
    second = (emit.op("Mul", back, scales[0]), emit.op("Mul", cos, scales[1]), zero, shift[1])
    rest = emit.constant(np.eye(4, dtype=np.float32)[2:], "rows")
    return emit.reshape(emit.concat([emit.concat(first, 1), emit.concat(second, 1), rest], 0), (1, 4, 4))


def _rotation(points: Value, options: _Options, count: int, emit: Emitter) -> tuple[Value, Value]:
    """Cosine and sine [1, 1] of the angle by which landmarks [N, 2] are turned to be upright."""
    left, right = (
        emit.slice(points, 0, number, number + 1)
        for number in (options.landmark(f"{side}_rotation_idx", count) for side in ("left", "right"))
    )
    along = emit.op("Sub", right, left)
    angle = arithmetic.atan2(_column(along, 1, emit), _column(along, 0, emit), emit)
    turn = emit.op("Sub", emit.scalar(options.number("target_rotation_radians"), angle), angle)
    return emit.op("Cos", turn), emit.op("Sin", turn)


def _turned(x: Value, y: Value, cos: Value, sin: Value, emit: Emitter) -> tuple[Value, Value]:
    """The points turned by an angle around the origin."""
    return (
        emit.op("Sub", emit.op("Mul", x, cos), emit.op("Mul", y, sin)),
        emit.op("Add", emit.op("Mul", x, sin), emit.op("Mul", y, cos)),
    )


@maps("CUSTOM TransformTensorBilinear")
def _cut_out(op: Operation) -> Value:
    """Operands: image [1, H, W, C] and matrix. Middles of pixels are taken to places, what lies outside is 0."""
    emit, options = op.emit, _Options.of(op)
    batch, *field, _channels = emit.static_shape(op.value(0), 4)
    if batch != 1:
        raise UnsupportedError("an image must be [1, height, width, channels]", emit.where)
    height, width = (options.side(name) for name in ("output_height", "output_width"))
    linear, shift = _parts(op)
    half = emit.op("ReduceSum", emit.op("Sub", _times(linear, 0.5, emit), emit.scalar(0.25, linear)), emit.ints(1))
    rows, columns = np.indices((height, width), np.float32).reshape(2, -1)
    pixels = emit.constant(np.stack([columns, rows]), "pixels")
    places = emit.op("Add", emit.op("MatMul", linear, pixels), emit.op("Add", shift, half))
    last = np.asarray([[field[1] - 1], [field[0] - 1]], np.float32)
    inside = emit.op(
        "And",
        emit.op("GreaterOrEqual", places, emit.scalar(0, places)),
        emit.op("LessOrEqual", places, emit.constant(last, "last")),
    )
    inside = emit.op("And", emit.slice(inside, 0, 0, 1), emit.slice(inside, 0, 1, 2))
    spread = emit.op("Mul", places, emit.constant(2 / np.maximum(last, 1), "spread"))
    grid = emit.transpose(emit.op("Sub", spread, emit.scalar(1, spread)), (1, 0))
    moved = emit.transpose(op.value(0), (0, 3, 1, 2))
    sampled = emit.op("GridSample", moved, emit.reshape(grid, (1, height, width, 2)), align_corners=1)
    cut = emit.op("Where", emit.reshape(inside, (1, 1, height, width)), sampled, emit.scalar(0, sampled))
    return emit.transpose(cut, (0, 2, 3, 1))


@maps("CUSTOM TransformLandmarks")
def _brought_back(op: Operation) -> Value:
    """Operands: landmarks [1, N, 2 or 3] and matrix; a third coordinate stays."""
    emit = op.emit
    size = _landmarks(op)[2]
    linear, shift = _parts(op)
    places = emit.slice(op.value(0), 2, 0, 2)
    moved = emit.op("Add", emit.op("MatMul", places, emit.transpose(linear, (1, 0))), emit.transpose(shift, (1, 0)))
    return moved if size == 2 else emit.concat([moved, emit.slice(op.value(0), 2, 2, 3)], 2)


def _landmarks(op: Operation) -> tuple[int, ...]:
    shape = op.emit.static_shape(op.value(0))
    if len(shape) != 3 or shape[0] != 1 or shape[2] not in (2, 3):
        reason = f"landmarks must be [1, count, 2 or 3], found {list(shape)} (version 1 is not supported)"
        raise UnsupportedError(reason, op.emit.where)
    return shape


def _parts(op: Operation) -> tuple[Value, Value]:
    """What the matrix multiplies x and y by [2, 2], and what it adds [2, 1]."""
    emit = op.emit
    if emit.static_shape(op.value(1)) != (1, 4, 4):
        raise ModelError(f"the matrix has the shape {list(emit.static_shape(op.value(1)))}", emit.where)
    rows = emit.slice(emit.squeeze(op.value(1), 0), 0, 0, 2)
    return emit.slice(rows, 1, 0, 2), emit.slice(rows, 1, 3, 4)


def _column(points: Value, number: int, emit: Emitter) -> Value:
    return emit.slice(points, 1, number, number + 1)


def _times(value: Value, factor: float, emit: Emitter) -> Value:
    return emit.op("Mul", value, emit.scalar(factor, value))
