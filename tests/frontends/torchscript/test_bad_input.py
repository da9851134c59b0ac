"""Hostile and damaged files give one clear error, quickly, without much memory; nothing runs, nothing is written."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from halo_py.errors import HaloError, ModelError, UnsupportedError
from halo_py.frontend import ImportOptions, inspect_model, load_model
from tests.frontends.torchscript.archives import SOURCE, module, records, tensor, text, write_archive
from tests.frontends.torchscript.bounds import refused_within_bounds

_SHAPE = ImportOptions(shapes={"x": (2, 3)})


def _calls_system(marker: str) -> bytes:
    return b"\x80\x02cposix\nsystem\n(" + text(f"touch {marker}") + b"tR."


def _repeated_lists() -> bytes:
    """Lists of lists that name one another: 2^60 elements if anyone unfolds them."""
    rows = b"".join(b"](h" + bytes([n]) + b"h" + bytes([n]) + b"eq" + bytes([n + 1]) for n in range(60))
    return b"\x80\x02]q\x00" + rows + b"."


def _code(body: str) -> bytes:
    head, _, _ = SOURCE.partition("    weight = self.weight")
    return (head + body).encode()


PICKLES: dict[str, tuple[dict[str, bytes | None], str]] = {
    "calls_a_function": ({"data": _calls_system("/nowhere")}, "calls posix.system"),
    "calls_eval": ({"constants": b"\x80\x02cbuiltins\neval\n(" + text("1") + b"tR."}, "calls builtins.eval"),
    "makes_an_object": ({"data": b"\x80\x02csubprocess\nPopen\n)\x81."}, "makes a subprocess.Popen"),
    "python_opcode": ({"data": b"\x80\x02(i\n"}, "opcode"),
    "truncated": ({"data": module(tensor((2, 3), (3, 1), 6))[:60]}, "damaged"),
    "empty_stack": ({"data": b"\x80\x02R."}, "the stack is empty"),
    "unknown_memo": ({"data": b"\x80\x02h\x05."}, "memo 5"),
    "huge_text": ({"data": b"\x80\x02X\xff\xff\xff\xff."}, "ends inside"),
    "no_module": ({"data": _repeated_lists()}, "holds no module"),
    "huge_tensor": ({"data": module(tensor((1 << 20, 1 << 20), (1 << 20, 1), 1 << 40))}, "too small"),
    "huge_view": ({"data": module(tensor((1 << 20, 1 << 20), (1 << 20, 1), 6))}, "does not fit its storage"),
    "repeated_element": ({"data": module(tensor((1 << 20, 1 << 20), (0, 0), 6))}, "repeats 6 elements"),
    "negative_sizes": ({"data": module(tensor((-2, 3), (3, 1), 6))}, "has the sizes"),
    "outside_of_storage": ({"data": module(tensor((2, 3), (3, 1), 6, offset=1))}, "does not fit its storage"),
    "missing_storage": ({"storage": None}, "data/0 is missing"),
    "short_storage": ({"storage": bytes(20)}, "too small"),
    "weights_only": ({"constants": None, "code": None}, "holds weights only"),
    "no_version": ({"version": None}, "does not state its version"),
    "no_code": ({"code": None}, "no method 'forward'"),
    "not_text": ({"code": b"\xff\xfe"}, "is not text"),
    "not_source": ({"code": b"class Net(Module):\n  def forward(self, x) -> :\n"}, "is not TorchScript source"),
    "nested_source": ({"code": _code("    return " + "(" * 20_000 + "\n")}, "TorchScript source"),
    "endless_calls": ({"code": _code("    return (self).forward(x, )\n")}, "deep"),
    "endless_loop": ({"code": _code("    while True:\n      pass\n    return x\n")}, "iterations"),
    "huge_range": ({"code": _code("    for i in range(1099511627776):\n      pass\n    return x\n")}, "range"),
    "unset_variable": ({"code": _code("    return y\n")}, "has no value"),
    "raises": ({"code": _code('    ops.prim.RaiseException("too bad")\n    return x\n')}, "too bad"),
}


def _check(path: Path, kind: type[HaloError], message: str) -> None:
    refused_within_bounds(path, kind, message, write_archive(path.with_name("good.pt"), records()), _SHAPE)


@pytest.mark.parametrize("name", PICKLES)
def test_bad_record_is_refused(name: str, tmp_path: Path) -> None:
    changed, message = PICKLES[name]

    _check(write_archive(tmp_path / "net.pt", records(**changed)), ModelError, message)


def test_nothing_runs_and_nothing_is_written(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = write_archive(tmp_path / "net.pt", records(data=_calls_system(str(marker))))

    with pytest.raises(ModelError):
        load_model(path, _SHAPE)

    assert os.listdir(tmp_path) == ["net.pt"]


@pytest.mark.parametrize("name", ["/etc/passwd", "net/../../out", "net/a\\b", "C:/x"])
def test_unsafe_name_is_refused(name: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / "net.pt", records())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")

    _check(path, ModelError, "unsafe name")


def test_bomb_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "net.pt", records(code=b"#" * (80 << 20)), deflated=True)
    assert path.stat().st_size < 1 << 20

    _check(path, ModelError, "unpack to more than")


def _cut(path: Path, keep: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(keep(path.read_bytes()))
    return path


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    path = write_archive(tmp_path / "net.pt", records())

    _check(_cut(path, lambda data: data[: int(len(data) * share)]), ModelError, "complete zip archive")


def test_directory_that_points_outside_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "net.pt", records())
    head = path.read_bytes().find(b"PK\x01\x02")

    def moved(data: bytes) -> bytes:
        return data[: head + 42] + b"\xff\xff\xff\x7f" + data[head + 46 :]

    _check(_cut(path, moved), ModelError, "outside of the file|complete zip archive")


def test_member_twice_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "net.pt", records())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02N.")

    _check(path, ModelError, "twice")


def test_unknown_ops_are_listed_all_at_once(tmp_path: Path) -> None:
    calls = ("y = torch.first_unknown(x)", "z = torch.second_unknown(torch.first_unknown(y))", "return torch.relu(z)")
    body = "".join(f"    {call}\n" for call in calls)
    path = write_archive(tmp_path / "net.pt", records(code=_code(body)))

    with pytest.raises(UnsupportedError) as raised:
        load_model(path, _SHAPE)

    assert "aten::first_unknown: 2 nodes (code/__torch__.py:7, code/__torch__.py:8)" in raised.value.message
    assert "aten::second_unknown: 1 node (code/__torch__.py:8)" in raised.value.message
    refused = {entry.op: entry.count for entry in inspect_model(path).refused}
    assert refused == {"aten::first_unknown": 2, "aten::second_unknown": 1}
