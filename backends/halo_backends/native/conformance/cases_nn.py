"""Cases of ODLA/ops/odla_ops_nn.h, and of the operators of ODLA/odla_halo.h."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from halo_backends.native.conformance.case import (
    GARBAGE,
    NULL,
    Array,
    Case,
    E,
    Numbers,
    Shape,
    Type,
    V,
    one,
    reference,
    several,
    u,
)
from halo_backends.native.conformance.cases_math import data
from halo_py.ir.op import Op
from halo_py.ops import activation as act
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.local_response import LRN
from halo_py.ops.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
)
from halo_py.ops.pooling import AveragePool, MaxPool
from halo_py.ops.recurrent import GRU, LSTM, RNN
from halo_py.ops.regions import MaxRoiPool, NonMaxSuppression
from halo_py.ops.softmax import Hardmax, LogSoftmax, Softmax
from halo_py.ops.text import TfIdfVectorizer
from halo_py.ops.vision import RoiAlign
from halo_py.ops.yolo import YoloBoxes
from odla.c.element_types import ElementType

FIRST, LAST = E("ODLA_CHANNELS_FIRST"), E("ODLA_CHANNELS_LAST")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _activations()
    yield from _along_axes()
    yield from _convolutions()
    yield from _deconvolutions()
    yield from _pools()
    yield from _normalisations()
    yield from _attentions()
    yield from _recurrent()
    yield from _losses()
    yield from _regions()
    yield from _texts()


def last(x: Array) -> Array:
    """The same with the channels in the last dimension."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def _activations() -> Iterator[Case]:
    plain: dict[str, Op] = {
        "odla_Relu": act.Relu(),
        "odla_Sigmoid": act.Sigmoid(),
        "odla_Softplus": act.Softplus(),
        "odla_Softsign": act.Softsign(),
        "odla_Swish": act.Swish(),
        "odla_HardSwish": act.HardSwish(),
    }
    for seed, shape in enumerate(((5,), (2, 3), (2, 1, 3))):
        x = data(seed, *shape, low=-4, high=4)
        for name, op in plain.items():
            yield one(name, V(x), expect=reference(op, x))
        for alpha in (0.5, 1.0):
            yield one("odla_Celu", V(x), alpha, expect=reference(act.Celu(alpha=alpha), x))
            yield one("odla_Elu", V(x), alpha, expect=reference(act.Elu(alpha=alpha), x))
            yield one("odla_LeakyRelu", V(x), alpha, expect=reference(act.LeakyRelu(alpha=alpha), x))
            yield one("odla_ThresholdedRelu", V(x), alpha, expect=reference(act.ThresholdedRelu(alpha=alpha), x))
            yield one("odla_Selu", V(x), alpha, 1.5, expect=reference(act.Selu(alpha=alpha, gamma=1.5), x))
            yield one(
                "odla_HardSigmoid", V(x), alpha, 0.25, expect=reference(act.HardSigmoid(alpha=alpha, beta=0.25), x)
            )
            yield one("odla_Shrink", V(x), alpha, 1.25, expect=reference(act.Shrink(bias=alpha, lambd=1.25), x))
        for approximate in (False, True):
            op = act.Gelu(approximate="tanh" if approximate else "none")
            yield one("odla_Gelu", V(x), approximate, expect=reference(op, x))
        slope = data(9, shape[-1])
        yield one("odla_PRelu", V(x), V(slope, constant=seed == 1), expect=np.where(x < 0, slope * x, x))
        yield one("odla_Dropout", V(x), 0.5, expect=x)


def _along_axes() -> Iterator[Case]:
    x = data(11, 2, 3, 4)
    for axis in (0, 1, -1):
        yield one("odla_Softmax", V(x), axis, expect=reference(Softmax(axis=axis), x))
        yield one("odla_LogSoftmax", V(x), axis, expect=reference(LogSoftmax(axis=axis), x))
        yield one("odla_Hardmax", V(x), axis, expect=reference(Hardmax(axis=axis), x))


