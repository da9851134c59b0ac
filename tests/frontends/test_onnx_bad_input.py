"""Every way a file can be wrong gives one clear error, quickly, and without a large allocation."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import FunctionProto, ModelProto, TensorProto, helper

from halo_py.errors import HaloError, ModelError, UnsupportedError
from halo_py.frontend import ImportOptions, load_model
from halo_py.ops import load_ops
from tests.frontends.onnx_models import FLOAT, INT64, make_graph, make_model, random, tensor_input, untyped, write

X, Y = tensor_input("x", 2, 3), tensor_input("y", 2, 3)


def _relu() -> ModelProto:
    weights = {"w": random(0, 2, 3)}
    return make_model(make_graph([helper.make_node("Add", ["x", "w"], ["y"], name="add")], [X], [Y], weights))


def _claims(data_type: int, dims: list[int], **content: object) -> ModelProto:
    model = _relu()
    tensor = TensorProto(name="w", data_type=data_type, dims=dims)
    for name, value in content.items():
        if isinstance(value, bytes):
            setattr(tensor, name, value)
        else:
            getattr(tensor, name).extend(value)
    model.graph.initializer[0].CopyFrom(tensor)
    return model


def _external(location: str, offset: int = 0, length: int = 24) -> ModelProto:
    model = _claims(FLOAT, [2, 3])
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return model


def _nodes(*nodes: tuple[str, list[str], list[str]]) -> ModelProto:
    made = [helper.make_node(op, inputs, outputs, name=f"n{i}") for i, (op, inputs, outputs) in enumerate(nodes)]
    return make_model(make_graph(made, [X], [Y]))


def _function_calling_itself() -> ModelProto:
    body = [helper.make_node("F", ["a"], ["b"], domain="own")]
    function = helper.make_function("own", "F", ["a"], ["b"], body, [helper.make_opsetid("own", 1)])
    graph = make_graph([helper.make_node("F", ["x"], ["y"], name="call", domain="own")], [X], [Y])
    model = make_model(graph, functions=[function])
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def _sparse_bomb() -> ModelProto:
    model = _relu()
    del model.graph.initializer[:]
    sparse = model.graph.sparse_initializer.add(dims=[1 << 20, 1 << 20])
    sparse.values.CopyFrom(helper.make_tensor("w", FLOAT, [1], [1.0]))
    sparse.indices.CopyFrom(helper.make_tensor("i", INT64, [1], [0]))
    return model


CASES: dict[str, tuple[Callable[[], ModelProto], type[HaloError], str]] = {
    "ten_gigabytes_raw": (
        lambda: _claims(FLOAT, [50000, 50000], raw_data=bytes(900)),
        ModelError,
        "claims 10000000000",
    ),
    "ten_gigabytes_typed": (lambda: _claims(FLOAT, [50000, 50000], float_data=[1.0]), ModelError, "claims 2500000000"),
    "ten_gigabytes_nothing": (lambda: _claims(FLOAT, [50000, 50000]), ModelError, "claims"),
    "ten_gigabytes_int4": (lambda: _claims(TensorProto.INT4, [1 << 17, 1 << 17], int32_data=[1]), ModelError, "claims"),
    "ten_gigabytes_sparse": (_sparse_bomb, ModelError, "too large to unfold"),
    "negative_dimension": (lambda: _claims(FLOAT, [-2, -3], raw_data=bytes(24)), ModelError, "impossible shape"),
    "unknown_element_type": (lambda: _claims(99, [6], raw_data=bytes(24)), ModelError, "unknown element type 99"),
    "missing_external": (lambda: _external("missing.bin"), ModelError, "'missing.bin' is missing"),
    "external_parent": (lambda: _external("../secret.bin"), ModelError, "leaves the model's folder"),
    "external_inner_parent": (lambda: _external("a/../../secret.bin"), ModelError, "leaves the model's folder"),
    "external_windows": (lambda: _external("..\\secret.bin"), ModelError, "leaves the model's folder"),
    "external_drive": (lambda: _external("C:\\secret.bin"), ModelError, "leaves the model's folder"),
    "external_absolute": (lambda: _external("/etc/passwd"), ModelError, "leaves the model's folder"),
    "external_empty": (lambda: _external(""), ModelError, "names no file"),
    "external_link": (lambda: _external("link.bin"), ModelError, "leaves the model's folder"),
    "external_beyond_end": (lambda: _external("data.bin", offset=10), ModelError, "lie outside external data"),
    "external_negative": (lambda: _external("data.bin", offset=-8), ModelError, "lie outside external data"),
    "external_length": (lambda: _external("data.bin", length=12), ModelError, "its type needs 24"),
    "cycle": (
        lambda: _nodes(("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"]), ("Relu", ["b"], ["y"])),
        ModelError,
        "cycle through n0, n1",
    ),
    "self_cycle": (lambda: _nodes(("Add", ["x", "y"], ["y"])), ModelError, "cycle through n0"),
    "unknown_value": (lambda: _nodes(("Add", ["x", "nowhere"], ["y"])), ModelError, "'nowhere', which nothing makes"),
    "made_twice": (lambda: _nodes(("Relu", ["x"], ["y"]), ("Neg", ["x"], ["y"])), ModelError, "'y' is made twice"),
    "no_output": (lambda: _nodes(("Relu", ["x"], ["z"])), ModelError, "'y', which nothing makes"),
    "function_without_end": (_function_calling_itself, ModelError, "call each other without end"),
    "unknown_op": (lambda: _nodes(("Frobnicate", ["x"], ["y"])), UnsupportedError, "Frobnicate: 1 node (n0)"),
    "too_few_operands": (lambda: _nodes(("Add", ["x"], ["y"])), ModelError, "n0"),
    "future_opset": (
        lambda: make_model(make_graph([helper.make_node("Relu", ["x"], ["y"])], [X], [Y]), opset=99),
        UnsupportedError,
        "operator set 99; 1 to 28",
    ),
    "no_graph": (lambda: ModelProto(ir_version=8), ModelError, "holds no graph"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_clear_error(name: str, tmp_path: Path) -> None:
    make, error, message = CASES[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    (tmp_path / "in" / "data.bin").write_bytes(bytes(24))
    (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = write(make(), tmp_path / "in")
    load_ops()
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(error) as caught:
        load_model(path)
    seconds, peak = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert seconds < 5
    assert peak < 64 << 20


def test_external_data_inside_the_folder_is_read(tmp_path: Path) -> None:
    contents = random(3, 2, 3)
    (tmp_path / "data.bin").write_bytes(bytes(8) + contents.tobytes())
    graph = load_model(write(_external("data.bin", offset=8), tmp_path))
    ((_, found),) = graph.constants.items()
    np.testing.assert_array_equal(found, contents)


def test_a_linked_model_has_its_data_beside_its_target(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    write(_external("data.bin"), blobs, "1234")
    (blobs / "5678").write_bytes(random(3, 2, 3).tobytes())
    (snapshot / "model.onnx").symlink_to(blobs / "1234")
    (snapshot / "data.bin").symlink_to(blobs / "5678")
    ((_, found),) = load_model(snapshot / "model.onnx").constants.items()
    np.testing.assert_array_equal(found, random(3, 2, 3))


def test_functions_that_unfold_without_bound_are_refused(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    functions: list[FunctionProto] = []
    for level in range(40):
        op, domain = (f"F{level - 1}", "own") if level else ("Relu", "")
        body = [helper.make_node(op, ["a"], ["b"], domain=domain), helper.make_node(op, ["b"], ["c"], domain=domain)]
        functions.append(helper.make_function("own", f"F{level}", ["a"], ["c"], body, opsets))
    model = make_model(make_graph([helper.make_node("F39", ["x"], ["y"], domain="own")], [X], [Y]), functions=functions)
    model.opset_import.append(opsets[1])
    with pytest.raises(ModelError, match="unfold into more than"):
        load_model(write(model, tmp_path))


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        load_model(tmp_path / "missing.onnx")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(200), bytes(4000), b"GIF89a" * 100])
@pytest.mark.parametrize("name", ["model.onnx", "model.bin"])
def test_a_wrong_magic_is_a_model_error(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=name):
        load_model(path)


def test_every_truncation_is_a_model_error(tmp_path: Path) -> None:
    weights = {"w": random(0, 64, 64)}
    graph = make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], [tensor_input("x", 2, 64)], [untyped("y")], weights
    )
    whole = make_model(graph).SerializeToString()
    path = tmp_path / "model.onnx"
    refused = 0
    for length in [*range(0, 200, 3), *range(200, len(whole), 501), len(whole) - 1]:
        path.write_bytes(whole[:length])
        try:
            load_model(path)
        except ModelError:
            refused += 1
    # Fields may come in any order, so a cut between two fields of the model itself can leave a whole one.
    assert refused >= 60


def test_flipped_bytes_never_escape_the_error_family(tmp_path: Path) -> None:
    whole = bytearray(_relu().SerializeToString())
    path = tmp_path / "model.onnx"
    generator = np.random.default_rng(7)
    for _ in range(400):
        damaged = bytearray(whole)
        for position in generator.integers(0, len(whole), 3):
            damaged[position] = int(generator.integers(0, 256))
        path.write_bytes(damaged)
        try:
            load_model(path, ImportOptions(keep_symbolic=True))
        except HaloError:
            continue


def test_a_type_clash_names_the_node(tmp_path: Path) -> None:
    graph = make_graph(
        [helper.make_node("Add", ["x", "k"], ["y"], name="clash")], [X, tensor_input("k", 2, 3, type=INT64)], [Y]
    )
    with pytest.raises(ModelError) as caught:
        load_model(write(make_model(graph), tmp_path))
    assert "'clash'" in str(caught.value)
    assert "float32" in str(caught.value)
    assert "int64" in str(caught.value)


def test_an_output_declared_with_another_type_is_a_clash(tmp_path: Path) -> None:
    graph = make_graph([helper.make_node("Relu", ["x"], ["y"])], [X], [tensor_input("y", 2, 3, type=INT64)])
    with pytest.raises(ModelError, match="declared int64 and computed as float32"):
        load_model(write(make_model(graph), tmp_path))


def test_all_unknown_operators_are_listed_at_once(tmp_path: Path) -> None:
    model = _nodes(("Frob", ["x"], ["a"]), ("Frob", ["a"], ["b"]), ("Relu", ["b"], ["c"]), ("Nicate", ["c"], ["y"]))
    with pytest.raises(UnsupportedError) as caught:
        load_model(write(model, tmp_path))
    assert str(caught.value).splitlines()[1:] == [
        "  Frob: 2 nodes (n0, n1): unknown operator",
        "  Nicate: 1 node (n3): unknown operator",
    ]


def test_an_unknown_attribute_is_refused(tmp_path: Path) -> None:
    graph = make_graph([helper.make_node("Relu", ["x"], ["y"], name="r", colour=3)], [X], [Y])
    with pytest.raises(UnsupportedError, match="'colour'"):
        load_model(write(make_model(graph), tmp_path))
