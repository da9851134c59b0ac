"""A library's failures as errors that name the function, node and op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from halo_backends.native.library import CallFailedError
from halo_backends.native.process import LibraryDiedError
from halo_py.errors import DeviceError, Where

if TYPE_CHECKING:
    from halo_py.ir.graph import Node

_PRINTED_CHARACTERS = 600


def library_error(
    path: str, error: LibraryDiedError | CallFailedError, nodes: Sequence[Node] = (), culprit: Node | None = None
) -> DeviceError:
    """The error to raise. `nodes` are those that labels of calls number; `culprit` is known otherwise."""
    if isinstance(error, CallFailedError):
        label, message = error.failure.label, error.failure.reason
        hint = None
    else:
        label, message = error.label, f"{error.function} {error.how}"
        hint = "the option `exclude` keeps nodes from functions of the library, e.g. exclude=odla_Conv"
        if "return within" in error.how:
            hint += "; the option `seconds` is how long a call may take"
    node = nodes[int(label)] if label and nodes else culprit
    where = _where(path, node)
    if node is not None:
        message = f"{path}: {message}"
        if not label:
            message += f" when it ran this node ({node.op.declaration.onnx or node.op.kind})"
    if isinstance(error, LibraryDiedError) and error.printed:
        printed = error.printed[-_PRINTED_CHARACTERS:]
        message += f"\nthe library printed: {printed}"
    return DeviceError(message, where, hint)


def _where(path: str, node: Node | None) -> Where:
    if node is None:
        return Where(path)
    place = node.where
    op = place.op or node.op.declaration.onnx or node.op.kind
    return Where(place.file, place.node or node.name, op, place.merged)
