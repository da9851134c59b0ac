"""Hostile and damaged TensorFlow files give one clear error, quickly, without much memory; nothing is written."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halo_frontends.tensorflow.descriptors import message_class
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import load_model
from tests.frontends.hostile import check_refused, check_survives
from tests.frontends.tensorflow.files import (
    FLOAT,
    INT32,
    constant,
    entry,
    frozen,
    function,
    header,
    index_of,
    node,
    placeholder,
    relu_graph,
    saved_model,
    varint,
)

_HUGE = 1 << 20


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return relu_graph(tmp_path_factory.mktemp("good") / "good.pb")


def _with_constant(tensor: Any) -> list[Any]:
    return [placeholder(), node("c", "Const", dtype=FLOAT, value=tensor), node("y", "AddV2", ["x", "c"], T=FLOAT)]


def _numbers(name: str, *numbers: float, kind: int = INT32) -> list[Any]:
    return [node(name, "Const", dtype=kind, value=constant((len(numbers),), numbers=numbers, kind=kind))]


GRAPHS: dict[str, tuple[Sequence[Any], str]] = {
    "reads_itself": ([placeholder(), node("y", "AddV2", ["x", "y"]), node("z", "Relu", ["y"])], "in a circle"),
    "circle": (
        [placeholder(), node("a", "AddV2", ["x", "b"]), node("b", "Relu", ["a"]), node("y", "Relu", ["b"])],
        "in a circle",
    ),
    "nobody_makes_it": ([placeholder(), node("y", "AddV2", ["x", "z"])], "'z', which nothing makes"),
    "no_such_result": ([placeholder(), node("r", "Relu", ["x"]), node("y", "Relu", ["r:7"])], "7"),
    "malformed_name": ([placeholder(), node("y", "Relu", ["x:0:0:0"])], "no name of a value"),
    "same_name": ([placeholder(), node("y", "Relu", ["x"]), node("y", "Relu", ["x"])], "two nodes have this name"),
    "unknown_operator": ([placeholder(), node("y", "NoSuchThing", ["x"])], "NoSuchThing: 1 node"),
    "missing_operand": ([placeholder(), node("y", "AddV2", ["x"], T=FLOAT)], "operand|operands|inputs"),
    "no_function": ([placeholder(), node("y", "PartitionedCall", ["x"], f="none")], "does not have|none"),
    "wrong_attribute": ([placeholder(), node("y", "Cast", ["x"], SrcT=FLOAT, DstT=True)], "DstT"),
    "huge_constant": (_with_constant(constant((_HUGE, _HUGE), numbers=[1])), "claims 1099511627776 elements"),
    "huge_contents": (_with_constant(constant((_HUGE, _HUGE), contents=bytes(8))), "claims 4398046511104 bytes"),
    "huge_repeated": (_with_constant(constant((1 << 27,), numbers=[1, 2])), "claims 134217728 elements"),
    "negative_size": (_with_constant(constant((-3, 2), numbers=[1])), "no definite shape"),
    "rank_of_a_thousand": (_with_constant(constant([1] * 1000, numbers=[1])), "no definite shape"),
    "too_many_numbers": (_with_constant(constant((2,), numbers=[1, 2, 3])), "holds 3"),
    "no_value": (
        [placeholder(), node("c", "Const", dtype=FLOAT), node("y", "AddV2", ["x", "c"])],
        "'value' is missing",
    ),
    "leaves_no_loop": ([placeholder(), node("y", "Exit", ["x"])], "leaves no loop|no node that could"),
    "joins_nothing": (
        [placeholder(), node("m", "Merge", ["x", "x"]), node("y", "Relu", ["m"])],
        "no condition has divided",
    ),
    "complex_result": ([placeholder(), node("y", "Complex", ["x", "x"])], "output 'y' is complex"),
    "complex_operand": (
        [placeholder(), node("z", "Complex", ["x", "x"]), node("y", "Relu", ["z"])],
        "operand 0 is complex",
    ),
    "transform_of_no_length": ([placeholder(), *_numbers("n", 0), node("y", "IRFFT", ["x", "n"])], "cannot transform"),
    "soft_suppression": (
        [
            placeholder("b", (3, 4)),
            placeholder("s", (3,)),
            *_numbers("m", 2),
            *_numbers("z", 0.5, kind=FLOAT),
            node("y", "NonMaxSuppressionV5", ["b", "s", "m", "z", "z", "z"]),
        ],
        "soft suppression",
    ),
    "no_output": ([placeholder()], "no node that could be its output"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_bad_graph_is_refused(name: str, good: Path, tmp_path: Path) -> None:
    nodes, message = GRAPHS[name]

    check_refused(frozen(tmp_path / "net.pb", nodes), good, message)


def _calls(name: str, *others: str) -> Any:
    """A function that calls others one after another."""
    nodes = [
        node(f"c{number}", "PartitionedCall", ["x" if number == 0 else f"c{number - 1}:output:0"], f=other)
        for number, other in enumerate(others)
    ]
    return function(name, ["x"], nodes, {"y": f"c{len(others) - 1}:output:0"})


def test_functions_that_call_each_other_are_refused(good: Path, tmp_path: Path) -> None:
    main = [placeholder(), node("y", "PartitionedCall", ["x"], f="a")]

    check_refused(frozen(tmp_path / "net.pb", main, [_calls("a", "b"), _calls("b", "a")]), good, "without end")


def test_functions_that_unfold_without_bound_are_refused(good: Path, tmp_path: Path) -> None:
    last = function("f40", ["x"], [node("r", "Relu", ["x"], T=FLOAT)], {"y": "r:activations:0"})
    functions = [*(_calls(f"f{number}", *[f"f{number + 1}"] * 2) for number in range(40)), last]
    main = [placeholder(), node("y", "PartitionedCall", ["x"], f="f0")]

    check_refused(frozen(tmp_path / "net.pb", main, functions), good, "unfold into more than")


def test_deeply_nested_messages_are_refused(good: Path, tmp_path: Path) -> None:
    data = b""
    for _ in range(20_000):  # attr of a function of attr of a function ...
        pair = b"\x0a\x01f\x12" + varint(len(data) + 1 + len(varint(len(data)))) + b"\x52" + varint(len(data)) + data
        data = b"\x12" + varint(len(pair)) + pair
        if len(data) > 100_000:
            break
    attribute = b"\x0a\x01f\x12" + varint(len(data) + 1 + len(varint(len(data)))) + b"\x52" + varint(len(data)) + data
    body = b"\x0a\x01y\x12\x04Relu\x2a" + varint(len(attribute)) + attribute
    path = tmp_path / "net.pb"
    path.write_bytes(b"\x0a" + varint(len(body)) + body)

    check_refused(path, good, "truncated or damaged")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_truncated_graph_is_refused(share: float, good: Path, tmp_path: Path) -> None:
    data = frozen(tmp_path / "whole.pb", _with_constant(constant((2, 3), contents=bytes(24)))).read_bytes()
    path = tmp_path / "net.pb"
    path.write_bytes(data[: int(len(data) * share)])

    check_refused(path, good, "truncated or damaged|reads|not a model of a known format")


def test_wrong_bytes_give_no_other_error(tmp_path: Path) -> None:
    nodes = [*_with_constant(constant((2, 3), contents=bytes(24))), node("z", "PartitionedCall", ["y"], f="a")]
    inner = function("a", ["x"], [node("r", "Relu", ["x"], T=FLOAT)], {"y": "r:activations:0"})
    data, rng = frozen(tmp_path / "whole.pb", nodes, [inner]).read_bytes(), random.Random(4)  # noqa: S311
    path = tmp_path / "net.pb"
    for _ in range(100):
        wrong = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            wrong[rng.randrange(len(wrong))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        path.write_bytes(bytes(wrong))

        check_survives(path)


def test_huge_result_of_few_bytes_takes_no_memory(tmp_path: Path) -> None:
    """A graph may name a result of 2^40 elements; reading it must not make one."""
    sizes = constant((2,), numbers=[_HUGE, _HUGE], kind=INT32)
    nodes = [placeholder("x", ()), node("s", "Const", dtype=INT32, value=sizes), node("y", "Fill", ["s", "x"], T=FLOAT)]

    check_survives(frozen(tmp_path / "net.pb", nodes))


@pytest.mark.parametrize("op", ["Tile", "BroadcastTo"])
def test_few_indices_repeated_often_take_no_memory(op: str, tmp_path: Path) -> None:
    """What may be a shape is followed entry by entry, but not through 2^31 entries."""
    most = constant((1,), numbers=[(1 << 31) - 1], kind=INT32)
    nodes = [*_numbers("n", 7), node("m", "Const", dtype=INT32, value=most), node("y", op, ["n", "m"], T=INT32)]

    check_survives(frozen(tmp_path / "net.pb", [placeholder(), *nodes]))


def test_as_many_boxes_as_there_are_numbers_take_no_memory(tmp_path: Path) -> None:
    most = (1 << 31) - 1
    operands = ["b", "s", "m", "m", "z", "z"]
    nodes = [
        placeholder("b", (1, 2, 1, 4)),
        placeholder("s", (1, 2, 3)),
        node("m", "Const", dtype=INT32, value=constant((), numbers=[most], kind=INT32)),
        node("z", "Const", dtype=FLOAT, value=constant((), numbers=[0.5])),
        node("y", "CombinedNonMaxSuppression", operands),
    ]

    check_survives(frozen(tmp_path / "combined.pb", nodes))
    few = [placeholder("b", (2, 4)), placeholder("s", (2,)), *nodes[2:4]]
    padded = node("y", "NonMaxSuppressionV4", ["b", "s", "m", "z", "z"], pad_to_max_output_size=True)
    check_survives(frozen(tmp_path / "padded.pb", [*few, padded]))


def test_endless_counted_loop_takes_no_time(tmp_path: Path) -> None:
    """A loop of 2^31 rounds is read or refused without counting them all."""
    most = node("most", "Const", dtype=INT32, value=constant((), numbers=[(1 << 31) - 1], kind=INT32))
    one = node("one", "Const", dtype=INT32, value=constant((), numbers=[1], kind=INT32))
    condition = function(
        "cond", ["n"], [most, node("less", "Less", ["n", "most:output:0"], T=INT32)], {"y": "less:z:0"}
    )
    body = function("body", ["n"], [one, node("more", "AddV2", ["n", "one:output:0"], T=INT32)], {"y": "more:z:0"})
    zero = node("zero", "Const", dtype=INT32, value=constant((), numbers=[0], kind=INT32))
    nodes = [zero, node("y", "StatelessWhile", ["zero"], cond="cond", body="body")]

    check_survives(frozen(tmp_path / "net.pb", nodes, [condition, body]))


# -- SavedModels and their checkpoints ----------------------------------------------------------------------------


def _bomb() -> bytes:
    """A Snappy block of few bytes that repeats one byte and claims more than it gives."""
    return varint(60_000_000) + b"\x00a" + b"\xfe\x01\x00" * 10_000


INDICES: dict[str, tuple[Callable[[], bytes | None], bytes | None, str]] = {
    "no_index": (lambda: None, b"", "no variables beside it|does not hold the contents"),
    "empty_index": (lambda: b"", b"", "not an index of variables"),
    "truncated": (lambda: index_of({b"": header(), b"v": entry()})[:-20], b"", "not an index of variables"),
    "damaged": (lambda: b"\0\0\0\7" + index_of({b"": header(), b"v": entry()})[4:], b"", "a block is damaged"),
    "bomb": (lambda: index_of({}, packed=_bomb()), b"", "not an index of variables"),
    "claims_more": (lambda: index_of({}, packed=varint(1 << 40) + b"\0a"), b"", "larger than any index"),
    "not_there": (lambda: index_of({b"": header(), b"w": entry()}), bytes(24), "holds no variable 'v'"),
    "no_shard": (lambda: index_of({b"": header(), b"v": entry()}), None, "cannot be read"),
    "short_shard": (lambda: index_of({b"": header(), b"v": entry()}), bytes(20), "needs 24 bytes"),
    "far_away": (lambda: index_of({b"": header(), b"v": entry(offset=1 << 50)}), bytes(24), "needs 24 bytes"),
    "before": (lambda: index_of({b"": header(), b"v": entry(offset=-8)}), bytes(24), "needs 24 bytes"),
    "other_shard": (lambda: index_of({b"": header(), b"v": entry(shard=7)}), bytes(24), "names shard 7 of 1"),
    "many_shards": (lambda: index_of({b"": header(1 << 30), b"v": entry()}), bytes(24), "cannot be read"),
    "huge_variable": (
        lambda: index_of({b"": header(), b"v": entry(dims=(_HUGE, _HUGE))}),
        bytes(24),
        "needs 4398046511104 bytes",
    ),
    "negative_shape": (lambda: index_of({b"": header(), b"v": entry(dims=(-2, 3))}), bytes(24), "impossible shape"),
    "bad_entry": (lambda: index_of({b"": header(), b"v": b"\xff\xff"}), bytes(24), "is damaged"),
    "path_as_name": (lambda: index_of({b"": header(), b"/etc/passwd": entry()}), bytes(24), "holds no variable 'v'"),
}


@pytest.mark.parametrize("name", INDICES)
def test_bad_checkpoint_is_refused(name: str, good: Path, tmp_path: Path) -> None:
    index, shard, message = INDICES[name]

    check_refused(saved_model(tmp_path / "net", index(), shard), good, message)


def test_good_checkpoint_is_read(tmp_path: Path) -> None:
    """What the bad ones are made of is right."""
    contents = np.arange(6, dtype="<f4")
    folder = saved_model(tmp_path / "net", index_of({b"": header(), b"v": entry()}), contents.tobytes())

    (found,) = evaluate_graph(load_model(folder), [np.ones((2, 3), np.float32)])

    assert np.array_equal(np.asarray(found), contents.reshape(2, 3) + 1)


def test_names_of_shards_come_from_numbers_alone(good: Path, tmp_path: Path) -> None:
    """A shard outside of the folder cannot be named: what the index holds is a number."""
    (tmp_path / "secret").write_bytes(bytes(24))
    index = index_of({b"": header(), b"../../secret": entry(), b"v": entry(shard=-1)})

    check_refused(saved_model(tmp_path / "net", index, bytes(24)), good, "names shard -1 of 1")


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_saved_model_is_refused(share: float, good: Path, tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "net", index_of({b"": header(), b"v": entry()}), bytes(24))
    path = folder / "saved_model.pb"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    check_refused(folder, good, "truncated or damaged|holds no graph")


def test_saved_model_without_graph_is_refused(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(
        message_class("SavedModel")(saved_model_schema_version=1).SerializeToString()
    )

    check_refused(folder, good, "holds no graph")
