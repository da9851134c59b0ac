"""Products and sums as flat lists, however an exporter has associated them."""

from __future__ import annotations

from dataclasses import dataclass, field

from halo_py.ir.graph import Node, Value
from halo_py.ir.rewrite import Rewriter, kind_of

_LONGEST = 8


@dataclass
class Product:
    """coefficient x values[0] x values[1] x ...; `nodes` are the nodes that compute it."""

    coefficient: float = 1.0
    values: list[Value] = field(default_factory=list[Value])
    nodes: list[Node] = field(default_factory=list[Node])


def factors(rewriter: Rewriter, value: Value | None) -> Product:
    """A value as a product: through Mul, Div by a number and Pow to 2 or 3, while nothing else reads the parts."""
    product = Product()
    if value is not None:
        _collect(rewriter, value, product, 1, root=True)
    return product


def _collect(rewriter: Rewriter, value: Value, product: Product, times: int, *, root: bool) -> None:
    number = rewriter.scalar(value)
    if number is not None:
        product.coefficient *= number**times
        return
    node = rewriter.producer(value)
    if node is None or len(product.nodes) >= _LONGEST or not (root or _one_reader(rewriter, value)):
        product.values.extend([value] * times)
        return
    left, right = (*node.inputs, None, None)[:2]
    divisor = rewriter.scalar(right)
    if left is None or right is None:
        product.values.extend([value] * times)
    elif kind_of(node) == "Mul":
        product.nodes.append(node)
        _collect(rewriter, left, product, times, root=False)
        _collect(rewriter, right, product, times, root=False)
    elif kind_of(node) == "Div" and divisor:
        product.nodes.append(node)
        product.coefficient /= divisor**times
        _collect(rewriter, left, product, times, root=False)
    elif kind_of(node) == "Pow" and divisor in (2, 3):
        product.nodes.append(node)
        _collect(rewriter, left, product, times * int(divisor), root=False)
    else:
        product.values.extend([value] * times)


def _one_reader(rewriter: Rewriter, value: Value) -> bool:
    return len(rewriter.users(value)) == 1 and not rewriter.is_result(value)


def plus_number(rewriter: Rewriter, value: Value | None) -> tuple[Value, float, Node] | None:
    """(x, c, node) where the value is x + c for a number c."""
    node = rewriter.producer(value)
    if node is None or kind_of(node) != "Add":
        return None
    for x, c in (node.inputs, node.inputs[::-1]):
        number = rewriter.scalar(c)
        if number is not None and x is not None:
            return x, number, node
    return None
