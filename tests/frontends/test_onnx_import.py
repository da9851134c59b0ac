"""What the ONNX frontend reads: every element type, weights in place, functions, dynamic shapes, names and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from halo_py.errors import ShapeError, UnsupportedError, UsageError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, batch_symbol, inspect_model, load_model
from halo_py.types import DType
from tests.frontends.onnx_models import (
    FLOAT,
    INT64,
    Array,
    judge,
    make_graph,
    make_model,
    random,
    tensor_input,
    untyped,
    write,
)

KEEP = ImportOptions(keep_symbolic=True)


# -- tensors ------------------------------------------------------------------------------------------------------

_NARROW = {
    DType.BFLOAT16: ml_dtypes.bfloat16,
    DType.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    DType.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    DType.FLOAT8E5M2: ml_dtypes.float8_e5m2,
    DType.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
    DType.FLOAT8E8M0: ml_dtypes.float8_e8m0fnu,
    DType.FLOAT4E2M1: ml_dtypes.float4_e2m1fn,
    DType.INT4: ml_dtypes.int4,
    DType.UINT4: ml_dtypes.uint4,
}


def _contents(dtype: DType) -> Array:
    """Seven elements, so that packed types do not fill their last byte."""
    if dtype in _NARROW:
        positive = np.array([0.5, 1, 2, 1, 0.5, 4, 1]) if dtype is DType.FLOAT8E8M0 else np.array([0, 1, 2, 3, 4, 6, 1])
        signed = positive * (-1) ** np.arange(7) if dtype.is_signed and dtype is not DType.FLOAT8E8M0 else positive
        return signed.astype(_NARROW[dtype])
    if dtype is DType.STRING:
        return np.array(["a", "", "é", "x" * 50, "1", "2", "3"], object)
    if dtype is DType.BOOL:
        return np.array([True, False, True, True, False, False, True])
    if dtype.is_complex:
        return (np.arange(7) - 3j * np.arange(7)).astype(dtype.numpy)
    values = np.array([0, 1, 100, 3, 77, 5, 2]) * (-1 if dtype.is_signed else 1)
    return values.astype(dtype.numpy)


def _constant_of(path: Path) -> Array:
    graph = load_model(path)
    assert not graph.nodes
    return graph.constants[graph.outputs[0]]


def _only_constant(tensor: TensorProto, folder: Path) -> Path:
    tensor.name = "w"
    graph = make_graph([], [], [tensor_input("w", *tensor.dims, type=tensor.data_type)])
    graph.initializer.append(tensor)
    return write(make_model(graph, 25), folder)


TYPES = [dtype for dtype in DType if dtype not in (DType.UINT2, DType.INT2)]


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: dtype.text)
def test_every_element_type_is_read_from_raw_bytes_and_typed_fields(dtype: DType, tmp_path: Path) -> None:
    contents = _contents(dtype).reshape(7, 1)
    tensor = numpy_helper.from_array(contents)
    assert tensor.data_type == dtype.onnx_number
    found = _constant_of(_only_constant(tensor, tmp_path))
    assert found.dtype == dtype.numpy
    assert found.shape == (7, 1)
    np.testing.assert_array_equal(found, contents)
    if dtype is not DType.STRING:
        typed = _typed(dtype, contents)
        np.testing.assert_array_equal(_constant_of(_only_constant(typed, tmp_path)), contents)


def _typed(dtype: DType, contents: Array) -> TensorProto:
    """The same tensor in the typed field that onnx.proto names for its type."""
    tensor = TensorProto(data_type=dtype.onnx_number, dims=contents.shape)
    flat = contents.reshape(-1)
    if dtype in (DType.FLOAT32, DType.FLOAT64):
        getattr(tensor, "float_data" if dtype is DType.FLOAT32 else "double_data").extend(flat.tolist())
    elif dtype.is_complex:
        parts = flat.view(np.float32 if dtype is DType.COMPLEX64 else np.float64)
        getattr(tensor, "float_data" if dtype is DType.COMPLEX64 else "double_data").extend(parts.tolist())
    elif dtype is DType.INT64:
        tensor.int64_data.extend(flat.tolist())
    elif dtype in (DType.UINT32, DType.UINT64):
        tensor.uint64_data.extend(flat.tolist())
    elif dtype.bits < 8:
        tensor.int32_data.extend(numpy_helper.from_array(contents).raw_data)
    elif dtype.is_float:
        tensor.int32_data.extend(flat.view(f"uint{dtype.bits}").tolist())
    else:
        tensor.int32_data.extend(flat.astype(np.int64).tolist())
    return tensor


def test_weights_stay_in_the_mapped_file(tmp_path: Path) -> None:
    weights = {"w": random(0, 256, 512)}
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = write(make_model(make_graph([node], [tensor_input("x", 2, 256)], [untyped("y")], weights)), tmp_path)
    graph = load_model(path)
    ((_, found),) = graph.constants.items()
    np.testing.assert_array_equal(found, weights["w"])
    assert not found.flags.owndata
    assert not found.flags.writeable
    base: Any = found
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(getattr(base, "obj", base)).__name__ == "mmap"


def test_large_contents_of_constant_nodes_functions_and_branches_are_found(tmp_path: Path) -> None:
    big = random(1, 64, 64)
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(big))
    function = helper.make_function(
        "own",
        "AddBig",
        ["a"],
        ["b"],
        [constant, helper.make_node("Add", ["a", "c"], ["b"])],
        [helper.make_opsetid("", 20)],
    )
    nodes = [
        helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(big)),
        helper.make_node("Add", ["x", "k"], ["h"]),
        helper.make_node("AddBig", ["h"], ["y"], domain="own"),
    ]
    model = make_model(make_graph(nodes, [tensor_input("x", 64, 64)], [untyped("y")]), functions=[function])
    model.opset_import.append(helper.make_opsetid("own", 1))
    graph = load_model(write(model, tmp_path))
    x = random(2, 64, 64)
    np.testing.assert_allclose(np.asarray(evaluate_graph(graph, [x])[0]), x + 2 * big, rtol=1e-5)


def test_more_than_two_gigabytes_of_external_weights(tmp_path: Path) -> None:
    rows = (5 << 29) // 4096  # a sparse file of 2.5 GB
    with (tmp_path / "big.bin").open("wb") as stream:
        stream.truncate(rows * 4096)
        stream.seek((rows - 1) * 4096)
        stream.write(random(0, 1024).tobytes())
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[rows, 1024], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="big.bin")
    graph = make_graph([helper.make_node("Identity", ["w"], ["y"])], [], [untyped("y")])
    graph.initializer.append(tensor)
    loaded = load_model(write(make_model(graph), tmp_path))
    ((_, found),) = loaded.constants.items()
    assert found.nbytes > 1 << 31
    np.testing.assert_array_equal(found[-1], random(0, 1024))


def test_sparse_initialisers_unfold(tmp_path: Path) -> None:
    graph = make_graph([helper.make_node("Add", ["x", "w"], ["y"])], [tensor_input("x", 3, 4)], [untyped("y")])
    sparse = graph.sparse_initializer.add(dims=[3, 4])
    sparse.values.CopyFrom(helper.make_tensor("w", FLOAT, [2], [1.5, -2.0]))
    sparse.indices.CopyFrom(helper.make_tensor("i", INT64, [2, 2], [0, 1, 2, 3]))
    (found,) = evaluate_graph(load_model(write(make_model(graph), tmp_path)), [np.zeros((3, 4), np.float32)])
    expected = np.zeros((3, 4), np.float32)
    expected[0, 1], expected[2, 3] = 1.5, -2
    np.testing.assert_array_equal(np.asarray(found), expected)


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("value_float", 1.5, np.float32(1.5)),
        ("value_int", 3, np.int64(3)),
        ("value_floats", [1.0, 2.0], np.array([1, 2], np.float32)),
        ("value_ints", [4, 5], np.array([4, 5])),
        ("value_string", "text", np.array("text", object)),
        ("value_strings", ["a", "b"], np.array(["a", "b"], object)),
    ],
)
def test_every_form_of_constant(attribute: str, value: Any, expected: Any, tmp_path: Path) -> None:
    node = helper.make_node("Constant", [], ["y"], **{attribute: value})
    found = _constant_of(write(make_model(make_graph([node], [], [untyped("y")])), tmp_path))
    np.testing.assert_array_equal(found, expected)
    assert found.shape == np.asarray(expected).shape


# -- names, order, annotations ------------------------------------------------------------------------------------


def test_nodes_may_stand_in_any_order_and_initialisers_may_be_inputs(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["h", "w"], ["y"]),
        helper.make_node("Clip", ["x", "", "top"], ["h"]),
    ]
    constants = {"w": random(0, 3), "top": np.asarray(0.5, np.float32), "unused": random(1, 9)}
    ports = [tensor_input("x", 2, 3), tensor_input("w", 3)]
    graph = load_model(write(make_model(make_graph(nodes, ports, [untyped("y")], constants)), tmp_path))
    assert [value.name for value in graph.inputs] == ["x"]
    assert {value.name for value in graph.constants} == {"w", "top"}
    x = random(2, 2, 3)
    (found,) = evaluate_graph(graph, [x])
    np.testing.assert_allclose(np.asarray(found), np.minimum(x, 0.5) + constants["w"])


def test_wrong_annotations_are_ignored(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Neg", ["h"], ["y"])]
    graph = make_graph(nodes, [tensor_input("x", 2, 3)], [tensor_input("y", 9, 9)])
    graph.value_info.append(tensor_input("h", 7, type=INT64))
    loaded = load_model(write(make_model(graph), tmp_path))
    assert str(loaded.outputs[0].type) == "float32[2, 3]"


def test_an_output_may_be_an_input_a_constant_or_given_twice(tmp_path: Path) -> None:
    graph = make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        [tensor_input("x", 2)],
        [untyped("x"), untyped("w"), untyped("y"), untyped("y")],
        {"w": random(0, 3)},
    )
    loaded = load_model(write(make_model(graph), tmp_path))
    assert loaded.output_names == ("x", "w", "y", "y")
    assert loaded.outputs[2] is loaded.outputs[3]
    assert len(evaluate_graph(loaded, [random(1, 2)])) == 4


def test_unknown_domains_that_no_node_uses_are_accepted(tmp_path: Path) -> None:
    model = make_model(make_graph([helper.make_node("Relu", ["x"], ["y"])], [tensor_input("x", 2)], [untyped("y")]))
    model.opset_import.append(helper.make_opsetid("com.example", 77))
    assert len(load_model(write(model, tmp_path)).nodes) == 1


def test_an_operator_of_an_unknown_domain_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="r", domain="com.example")
    model = make_model(make_graph([node], [tensor_input("x", 2)], [untyped("y")]))
    model.opset_import.append(helper.make_opsetid("com.example", 77))
    with pytest.raises(UnsupportedError, match=r"com\.example\.Relu: 1 node \(r\)"):
        load_model(write(model, tmp_path))


def test_the_default_domain_has_two_spellings(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx")
    model = make_model(make_graph([node], [tensor_input("x", 2)], [untyped("y")]))
    model.opset_import[0].domain = "ai.onnx"
    assert load_model(write(model, tmp_path)).nodes[0].op.kind == "relu"


def test_where_names_the_users_node(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="my/relu")
    path = write(make_model(make_graph([node], [tensor_input("x", 2)], [untyped("y")])), tmp_path)
    where = load_model(path).nodes[0].where
    assert (where.file, where.node, where.op) == (str(path), "my/relu", "Relu")


# -- functions ----------------------------------------------------------------------------------------------------


def test_functions_take_attributes_defaults_and_omitted_operands(tmp_path: Path) -> None:
    leaky = helper.make_node("LeakyRelu", ["a"], ["h"])
    _with_reference(leaky, "alpha", "slope")
    clip = helper.make_node("Clip", ["h", "low", "high"], ["b"])
    opset = helper.make_opsetid("", 20)
    function = helper.make_function("own", "F", ["a", "low", "high"], ["b"], [leaky, clip], [opset], ["slope"])
    outer = helper.make_function(
        "own", "G", ["a", "low"], ["b"],
        [_with_reference(helper.make_node("F", ["a", "low"], ["b"], domain="own"), "slope", "steep")],
        [opset, helper.make_opsetid("own", 1)], attribute_protos=[helper.make_attribute("steep", 0.25)],
    )  # fmt: skip
    nodes = [
        helper.make_node("F", ["x", "", "top"], ["u"], domain="own", slope=0.5, name="first"),
        helper.make_node("G", ["x", "bottom"], ["v"], domain="own", name="second"),
        helper.make_node("G", ["x", ""], ["w"], domain="own", steep=0.125, name="third"),
    ]
    constants = {"top": np.asarray(0.5, np.float32), "bottom": np.asarray(-0.25, np.float32)}
    outputs = [tensor_input(name, 3, 4) for name in "uvw"]
    model = make_model(make_graph(nodes, [tensor_input("x", 3, 4)], outputs, constants), functions=[function, outer])
    model.opset_import.append(helper.make_opsetid("own", 1))
    x = random(0, 3, 4)
    path = write(model, tmp_path)
    graph = load_model(path)
    for ours, theirs in zip(evaluate_graph(graph, [x]), judge(path, {"x": x}), strict=True):
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-6)
    assert graph.nodes[0].where.node == "first/h"


def _with_reference(node: NodeProto, name: str, outer: str) -> NodeProto:
    node.attribute.append(AttributeProto(name=name, type=AttributeProto.FLOAT, ref_attr_name=outer))
    return node


def test_a_function_body_has_its_own_operator_set(tmp_path: Path) -> None:
    body = [helper.make_node("Unsqueeze", ["a"], ["b"], axes=[0])]
    function = helper.make_function("own", "F", ["a"], ["b"], body, [helper.make_opsetid("", 11)])
    graph = make_graph([helper.make_node("F", ["x"], ["y"], domain="own")], [tensor_input("x", 3)], [untyped("y")])
    model = make_model(graph, functions=[function])
    model.opset_import.append(helper.make_opsetid("own", 1))
    assert str(load_model(write(model, tmp_path)).outputs[0].type) == "float32[1, 3]"


# -- shapes and values --------------------------------------------------------------------------------------------


def _dynamic(folder: Path, *dims: int | str | None) -> Path:
    graph = make_graph([helper.make_node("Relu", ["x"], ["y"])], [tensor_input("x", *dims)], [untyped("y")])
    return write(make_model(graph), folder)


def test_shapes_and_symbols_fix_dimensions_everywhere(tmp_path: Path) -> None:
    ports = [tensor_input("x", "n", "len"), tensor_input("mask", "n", "len")]
    path = write(
        make_model(make_graph([helper.make_node("Add", ["x", "mask"], ["y"])], ports, [untyped("y")])), tmp_path
    )
    by_shape = load_model(path, ImportOptions(shapes={"x": (2, 7)}))
    by_symbol = load_model(path, ImportOptions(symbols={"n": 2, "len": 7}))
    by_batch = load_model(path, ImportOptions(symbols={"len": 7}, batch_size=2))
    for graph in (by_shape, by_symbol, by_batch):
        assert [str(value.type) for value in (*graph.inputs, *graph.outputs)] == ["float32[2, 7]"] * 3
    kept = load_model(path, ImportOptions(symbols={"len": 7}, keep_symbolic=True))
    assert batch_symbol(kept) == "n"
    assert str(kept.outputs[0].type) == "float32[n, 7]"


def test_unnamed_leading_dimensions_are_one_batch(tmp_path: Path) -> None:
    ports = [tensor_input("a", None, 3), tensor_input("b", "unk__12", 3), tensor_input("c", 5, None)]
    nodes = [helper.make_node("Add", ["a", "b"], ["y"]), helper.make_node("Relu", ["c"], ["z"])]
    path = write(make_model(make_graph(nodes, ports, [untyped("y"), untyped("z")])), tmp_path)
    graph = load_model(path, KEEP)
    assert [str(value.type) for value in graph.inputs] == ["float32[batch, 3]", "float32[batch, 3]", "float32[5, c_1]"]


def test_negative_dimensions_are_dynamic(tmp_path: Path) -> None:
    assert str(load_model(_dynamic(tmp_path, -1, 3), ImportOptions(batch_size=4)).inputs[0].type) == "float32[4, 3]"


@pytest.mark.parametrize(
    ("dims", "hint"),
    [
        (("n", 3, 224, 224), "--batch-size 1"),
        ((None, 3), "--batch-size 1"),
        (("n", 3, None, "w"), "--shape x=1x3x224x224"),
        (("n", "len"), "--shape x=1x128"),
    ],
)
def test_an_unknown_dimension_suggests_a_command(dims: tuple[Any, ...], hint: str, tmp_path: Path) -> None:
    with pytest.raises(ShapeError) as caught:
        load_model(_dynamic(tmp_path, *dims))
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ImportOptions(shapes={"z": (1,)}), "no input 'z'"),
        (ImportOptions(values={"z": 1}), "no input 'z'"),
        (ImportOptions(shapes={"x": (1, 2)}), "has rank 3"),
        (ImportOptions(shapes={"x": (1, 2, 9)}), "9 does not fit 3"),
        (ImportOptions(shapes={"x": (1, 2, 3)}, symbols={"n": 4}), "said to be 4 and 1"),
        (ImportOptions(values={"x": "text"}), "does not fit input 'x'"),
    ],
)
def test_wrong_options_are_usage_errors(options: ImportOptions, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_model(_dynamic(tmp_path, "n", "len", 3), options)


def test_a_value_turns_an_input_into_a_constant(tmp_path: Path) -> None:
    ports = [tensor_input("x", 4), tensor_input("sr", type=INT64)]
    nodes = [helper.make_node("Cast", ["sr"], ["f"], to=FLOAT), helper.make_node("Mul", ["x", "f"], ["y"])]
    path = write(make_model(make_graph(nodes, ports, [untyped("y")])), tmp_path)
    graph = load_model(path, ImportOptions(values={"sr": 16000}))
    assert [value.name for value in graph.inputs] == ["x"]
    np.testing.assert_array_equal(np.asarray(evaluate_graph(graph, [np.ones(4, np.float32)])[0]), np.full(4, 16000))


# -- inspection ---------------------------------------------------------------------------------------------------


def test_inspection_counts_and_lists_what_would_be_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Frob", ["c"], ["y"], name="f"),
    ]
    graph = make_graph(
        nodes, [tensor_input("x", "n", 8), tensor_input("w", 8, 4)], [untyped("y")], {"w": random(0, 8, 4)}
    )
    facts = inspect_model(write(make_model(graph, producer_name="me"), tmp_path))
    assert facts.ops == {"Relu": 2, "Frob": 1, "MatMul": 1}
    assert (facts.parameters, facts.parameter_bytes) == (32, 128)
    assert [(port.name, str(port.type)) for port in facts.inputs] == [("x", "float32[n, 8]")]
    assert [(refused.op, refused.nodes) for refused in facts.refused] == [("Frob", ("f",))]
    assert facts.versions == {"ai.onnx": 20}