_KERNELS = {"ODLA_OIS": (0, 1, 2, 3), "ODLA_IOS": (1, 0, 2, 3), "ODLA_SIO": (2, 3, 1, 0), "ODLA_SOI": (2, 3, 0, 1)}
"""Layout -> where its dimensions come from, of a kernel with outputs and inputs in front."""


def _convolutions() -> Iterator[Case]:
    settings: tuple[tuple[int, Any, Any, Any, Any], ...] = (
        (1, (1, 1), (1, 1), (0, 0), (0, 0)),
        (2, (2, 1), (1, 2), (1, 0), (0, 2)),
        (4, (1, 2), (1, 1), (1, 1), (1, 1)),
    )
    for seed, (group, strides, dilations, front, back) in enumerate(settings):
        x, w, b = data(seed, 2, 4, 6, 7), data(seed + 10, 8, 4 // group, 3, 2), data(seed + 20, 8)
        op = Conv(group=group, strides=strides, dilations=dilations, pads=(*front, *back))
        windows = (u(*strides), u(*dilations), u(*front), u(*back))
        for layout, order in _KERNELS.items():
            kernel = V(np.ascontiguousarray(w.transpose(order)), constant=layout != "ODLA_SIO")
            expected = reference(op, x, w, b)
            call = (group, kernel, E(layout), *windows, V(b, constant=True))
            hint = Shape(expected.shape) if layout == "ODLA_OIS" else GARBAGE
            yield one("odla_Conv", V(x), FIRST, *call, hint, expect=expected, tolerance=1e-4)
            yield one("odla_Conv", V(last(x)), LAST, *call, GARBAGE, expect=last(expected), tolerance=1e-4)
        bare = reference(op, x, w)
        call = (group, V(w), E("ODLA_OIS"), *windows)
        yield one("odla_Conv", V(x), FIRST, *call, NULL, GARBAGE, expect=bare, tolerance=1e-4)
        wide = data(30, 1, 8, 1, 1)
        yield one("odla_Conv", V(x), FIRST, *call, V(wide), GARBAGE, expect=bare + wide, tolerance=1e-4)
    x, w = data(31, 1, 2, 9), data(32, 3, 2, 4)
    arguments = (V(x), FIRST, 1, V(w), E("ODLA_OIS"), NULL, NULL, NULL, NULL, NULL, GARBAGE)
    yield one("odla_Conv", *arguments, expect=reference(Conv(), x, w), tolerance=1e-4)


def _deconvolutions() -> Iterator[Case]:
    orders = {"ODLA_IOS": (0, 1, 2, 3), "ODLA_OIS": (1, 0, 2, 3), "ODLA_SIO": (2, 3, 0, 1), "ODLA_SOI": (2, 3, 1, 0)}
    settings: tuple[tuple[int, Any, Any, Any, Any, Any], ...] = (
        (1, (1, 1), (1, 1), (0, 0), (0, 0), (0, 0)),
        (2, (2, 3), (1, 1), (1, 0), (0, 1), (1, 2)),
        (1, (2, 2), (2, 1), (1, 1), (1, 1), (0, 1)),
    )
    for seed, (group, strides, dilations, front, back, extra) in enumerate(settings):
        x, w, b = data(seed, 2, 4, 3, 4), data(seed + 10, 4, 6 // group, 3, 2), data(seed + 20, 6)
        op = ConvTranspose(
            group=group, strides=strides, dilations=dilations, pads=(*front, *back), output_padding=extra
        )
        expected = reference(op, x, w, b)
        windows = (u(*strides), u(*dilations), u(*front), u(*back))
        for layout, order in orders.items():
            kernel = V(np.ascontiguousarray(w.transpose(order)), constant=layout == "ODLA_IOS")
            call = (group, kernel, E(layout), *windows, V(b, constant=True))
            hint = Shape(expected.shape) if any(extra) else GARBAGE
            yield one("odla_DeConv", V(x), FIRST, *call, hint, expect=expected, tolerance=1e-4)
            hint = Shape(last(expected).shape) if any(extra) else GARBAGE
            yield one("odla_DeConv", V(last(x)), LAST, *call, hint, expect=last(expected), tolerance=1e-4)


def _pools() -> Iterator[Case]:
    for seed, (window, strides, front, back, up) in enumerate(
        (
            ((2, 2), (2, 2), (0, 0), (0, 0), 0),
            ((3, 2), (2, 1), (1, 0), (1, 1), 0),
            ((3, 3), (2, 2), (0, 0), (0, 0), 1),
        )
    ):
        x = data(seed, 1, 3, 6, 8)
        settings: dict[str, Any] = {"strides": strides, "pads": (*front, *back), "ceil_mode": up}
        most = reference(MaxPool(kernel_shape=window, **settings), x)
        windows = (u(*window), u(*strides), u(*front), u(*back))
        for layout, given, made in ((FIRST, x, most), (LAST, last(x), last(most))):
            hint = Shape(made.shape) if up else GARBAGE
            yield one("odla_MaxPool", V(given), layout, *windows, hint, expect=made)
        for counted in (False, True):
            op = AveragePool(kernel_shape=window, count_include_pad=int(counted), **settings)
            mean = reference(op, x)
            for layout, given, made in ((FIRST, x, mean), (LAST, last(x), last(mean))):
                hint = Shape(made.shape) if up else GARBAGE
                yield one("odla_AveragePool", V(given), layout, *windows, counted, hint, expect=made)


def _normalisations() -> Iterator[Case]:
    x = data(41, 2, 4, 3, 2)
    mean, var, scale, offset = data(42, 4), data(43, 4, low=0.5), data(44, 4), data(45, 4)
    fixed = (np.full(4, 1.5, np.float32), np.full(4, 0.25, np.float32))
    vectors = ((V(scale, constant=True), V(offset, constant=True)), (scale, offset)), ((NULL, NULL), fixed)
    for (given_scale, given_offset), (gamma, beta) in vectors:
        for layout, moved in ((FIRST, x), (LAST, last(x))):
            back = last if layout is LAST else np.asarray
            normal = reference(BatchNormalization(epsilon=1e-3), x, gamma, beta, mean, var)
            tail = (given_scale, given_offset, 1.5, 0.25)
            call = (V(mean, constant=True), V(var, constant=True), 1e-3, *tail)
            yield one("odla_BatchNormalization", V(moved), layout, *call, expect=back(normal), tolerance=1e-4)
            groups = reference(GroupNormalization(epsilon=1e-3, num_groups=2), x, gamma, beta)
            yield one("odla_GroupNormalization", V(moved), layout, 2, 1e-3, *tail, expect=back(groups), tolerance=1e-4)
            alone = reference(InstanceNormalization(epsilon=1e-3), x, gamma, beta)
            yield one("odla_InstanceNormalization", V(moved), layout, 1e-3, *tail, expect=back(alone), tolerance=1e-4)
    for size, layout in ((3, FIRST), (3, LAST), (1, FIRST)):
        made = reference(LRN(alpha=0.1, beta=0.75, bias=2.0, size=size), x)
        moved, made = (last(x), last(made)) if layout is LAST else (x, made)
        yield one("odla_LRN", V(moved), layout, size, 0.1, 0.75, 2.0, expect=made)
    for p, axes, epsilon, scaled in (
        (2, (1,), 0.0, False),
        (1, (2, 3), 0.5, False),
        (2, (1,), 0.1, True),
        (3, (), 0.0, False),
    ):
        along = axes or (0, 1, 2, 3)
        norm = (np.sum(np.abs(x) ** p, axis=along, keepdims=True) + epsilon) ** (1 / p)
        factor = scale.reshape(4, 1, 1) if scaled else np.float32(1)
        call = (p, FIRST, len(axes), Numbers(axes), epsilon, V(scale, constant=True) if scaled else NULL)
        yield one("odla_LpNormalize", V(x), *call, expect=(x / norm * factor).astype(np.float32), tolerance=1e-4)
    zero = np.zeros((2, 3), np.float32)
    yield one("odla_LpNormalize", V(zero), 2, FIRST, 1, u(1), 0.0, NULL, expect=zero)
    for axes, with_scale in (((3,), True), ((2, 3), True), ((-1,), False)):
        sizes = x.shape[axes[0] :] if axes[0] >= 0 else x.shape[-1:]
        gamma, beta = data(46, *sizes), data(47, *sizes)
        op = LayerNormalization(axis=axes[0], epsilon=1e-3)
        made = reference(op, x, gamma if with_scale else np.ones(sizes, np.float32), *((beta,) if with_scale else ()))
        tail = (V(gamma, constant=True), V(beta)) if with_scale else (NULL, NULL)
        yield one("odla_LayerNorm", V(x), len(axes), Numbers(axes), 1e-3, *tail, expect=made, tolerance=1e-4)


def _attended(x: Array, mask: Array | None, heads: int, *projections: tuple[Array, Array | None]) -> Array:
    """Multi-head self-attention, written down anew."""
    batch, length, hidden = x.shape
    flat = [x @ weight.reshape(hidden, -1) + (0 if bias is None else bias.reshape(-1)) for weight, bias in projections]
    q, k, v = (part.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3) for part in flat)
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1]) + (0 if mask is None else mask)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    made = weights / weights.sum(axis=-1, keepdims=True) @ v
    return made.transpose(0, 2, 1, 3).reshape(batch, length, -1).astype(np.float32)


