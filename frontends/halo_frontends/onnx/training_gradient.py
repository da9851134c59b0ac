"""Gradient: the nodes that compute it, written by reverse-mode differentiation of what the file holds before it."""

from __future__ import annotations

from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.training import expands
from halo_py.autodiff import gradients, repeated
from halo_py.errors import ModelError
from halo_py.ir.graph import Value


def _names(draft: Draft, attribute: str) -> tuple[str, ...]:
    found = draft.attributes.get(attribute, ())
    if not isinstance(found, tuple) or not all(isinstance(name, str) for name in found):
        raise ModelError(f"attribute {attribute!r} must be a list of names", draft.where)
    return tuple(str(name) for name in found)


def _named(draft: Draft, maker: Maker, name: str) -> Value:
    value = maker.find(name)
    if value is None:
        raise ModelError(f"differentiates with the value {name!r}, which nothing makes", draft.where)
    return value


@expands("Gradient")
def gradient(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """d(sum of y)/dx for every x, at the operands' values: those of xs, then those of zs, which are held fixed.

    Operands other than the named values stand in for them: the part of the graph between them and y is repeated.
    """
    xs, zs = _names(draft, "xs"), _names(draft, "zs")
    count = len(xs) + len(zs)
    if not xs or len(draft.inputs) != count:
        raise ModelError(f"has {len(draft.inputs)} operands for the {count} values of xs and zs", draft.where)
    y = _named(draft, maker, draft.text("y", ""))
    points = [_named(draft, maker, name) for name in (*xs, *zs)]
    if tuple(points) != draft.inputs:
        # Nodes of their own keep stand-ins apart from what y reads of the same values otherwise.
        stand_ins = [maker.make("Identity", [draft.value(index)], draft) for index in range(count)]
        y = repeated(maker.builder, y, dict(zip(points, stand_ins, strict=True)))
        points = stand_ins
    return gradients(maker.builder, y, points[: len(xs)], fixed=points[len(xs) :], where=draft.where)
