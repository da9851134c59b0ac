"""Complex tensors as pairs: real tensors with a last axis of real and imaginary parts, marked as such."""

from __future__ import annotations

from halo_frontends.torchscript.values import Tensor
from halo_py.ir.graph import Value


def pair(value: Value) -> Tensor:
    """A complex tensor whose parts stand side by side in the last axis of a value."""
    return Tensor(value, is_pair=True)
