"""ONNX Runtime's causal convolution with a carried state, in terms of ONNX's Conv."""

from __future__ import annotations

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value

_GPU_ONLY = {
    "ndim": 1, "state_window": 0, "state_update_capacity": 0, "state_channels_last": -1, "state_length": 0,
    "input_channel_offset": 0, "input_channels": 0,
}  # fmt: skip
"""Attributes that ONNX Runtime's CPU kernel takes with one value only."""


@expands("CausalConvWithState")
def _causal_convolution(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Each channel with its own kernel, over the past state and the input. Operands: input, weights [channels, 1,
    taps], bias, past state. Results: output, the last positions that the next call needs.
    """
    check_attributes(draft, "activation", "dilation", "channels_last", *_GPU_ONLY)
    for name, plain in _GPU_ONLY.items():
        if draft.integer(name, plain) != plain:
            raise UnsupportedError(f"{name} is not supported (ONNX Runtime has it for GPUs only)", draft.where)
    write = NodeWriter(draft, maker)
    last, dilation = bool(draft.integer("channels_last", 0)), draft.integer("dilation", 1)
    channels, taps = write.size(draft.value(1), 0), write.size(draft.value(1), 2)
    before = (taps - 1) * dilation
    if dilation < 1 or before < 1:
        raise ModelError(f"{taps} taps {dilation} apart carry no state", draft.where)
    source = _channels_first(write, draft.value(0), last)
    if draft.has(3):
        joined = write("Concat", _channels_first(write, draft.value(3), last), source, axis=2)
    else:
        joined = write("Pad", source, write.ints(0, 0, before, 0, 0, 0))
    made = write("Conv", joined, draft.value(1), write.optional(2), group=channels, dilations=(dilation,))
    made = _activated(write, made)
    state = write("Slice", joined, write.ints(-before), write.ints(1 << 62), write.ints(2))
    return _as_given(write, 0, made, last), _as_given(write, 1, state, last)


def _activated(write: NodeWriter, value: Value) -> Value:
    match write.draft.text("activation", "none"):
        case "none":
            return value
        case "silu" | "swish":
            return write("Swish", value, alpha=1.0)
        case other:
            raise UnsupportedError(f"the activation {other!r} is not known", write.draft.where)


def _channels_first(write: NodeWriter, value: Value, last: bool) -> Value:
    """[batch, step, channels...] as [batch, channels, step]."""
    if not last:
        return value
    flat = value if write.rank(value) == 3 else write.reshaped(value, 0, 0, -1)
    return write("Transpose", flat, perm=(0, 2, 1))


def _as_given(write: NodeWriter, index: int, value: Value, last: bool) -> Value:
    """A result in the layout of the input."""
    if not last:
        return write.result(index, "Identity", value)
    flat = write("Transpose", value, perm=(0, 2, 1))
    inner = write.shape(write.draft.value(0))[2:]
    sizes = [write.size(write.draft.value(0), axis) for axis in range(2, 2 + len(inner))]
    return write.result(index, "Reshape", flat, write.ints(0, 0, *sizes))