def _attentions() -> Iterator[Case]:
    x = data(60, 2, 5, 6)
    hidden = np.where(np.arange(5) < 3, 0, -10000).astype(np.float32).reshape(1, 1, 1, 5)
    per_head = data(61, 2, 3, 5, 5)
    for number, (heads, by_head, mask, biased) in enumerate(
        ((1, False, None, True), (2, True, hidden, True), (3, True, None, False), (3, False, per_head, True))
    ):
        shape = (6, heads, 4) if by_head else (6, 4 * heads)
        weights = [data(62 + 6 * number + each, *shape) for each in range(3)]
        biases = [data(65 + 6 * number + each, *shape[1:]) if biased else None for each in range(3)]
        made = _attended(x, mask, heads, *zip(weights, biases, strict=True))
        operands = [
            each
            for weight, bias in zip(weights, biases, strict=True)
            for each in (V(weight, constant=True), NULL if bias is None else V(bias))
        ]
        first = NULL if mask is None else V(mask)
        yield one("odla_MultiHeadAttention", V(x), first, *operands, expect=made, tolerance=1e-4)


def _recurrent() -> Iterator[Case]:
    for direction, directions in (("FORWARD", 1), ("REVERSE", 1), ("BIDIRECTIONAL", 2)):
        yield from _lstm(direction, directions)
        yield from _gru_and_rnn(direction, directions)


