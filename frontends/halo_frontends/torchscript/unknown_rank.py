"""Which node of a program makes the rank of a tensor depend on data, for the message that refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.ops.control import If
from halo_py.types import TensorType, Type

if TYPE_CHECKING:
    from halo_frontends.torchscript.emitter import Emitter
    from halo_py.ir.graph import Value


def why_unknown(emitter: Emitter, value: Value) -> str:
    """Which node makes the rank of a value depend on data."""
    node = emitter.producer(value)
    while node is not None:
        unknown = [one for one in node.inputs if one is not None and _has_no_rank(one)]
        inner = emitter.producer(unknown[0]) if unknown else None
        if inner is None:
            break
        node = inner
    if node is None:
        return f"the value {value.name!r} has no known rank"
    text = f"node {node.name!r}, op {node.where.op or node.op.kind}"
    if not isinstance(node.op, If):
        return f"{text} makes it so"
    number = next((place for place, one in enumerate(node.outputs) if _has_no_rank(one)), 0)
    said = " and ".join(_rank_text(body.outputs[number].type) for body in node.bodies)
    return f"the branches of {text} give {said}"


def _has_no_rank(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.shape is None


def _rank_text(type: Type) -> str:
    shape = type.shape if isinstance(type, TensorType) else None
    return "an unknown rank" if shape is None else f"rank {len(shape)}"
