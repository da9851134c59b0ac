"""The text form prints and parses, losslessly."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings

from halo_py.errors import ModelError
from halo_py.ir.encode import content_digest, encode_graph
from halo_py.ir.graph import Graph
from halo_py.ir.parse import parse_graph
from halo_py.ir.text import TextOptions, elided_contents, print_graph
from tests.ir.graphs import every_kind_of_thing, graphs


def described(graph: Graph) -> list[object]:
    """The graph's document with contents instead of their numbers."""
    encoded = encode_graph(graph)
    digests = [content_digest(array) for array in encoded.contents]

    def expand(data: Any) -> Any:
        if isinstance(data, dict):
            parts = cast("dict[str, Any]", data)
            numbers: list[int] = parts.get("constants", [])
            return {key: expand(value) for key, value in parts.items()} | {"constants": [digests[n] for n in numbers]}
        return [expand(item) for item in cast("list[Any]", data)] if isinstance(data, list) else data

    return [expand(encoded.document)]


def same(left: Graph, right: Graph) -> None:
    """Both graphs are equal in everything, contents of constants bit by bit."""
    assert described(left) == described(right)


def round_trip(graph: Graph) -> None:
    """Print, parse, compare."""
    same(parse_graph(print_graph(graph), elided_contents(graph)), graph)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_round_trip(graph: Graph) -> None:
    round_trip(graph)


def test_round_trip_of_odd_things() -> None:
    round_trip(every_kind_of_thing())


def test_text_is_readable() -> None:
    graph = every_kind_of_thing()
    text = print_graph(graph, TextOptions(places=False, digests=False))
    assert (
        text
        == """\
graph "odd \\"name\\"" (%x: float32["batch size", 4, N], %unranked: float32[...], %"state:0": float32[4, 1]) {
  const %"w::big": float32[4, 100] = sha256:0000000000000000
  const %words: string[2] = ["a\\"b", "\\u00fc\\n"]
  const %scale: float32[] = 0.1
  %Add_1: float32["batch size", 4, N] = add(%x, %"state:0")
  %"Mul 2": float32[4, 1] = mul(%"state:0", %scale)
  %abs: float32[...] = abs(%unranked)
  %mul: float32[...] = mul(%abs, %"w::big")
  state %"state:0" <- %"Mul 2"
  return "y" = %Add_1, "other" = %mul, "x again" = %x
}
"""
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('graph "g" () {\n  return "y" = %x\n}', "line 2, column 16: %x is used before its definition"),
        ('graph "g" (%x: float32[]) {\n  %y: float32[] = wobble(%x)\n  return "y" = %y\n}', "unknown op wobble"),
        ('graph "g" (%x: float32[]) {\n  %x: float32[] = abs(%x)\n  return\n}', "%x is defined twice"),
        ('graph "g" (%x: float31[]) {\n  return\n}', "float31 is no element type"),
        ('graph "g" (%x: float32[]) {\n  %y: float32[] = abs(%x) {alpha=1}\n  return\n}', "Abs has no attribute alpha"),
        ('graph "g" (%x: float32[) {\n  return\n}', "line 1, column 24"),
        ('graph "g" () {\n  const %x: float32[2] = [1.0]\n  return\n}', "the contents do not fit float32[2]"),
        ('graph "g" () {\n  const %x: float32[2] = sha256:0123456789abcdef\n  return\n}', "were not given"),
    ],
)
def test_wrong_text_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=r"line \d+, column \d+") as caught:
        parse_graph(text)
    assert message in str(caught.value)
    assert "^" in str(caught.value)