def _packed(weights: Array, gates: int, order: list[int], format: str) -> Array:
    """Weights [direction, gates x hidden, input] in another order of gates and layout."""
    directions, rows, inputs = weights.shape
    split = weights.reshape(directions, gates, rows // gates, inputs)[:, order]
    return np.ascontiguousarray(split if format == "ODLA_RNN_LDGOI" else split.transpose(0, 3, 1, 2))


def _lstm(direction: str, directions: int) -> Iterator[Case]:
    x, w = data(51, 4, 2, 3), data(52, directions, 20, 3)
    r, b, p = data(53, directions, 20, 5), data(54, directions, 40), data(55, directions, 15)
    h, c = data(56, directions, 2, 5), data(57, directions, 2, 5)
    lengths = np.asarray([4, 2], np.int32)
    way: Any = direction.lower()
    op = LSTM(direction=way, hidden_size=5)
    states = (None, None), (h, c)
    for (initial_h, initial_c), gate_order, format, outputs in (
        (states[0], "IOFC", "ODLA_RNN_LDGOI", "NO_STATE"),
        (states[1], "IFCO", "ODLA_RNN_LDIGO", "HIDDEN_STATE"),
        (states[1], "IFOC", "ODLA_RNN_LDGOI", "HIDDEN_CELL_STATE"),
        (states[0], "ICOF", "ODLA_RNN_LDIGO", "CELL_STATE"),
    ):
        order = ["IOFC".index(gate) for gate in gate_order]
        full = initial_h is not None
        y, hidden, cell = reference(
            op, x, w, r, b, lengths if full else None, initial_h, initial_c, p if full else None, outputs=3
        )
        wanted = {"NO_STATE": [y], "HIDDEN_STATE": [y, hidden], "CELL_STATE": [y, cell]}.get(outputs, [y, hidden, cell])
        bias = b.reshape(directions * 2, 4, 5)[:, order].reshape(directions, 40)
        arguments = (
            *(E(format), E(f"ODLA_RNN_{gate_order}"), GARBAGE),
            V(_packed(w, 4, order, format), constant=True),
            V(_packed(r, 4, order, format), constant=True),
            V(bias, constant=True),
            V(lengths) if full else NULL,
            *((V(h), V(c), V(p, constant=True)) if full else (NULL, NULL, NULL)),
            *(5, E(f"ODLA_RNN_{direction}"), E(f"ODLA_RNN_{outputs}")),
        )
        yield several("odla_LSTM", V(x), *arguments, expect=wanted, tolerance=1e-4)


def _gru_and_rnn(direction: str, directions: int) -> Iterator[Case]:
    x, h = data(61, 4, 2, 3), data(62, directions, 2, 5)
    for format, outputs, linear, initial in (
        ("ODLA_RNN_LDGOI", "NO_STATE", False, False),
        ("ODLA_RNN_LDIGO", "HIDDEN_STATE", True, True),
    ):
        for name, gates in (("odla_GRU", 3), ("odla_RNN", 1)):
            w, r = data(63, directions, gates * 5, 3), data(64, directions, gates * 5, 5)
            b = data(65, directions, gates * 5)
            both = np.concatenate([b, np.zeros_like(b)], axis=1)
            way: Any = direction.lower()
            op = (
                GRU(direction=way, hidden_size=5, linear_before_reset=int(linear))
                if gates == 3
                else RNN(direction=way, hidden_size=5)
            )
            made = reference(op, x, w, r, both, None, h if initial else None, outputs=2)
            order = list(range(gates))
            packed = [V(_packed(each, gates, order, format), constant=True) for each in (w, r)]
            arguments = (
                *((E(format), E("ODLA_RNN_URO")) if gates == 3 else (E(format),)),
                *(GARBAGE, *packed, V(b, constant=True), NULL, V(h) if initial else NULL),
                *(5 if initial else 0, E(f"ODLA_RNN_{direction}")),
                *((linear,) if gates == 3 else ()),
                E(f"ODLA_RNN_{outputs}"),
            )
            yield several(name, V(x), *arguments, expect=made if initial else made[:1], tolerance=1e-4)


def _losses() -> Iterator[Case]:
    scores = np.log(data(71, 3, 4, 2, low=0.1, high=1))
    truth = np.asarray([[0, 3], [2, 2], [1, 0]], np.int64)
    weight = data(72, 4, low=0.5)
    for reduction in ("NONE", "MEAN", "SUM"):
        for weighted, ignored in ((False, -1), (True, 2)):
            share = (weight[truth] if weighted else np.ones(truth.shape, np.float32)) * (truth != ignored)
            loss = -np.take_along_axis(scores, truth[:, None], 1)[:, 0] * share
            made = {"NONE": loss, "SUM": loss.sum(), "MEAN": loss.sum() / share.sum()}[reduction]
            call = (ignored, E(f"ODLA_REDUCE_{reduction}"), V(weight, constant=True) if weighted else NULL, GARBAGE)
            expected = np.asarray(made, np.float32)
            yield one("odla_NegativeLogLikeliHoodLoss", V(scores), V(truth), *call, expect=expected, tolerance=1e-4)


def _regions() -> Iterator[Case]:
    spread = data(81, 2, 8, 4, low=0, high=5)
    boxes = np.concatenate([spread[..., :2], spread[..., :2] + 3 + spread[..., 2:]], axis=-1)
    scores = data(82, 2, 3, 8, low=0, high=1)
    for most, overlap, least, dtype in ((2, 0.3, 0.1, np.int64), (4, 0.5, 0.6, np.int32), (1, 0.1, 0.9, np.int64)):
        limits = (np.asarray([most]), np.asarray([overlap], np.float32), np.asarray([least], np.float32))
        expected = reference(NonMaxSuppression(), boxes, scores, *limits).astype(dtype)
        type = Type(ElementType.INT64 if dtype is np.int64 else ElementType.INT32, (-1, 3))
        yield one("odla_NMS", V(boxes), V(scores), most, overlap, least, type, expect=expected)
    x = data(83, 1, 2, 8, 10)
    rois = np.asarray([[1, 2, 6, 5], [0, 0, 9, 7], [3, 3, 4, 6]], np.float32)
    images = np.zeros(3, np.int64)
    for ratio, scale, size in ((2, 1.0, (2, 3)), (0, 0.5, (1, 1)), (1, 1.0, (3, 2))):
        op = RoiAlign(output_height=size[0], output_width=size[1], sampling_ratio=ratio, spatial_scale=scale)
        aligned = reference(op, x, rois, images)
        shape = Shape(aligned.shape)
        yield one("odla_ROIAlign", V(x), FIRST, V(rois), ratio, scale, shape, expect=aligned, tolerance=1e-4)
        most = reference(MaxRoiPool(size, scale), x, np.concatenate([images[:, None], rois], 1).astype(np.float32))
        yield one("odla_ROIMaxPool", V(x), FIRST, V(rois), *size, scale, GARBAGE, expect=most)
        moved, shape = last(x), Shape(last(aligned).shape)
        yield one("odla_ROIAlign", V(moved), LAST, V(rois), ratio, scale, shape, expect=last(aligned), tolerance=1e-4)
        five = np.concatenate([np.zeros((3, 1)), rois], 1).astype(np.float32)
        yield one("odla_ROIMaxPool", V(moved), LAST, V(five), *size, scale, GARBAGE, expect=last(most))
    for sample in YoloBoxes.samples():
        expected = reference(sample.op, *sample.inputs, outputs=2)
        operands = tuple(V(contents) for contents in sample.inputs)
        yield several("odla_PostProcess", *operands, expect=expected, tolerance=1e-4)


def _texts() -> Iterator[Case]:
    """The function has one id, so it answers one value."""
    pool, counts, places = [2, 3, 5, 4, 5, 6, 7, 8, 6, 7], [0, 4], [0, 1, 2, 3, 4, 5, 6]
    x = np.asarray([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]], np.int32)
    weights = np.asarray([1.0, 2.0, 0.5, 3.0, 1.5, 0.25, 4.0], np.float32)
    settings: tuple[tuple[Any, int, bool], ...] = (("TF", 0, False), ("IDF", 1, True), ("TFIDF", 5, True))
    for mode, skip, weighted in settings:
        op = TfIdfVectorizer(
            2,
            skip,
            1,
            mode,
            tuple(counts),
            tuple(places),
            tuple(pool),
            None,
            tuple(map(float, weights)) if weighted else None,
        )
        lists = [V(np.asarray(each, np.int64), constant=True) for each in (pool, counts, places)]
        tail = (V(weights, constant=True) if weighted else NULL, GARBAGE)
        yield one(
            "odla_TFIDFVectorize", V(x), 1, 2, skip, E(f"ODLA_TFIDF_{mode}"), *lists, *tail, expect=reference(op, x)
        )
