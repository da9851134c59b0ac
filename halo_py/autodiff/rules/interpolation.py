"""Resize: every axis is a product with a matrix, so the gradient is one with its transpose."""

from __future__ import annotations

from halo_py.autodiff.registry import Gradients, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term
from halo_py.ops.image import Resize
from halo_py.ops.interpolation import matrix


@gradient(Resize)
def _resize(at: Backward, op: Resize) -> Gradients:
    roi, scales, sizes = (at.known(index) for index in (1, 2, 3))
    if any(at.has(index) and at.known(index) is None for index in (1, 2, 3)):
        raise at.error("the gradient needs roi, scales and sizes to be constant")
    tables = op.tables(at.x().extents, roi, scales, sizes)

    def of_x() -> Term:
        found = at.g()
        for axis, table in reversed(tables):
            weights = matrix(table.taps(), table.size).astype(found.dtype.numpy)
            last = found.rank - 1
            order = (*(number for number in range(found.rank) if number != axis), axis)
            product = found.transposed(*order) @ found.writer.constant(weights, found.dtype)
            found = product.transposed(*range(axis), last, *range(axis, last))
        return found

    return at.to(of_x)
