"""Gradients of graphs.

`gradients(builder, y, xs)` adds the nodes that compute them, `with_gradients(graph, y, xs)` makes them outputs of a
graph. A rule per op (`@gradient`, `@by_formula`) says how; `has_gradient` tells which ops have one.
"""

from halo_py.autodiff.registry import by_formula, gradient, has_gradient
from halo_py.autodiff.repeat import repeated
from halo_py.autodiff.reverse import Backward, gradients, with_gradients
from halo_py.autodiff.terms import Term, Writer

__all__ = [
    "Backward",
    "Term",
    "Writer",
    "by_formula",
    "gradient",
    "gradients",
    "has_gradient",
    "repeated",
    "with_gradients",
]
