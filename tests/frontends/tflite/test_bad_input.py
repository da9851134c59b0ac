"""Hostile and damaged TFLite files give one clear error, quickly, without much memory; nothing is written."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from halo_py.frontend import ImportOptions, load_model
from tests.frontends.hostile import check_refused, check_survives
from tests.frontends.tflite.flatbuffer import (
    ADD,
    FILL,
    IF,
    INT32,
    RELU,
    WHILE,
    Ints,
    Number,
    Table,
    flatbuffer,
    model,
    operator,
    relu_model,
    subgraph,
    tensor,
)

_X, _Y = tensor("x", (2, 3)), tensor("y", (2, 3))
_PASS = subgraph([_X, _Y], [0], [1], [operator(0, [0], [1])])


def _one(entry: Table, tensors: list[Table], codes: list[int], buffers: list[bytes] | None = None) -> Table:
    return model([subgraph(tensors, [0], [len(tensors) - 1], [entry])], codes, buffers or [])


def _looping(condition: int, body: int) -> Table:
    """A loop whose graphs are those of these numbers."""
    loop = operator(1, [0], [1], {0: Number("i", condition), 1: Number("i", body)})
    return model([subgraph([_X, _Y], [0], [1], [loop]), _PASS, subgraph([_X, _Y], [0], [1], [loop])], [RELU, WHILE])


_HUGE = 1 << 20
MODELS: dict[str, tuple[Table, str]] = {
    "no_graph": (model([], []), "holds no graph"),
    "unknown_code": (_one(operator(9, [0], [1]), [_X, _Y], [RELU]), "operator code 9 of 1"),
    "unknown_operator": (_one(operator(0, [0], [1]), [_X, _Y], [5000]), "operator 5000: 1 node"),
    "tensor_outside": (_one(operator(0, [7], [1]), [_X, _Y], [RELU]), "names a tensor outside of the 2"),
    "negative_result": (_one(operator(0, [0], [-1]), [_X, _Y], [RELU]), "names a tensor outside of the 2"),
    "nobody_makes_it": (_one(operator(0, [1], [2]), [_X, _X, _Y], [RELU]), "which nothing makes"),
    "missing_operand": (_one(operator(0, [0], [1]), [_X, _Y], [ADD]), "operand 1 is missing"),
    "reads_itself": (_one(operator(0, [1], [1]), [_X, _Y], [RELU]), "which nothing makes"),
    "buffer_outside": (
        _one(operator(0, [0, 1], [2]), [_X, tensor("c", (2, 3), buffer=99), _Y], [ADD]),
        "which nothing makes",
    ),
    "short_constant": (
        _one(operator(0, [0, 1], [2]), [_X, tensor("c", (2, 3), buffer=1), _Y], [ADD], [bytes(20)]),
        "claims 24 bytes, its buffer holds 20",
    ),
    "huge_constant": (
        _one(operator(0, [0, 1], [2]), [_X, tensor("c", (_HUGE, _HUGE), buffer=1), _Y], [ADD], [bytes(24)]),
        "claims 4398046511104 bytes",
    ),
    "negative_constant": (
        _one(operator(0, [0, 1], [2]), [_X, tensor("c", (-2, 3), buffer=1), _Y], [ADD], [bytes(24)]),
        "impossible shape",
    ),
    "unknown_type": (_one(operator(0, [0], [1]), [_X, tensor("y", (2, 3), 99)], [RELU]), "unknown element type 99"),
    "text": (_one(operator(0, [0], [1]), [tensor("x", (2,), 5), tensor("y", (2,), 5)], [RELU]), "works on strings"),
    "endless_subgraphs": (_looping(1, 2), "without end"),
    "runs_itself": (_looping(0, 1), "without end"),
    "subgraph_outside": (_looping(1, 77), "subgraph 77 of 3"),
    "huge_state": (
        _one(
            operator(0, [0, 1], [2]),
            [_X, {**tensor("s", (_HUGE, _HUGE)), 5: Number("?", True)}, _Y],
            [ADD],
        ),
        "the state 's' has the shape",
    ),
    "bad_scales": (
        _one(operator(0, [0], [1]), [{**tensor("x", (2, 3), 9), 4: {2: b"\xff" * 4, 3: b"\0" * 8}}, _Y], [RELU]),
        "malformed quantisation|complete TFLite model",
    ),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.tflite"
    path.write_bytes(flatbuffer(relu_model()))
    return path


@pytest.mark.parametrize("name", MODELS)
def test_bad_model_is_refused(name: str, good: Path, tmp_path: Path) -> None:
    table, message = MODELS[name]
    path = tmp_path / "net.tflite"
    path.write_bytes(flatbuffer(table))

    check_refused(path, good, message)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9, 0.99])
def test_truncated_file_is_refused(share: float, good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    path = tmp_path / "net.tflite"
    path.write_bytes(data[: max(8, int(len(data) * share))])

    check_refused(path, good, "complete TFLite model|is not a TFLite model|holds no graph")


def _at_root(data: bytes, slot: int) -> int:
    """Where the field of the root table in this slot lies."""
    (root,) = struct.unpack_from("<I", data, 0)
    (back,) = struct.unpack_from("<i", data, root)
    (distance,) = struct.unpack_from("<H", data, root - back + 4 + 2 * slot)
    return root + distance


def test_vtable_outside_of_the_file_is_refused(good: Path, tmp_path: Path) -> None:
    for back in (1 << 30, -(1 << 30), 0):
        data = bytearray(good.read_bytes())
        (root,) = struct.unpack_from("<I", data, 0)
        struct.pack_into("<i", data, root, back)
        path = tmp_path / "net.tflite"
        path.write_bytes(bytes(data))

        check_refused(path, good, "complete TFLite model|holds no graph")


def test_vector_longer_than_the_file_is_refused(good: Path, tmp_path: Path) -> None:
    for slot in (1, 2, 4):
        data = bytearray(good.read_bytes())
        place = _at_root(bytes(data), slot)
        (distance,) = struct.unpack_from("<I", data, place)
        struct.pack_into("<I", data, place + distance, 0xFFFFFFFF)
        path = tmp_path / "net.tflite"
        path.write_bytes(bytes(data))

        check_refused(path, good, "complete TFLite model")


def test_tables_that_repeat_are_refused(good: Path, tmp_path: Path) -> None:
    """Every entry of a vector may name the same table, so that few bytes would mean any number of graphs."""
    data = bytearray(flatbuffer(relu_model()))
    (graph_place,) = struct.unpack_from("<I", data, _at_root(bytes(data), 2))
    vector = _at_root(bytes(data), 2) + graph_place
    (first,) = struct.unpack_from("<I", data, vector + 4)
    shared = vector + 4 + first
    count = 50_000
    begin = len(data)
    data += struct.pack("<I", count)
    graph = len(data) + 4 * count  # a copy of the rest, so that offsets stay ahead
    moved = bytes(data[:begin])
    entries = b"".join(struct.pack("<I", graph + shared - (begin + 4 + 4 * n)) for n in range(count))
    data += entries + moved
    struct.pack_into("<I", data, _at_root(bytes(data[:begin]), 2), begin - _at_root(bytes(data[:begin]), 2))
    path = tmp_path / "net.tflite"
    path.write_bytes(bytes(data))

    check_refused(path, good, "repeat")


def test_wrong_bytes_give_no_other_error(good: Path, tmp_path: Path) -> None:
    data, rng = good.read_bytes(), random.Random(4)  # noqa: S311
    path = tmp_path / "net.tflite"
    for _ in range(100):
        wrong = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            wrong[rng.randrange(8, len(wrong))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        path.write_bytes(bytes(wrong))

        check_survives(path)


def test_huge_result_of_few_bytes_takes_no_memory(tmp_path: Path) -> None:
    """A graph may name a result of 2^40 elements; reading it must not make one."""
    shape = struct.pack("<2i", _HUGE, _HUGE)
    tensors = [tensor("n", (), FLOAT := 0), tensor("s", (2,), INT32, 1), tensor("y", (_HUGE, _HUGE), FLOAT)]
    path = tmp_path / "net.tflite"
    path.write_bytes(flatbuffer(model([subgraph(tensors, [0], [2], [operator(0, [1, 0], [2])])], [FILL], [shape])))

    check_survives(path)


def test_branches_with_different_results_are_refused(good: Path, tmp_path: Path) -> None:
    branch = subgraph([_X, _Y], [0], [1], [operator(0, [0], [1])])
    none = subgraph([_X], [0], [], [])
    choice = operator(1, [0, 1], [2], {0: Number("i", 1), 1: Number("i", 2)})
    flag = tensor("flag", (), 6)
    path = tmp_path / "net.tflite"
    main = subgraph([flag, _X, _Y], [0, 1], [2], [choice])
    path.write_bytes(flatbuffer(model([main, branch, none], [RELU, IF])))

    check_refused(path, good, "branches|results")


def test_unknown_cut_is_refused(good: Path) -> None:
    with pytest.raises(Exception, match=r"no tensor 'yy'.*\n.*did you mean y"):
        load_model(good, ImportOptions(outputs=("yy",)))


def test_open_dimensions_are_asked_for(tmp_path: Path) -> None:
    open_sizes = {**tensor("x", (1, 3)), 7: Ints((-1, 3))}
    path = tmp_path / "net.tflite"
    path.write_bytes(flatbuffer(_one(operator(0, [0], [1]), [open_sizes, tensor("y", (1, 3))], [RELU])))

    graph = load_model(path, ImportOptions(batch_size=5))

    assert [str(value.type) for value in graph.outputs] == ["float32[5, 3]"]
