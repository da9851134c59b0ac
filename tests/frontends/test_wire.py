"""Long lists of numbers and texts in protobuf messages: the walk for large contents passes them as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from halo_frontends.onnx.wire import parse_model
from halo_frontends.wire import Kind, MalformedError, cut
from tests.frontends.onnx_models import make_graph, make_model, random, tensor_input, untyped, write

_TENSOR = Kind(raw_field=9)
_ATTRIBUTE = Kind({5: _TENSOR})


def _attribute(seed: int, count: int) -> AttributeProto:
    """Numbers of 1 to 10 bytes, floats, texts of every length around 128 bytes, then a large tensor."""
    rng = np.random.default_rng(seed)
    made = AttributeProto(name="a")
    sizes = rng.integers(0, 64, count)
    made.ints.extend(int(number) for number in rng.integers(0, 1 << 62, count) >> sizes)
    made.ints.append(-1)
    made.floats.extend(float(number) for number in rng.standard_normal(count))
    made.strings.extend(b"x" * int(length) for length in rng.integers(0, 140, count // 10))
    made.t.CopyFrom(numpy_helper.from_array(random(1, 2000)))
    return made


@pytest.mark.parametrize("count", [0, 1, 1000, 300_000])
def test_what_stands_after_long_lists_is_cut_out(count: int) -> None:
    attribute = _attribute(count, count)
    data = attribute.SerializeToString()
    skeleton, spans = cut(np.frombuffer(data, np.uint8), _ATTRIBUTE, lambda number: b"\x40" + bytes([number]))
    ((offset, length),) = spans
    assert data[offset : offset + length] == attribute.t.raw_data
    found = AttributeProto.FromString(skeleton)
    assert found.ints == attribute.ints
    assert found.floats == attribute.floats
    assert found.strings == attribute.strings


@pytest.mark.parametrize("tail", [b"\x40", b"\x40\x80", b"\x3d\x00\x00", b"\x4a\x05ab", b"\x40" + b"\xff" * 12])
def test_a_list_that_ends_too_early_is_malformed(tail: bytes) -> None:
    data = _attribute(2, 100).SerializeToString() + 5 * b"\x40\x01" + 5 * b"\x3d\x00\x00\x80\x3f" + tail
    with pytest.raises(MalformedError):
        cut(np.frombuffer(data, np.uint8), _ATTRIBUTE, lambda _number: b"")


def test_a_model_with_long_lists_keeps_its_weights_in_the_file(tmp_path: Path) -> None:
    node = helper.make_node("Frobnicate", ["w"], ["y"], domain="other", numbers=list(range(5000)), last="end")
    graph = make_graph([node], [tensor_input("x", 1)], [untyped("y")], {"w": random(1, 3000)})
    parsed = parse_model(write(make_model(graph), tmp_path))
    assert len(parsed.spans) == 1
    (weights,) = parsed.proto.graph.initializer
    assert weights.data_location == TensorProto.DEFAULT
    numbers, last = parsed.proto.graph.node[0].attribute
    assert list(numbers.ints) == list(range(5000)) or list(last.ints) == list(range(5000))
