"""What ONNX Runtime writes at its highest level of optimisation around pools: images in blocks of channels.

How many channels a block has depends on the processor that ONNX Runtime ran on, and the file does not say it. Without
weights it does not matter: here such a value is the plain image, and reordering it into blocks and back does nothing.
`Conv` holds its kernels in blocks and is refused.
"""

from __future__ import annotations

import numpy as np

from halo_frontends.onnx.domains import Domain
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.ir.graph import Value

NCHWC = Domain("com.microsoft.nchwc", ("contrib_nchwc",))

expands = NCHWC.expands


@expands("ReorderInput")
def _into_blocks(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    check_attributes(draft, "channels_last")
    write = NodeWriter(draft, maker)
    if not draft.integer("channels_last", 0):
        return (write.result(0, "Identity", draft.value(0)),)
    rank = write.rank(draft.value(0))
    return (write.result(0, "Transpose", draft.value(0), perm=(0, rank - 1, *range(1, rank - 1))),)


@expands("ReorderOutput")
def _out_of_blocks(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """The first `channels` channels: the others fill a block."""
    check_attributes(draft, "channels", "channels_last")
    write, source = NodeWriter(draft, maker), draft.value(0)
    channels = draft.integer("channels", 0)
    if channels < write.size(source, 1):
        source = write.part(source, 1, 0, channels)
    if not draft.integer("channels_last", 0):
        return (write.result(0, "Identity", source),)
    return (write.result(0, "Transpose", source, perm=(0, *range(2, write.rank(source)), 1)),)


@expands("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool")
def _pool(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    return maker.finish(draft.op, draft.inputs, draft, **draft.attributes)


@expands("Upsample")
def _upsample(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Resize by whole numbers."""
    check_attributes(draft, "coordinate_transformation_mode", "mode", "scales")
    write = NodeWriter(draft, maker)
    scales = draft.ints("scales") or (1,) * write.rank(draft.value(0))
    factors = write.constant(np.asarray(scales, np.float32))
    attributes = {
        "mode": draft.text("mode", "nearest"),
        "coordinate_transformation_mode": draft.text("coordinate_transformation_mode", "asymmetric"),
        "nearest_mode": "floor",
    }
    return (write.result(0, "Resize", draft.value(0), None, factors, **attributes),)
