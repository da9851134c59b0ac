"""Hostile and damaged exported programs give one clear error, quickly, without much memory; nothing runs."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from halo_py.errors import HaloError, ModelError, UnsupportedError
from halo_py.frontend import find_frontend, inspect_model, load_model
from halo_py.ops import load_ops
from tests.frontends.torchscript.bounds import refused_within_bounds

_CPU = {"type": "cpu", "index": None}
_MODEL, _WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"


def _meta(*sizes: int, **changed: Any) -> dict[str, Any]:
    """The description of a row-major float tensor."""
    strides = [1] * len(sizes)
    for axis in reversed(range(len(sizes) - 1)):
        strides[axis] = strides[axis + 1] * sizes[axis + 1]
    made = {
        "dtype": 7,
        "sizes": [{"as_int": size} for size in sizes],
        "requires_grad": False,
        "device": _CPU,
        "strides": [{"as_int": stride} for stride in strides],
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }
    return {**made, **changed}


def _tensor(name: str) -> dict[str, Any]:
    return {"as_tensor": {"name": name}}


def _node(target: str, inputs: list[dict[str, Any]], *outputs: str) -> dict[str, Any]:
    given = [{"name": "", "arg": item, "kind": 1} for item in inputs]
    return {"target": target, "inputs": given, "outputs": [_tensor(name) for name in outputs], "metadata": {}}


def _graph(nodes: list[dict[str, Any]], inputs: list[str], output: str) -> dict[str, Any]:
    values = {name: _meta(2, 3) for name in inputs}
    return {
        "inputs": [_tensor(name) for name in inputs],
        "outputs": [_tensor(output)],
        "nodes": nodes,
        "tensor_values": values,
        "sym_int_values": {},
        "sym_bool_values": {},
    }


def _program(*nodes: dict[str, Any], output: str = "y", **changed: Any) -> dict[str, Any]:
    """A program that adds its weight to its input, or has other nodes."""
    add = _node("torch.ops.aten.add.Tensor", [_tensor("x"), _tensor("p_w")], "y")
    signature = {
        "input_specs": [
            {"parameter": {"arg": {"name": "p_w"}, "parameter_name": "w"}},
            {"user_input": {"arg": _tensor("x")}},
        ],
        "output_specs": [{"user_output": {"arg": _tensor(output)}}],
    }
    module: dict[str, Any] = {
        "graph": _graph(list(nodes) or [add], ["p_w", "x"], output),
        "signature": signature,
        "module_call_graph": [],
    }
    made: dict[str, Any] = {
        "graph_module": module,
        "opset_version": {"aten": 10},
        "schema_version": {"major": 8, "minor": 20},
    }
    return {**made, **changed}


def _weights(**changed: Any) -> dict[str, Any]:
    entry = {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": _meta(2, 3)}
    return {"config": {"w": {**entry, **changed}}}


def _write(path: Path, changed: dict[str, Any], deflated: bool = False) -> Path:
    """A small good archive, some of its records changed or (None) left out."""
    records: dict[str, Any] = {
        _MODEL: _program(),
        _WEIGHTS: _weights(),
        "data/weights/weight_0": bytes(24),
        "archive_format": b"pt2",
        "archive_version": b"0",
        "byteorder": b"little",
        **changed,
    }
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, contents in records.items():
            if contents is not None:
                data = contents if isinstance(contents, bytes) else json.dumps(contents).encode()
                archive.writestr(f"net/{name}", data)
    return path


def _cyclic() -> dict[str, Any]:
    """Two nodes that each wait for the other."""
    return _program(
        _node("torch.ops.aten.add.Tensor", [_tensor("x"), _tensor("z")], "y"),
        _node("torch.ops.aten.relu.default", [_tensor("y")], "z"),
    )


def _nested(depth: int) -> dict[str, Any]:
    """Graphs inside of graphs."""
    plain: Any = {"as_graph": {"name": "g", "graph": _graph([], ["x"], "x")}}
    branch: Any = plain
    node: dict[str, Any] = {}
    for _ in range(depth):
        node = _node("torch.ops.higher_order.cond", [_tensor("x"), branch, plain, {"as_tensors": [{"name": "x"}]}], "y")
        branch = {"as_graph": {"name": "g", "graph": _graph([node], ["x"], "y")}}
    return _program(node)


_HUGE = _meta(1 << 20, 1 << 20)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no_json": ({_MODEL: b"{'a': 1}"}, "is damaged"),
    "not_text": ({_MODEL: b"\xff\xfe"}, "is damaged"),
    "no_object": ({_MODEL: []}, "is not an object"),
    "deep_lists": ({_MODEL: b"[" * 100_000}, "nested too deeply"),
    "deep_graphs": ({_MODEL: _nested(60)}, "nested more than 40 deep"),
    "huge_integer": ({_MODEL: b"[" + b"9" * 100_000 + b"]"}, "is damaged"),
    "no_signature": ({_MODEL: {**_program(), "graph_module": {"graph": {}}}}, "has no field 'signature'"),
    "newer_schema": ({_MODEL: _program(schema_version={"major": 9, "minor": 0})}, "version 9 of the format"),
    "unset_value": ({_MODEL: _program(output="nothing")}, "has no value"),
    "cyclic_nodes": ({_MODEL: _cyclic()}, "has no value"),
    "no_program": ({_MODEL: None}, "holds no exported program"),
    "two_programs": ({"models/other.json": _program()}, "holds 2 programs"),
    "missing_weight": ({"data/weights/weight_0": None}, "weight_0 is missing"),
    "short_weight": ({"data/weights/weight_0": bytes(20)}, "does not fit its storage of 5 elements"),
    "unlisted_weight": ({_WEIGHTS: {"config": {}}}, "is 'w', which the file does not hold"),
    "huge_weight": ({_WEIGHTS: _weights(tensor_meta=_HUGE)}, "does not fit its storage"),
    "repeated_weight": (
        {_WEIGHTS: _weights(tensor_meta={**_HUGE, "strides": [{"as_int": 0}, {"as_int": 0}]})},
        "repeats 6 elements",
    ),
    "negative_size": ({_WEIGHTS: _weights(tensor_meta=_meta(-2, 3))}, "has the sizes"),
    "huge_result": (
        {_MODEL: _program(_node("torch.ops.aten.expand.default", [_tensor("p_w"), {"as_ints": [1 << 40, 2, 3]}], "y"))},
        "",
    ),
    "pickled_weight": ({_WEIGHTS: _weights(use_pickle=True), "data/weights/weight_0": b"\x80\x02."}, "as a pickle"),
    "sparse_weight": ({_WEIGHTS: _weights(tensor_meta=_meta(2, 3, layout=1))}, "is sparse"),
    "unknown_dtype": ({_WEIGHTS: _weights(tensor_meta=_meta(2, 3, dtype=99))}, "element type number 99"),
    "own_class": (
        {_MODEL: _program(_node("torch.ops.aten.relu.default", [{"as_custom_obj": {"name": "o"}}], "y"))},
        "class of its own",
    ),
}


@pytest.mark.parametrize("name", [name for name in BAD if BAD[name][1]])
def test_bad_record_is_refused(name: str, tmp_path: Path) -> None:
    changed, message = BAD[name]
    good = _write(tmp_path / "good.pt2", {})

    refused_within_bounds(_write(tmp_path / "net.pt2", changed), HaloError, message, good)


def test_huge_result_is_not_made_while_importing(tmp_path: Path) -> None:
    graph = load_model(_write(tmp_path / "net.pt2", BAD["huge_result"][0]))

    assert str(graph.outputs[0].type) == f"float32[{1 << 40}, 2, 3]"


def test_bomb_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "net.pt2", {_MODEL: b" " * (100 << 20)}, deflated=True)
    assert path.stat().st_size < 1 << 20

    refused_within_bounds(path, ModelError, "unpack to more than", _write(tmp_path / "good.pt2", {}))


@pytest.mark.parametrize("name", ["/etc/passwd", "net/../../out", "net/a\\b", "C:/x"])
def test_unsafe_name_is_refused(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "net.pt2", {})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")

    refused_within_bounds(path, ModelError, "unsafe name", _write(tmp_path / "good.pt2", {}))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    path = _write(tmp_path / "net.pt2", {})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    refused_within_bounds(path, ModelError, "complete zip archive", _write(tmp_path / "good.pt2", {}))


def test_pickled_constants_are_not_opened_and_nothing_is_written(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    pickle = b"\x80\x02cposix\nsystem\nX\x05\x00\x00\x00touch\x85R."
    constants = {"config": {"o": {"path_name": "custom_obj_0", "is_param": False, "use_pickle": True}}}
    changed = {"data/constants/model_constants_config.json": constants, "data/constants/custom_obj_0": pickle}
    path = _write(tmp_path / "net.pt2", {**changed, "data/sample_inputs/model.pt": pickle})

    load_model(path)

    assert not marker.exists()
    assert os.listdir(tmp_path) == ["net.pt2"]


def test_content_decides_the_format_whatever_the_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "net.zip", {})

    assert find_frontend(path).name == "torch_export"
    assert find_frontend(path.rename(tmp_path / "net.pt")).name == "torch_export"


def test_older_format_is_told_apart(tmp_path: Path) -> None:
    path = _write(tmp_path / "net.pt2", {_MODEL: None, "serialized_exported_program.json": {}})

    with pytest.raises(ModelError, match="older format") as raised:
        load_model(path)

    assert "torch.export.load" in (raised.value.hint or "")


def test_unknown_ops_are_listed_all_at_once(tmp_path: Path) -> None:
    load_ops()
    nodes = [
        _node("torch.ops.aten.first_unknown.default", [_tensor("x")], "a"),
        _node("torch.ops.mine.second_unknown.default", [_tensor("a")], "b"),
        _node("torch.ops.higher_order.flex_attention", [_tensor("b")], "c"),
        _node("torch.ops.aten.first_unknown.default", [_tensor("c")], "y"),
    ]
    path = _write(tmp_path / "net.pt2", {_MODEL: _program(*nodes)})

    with pytest.raises(UnsupportedError) as raised:
        load_model(path)

    assert "3 operators are not supported" in raised.value.message
    assert "aten::first_unknown: 2 nodes (models/model.json:0, models/model.json:3)" in raised.value.message
    assert "mine::second_unknown: 1 node" in raised.value.message
    assert {entry.op for entry in inspect_model(path).refused} == {
        "aten::first_unknown",
        "mine::second_unknown",
        "higher_order::flex_attention",
    }
