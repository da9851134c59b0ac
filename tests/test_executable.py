"""An executable file is the same for the same input, loads back to the same program, and notices every change."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import halo_py
import odla
from halo_py.archive import digest, read_archive, to_json
from halo_py.errors import ExecutableError
from halo_py.executable import FORMAT, KIND, Executable

DIGITS = "examples/digits.onnx"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    executable = halo_py.compile(DIGITS, target="ipu-pod16", batch_size=16, precision="mixed")
    return executable.save(tmp_path_factory.mktemp("saved") / "digits.halo")


def test_the_same_input_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = halo_py.compile(DIGITS, target="ipu-pod16", batch_size=16, precision="mixed")
    assert again.save(tmp_path / "again.halo").read_bytes() == saved.read_bytes()


def test_a_loaded_executable_gives_the_same_values_and_times(saved: Path) -> None:
    compiled = halo_py.compile(DIGITS, target="ipu-pod16", batch_size=16, precision="mixed")
    image = np.random.default_rng(0).normal(size=(16, 1, 8, 8)).astype(np.float32)
    first = odla.execute(compiled, [image])
    second = odla.execute(saved, [image])
    assert list(first) == list(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_array_equal(first.profile.time.latency_seconds, second.profile.time.latency_seconds)
    assert first.profile.memory[0].bytes_by_tile == second.profile.memory[0].bytes_by_tile


def test_any_changed_member_is_noticed(saved: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        members = {info.filename: (info.header_offset, info.file_size) for info in archive.infolist()}
    contents = saved.read_bytes()
    for name, (_offset, size) in members.items():
        if not size or name.startswith("debug/"):
            continue
        with zipfile.ZipFile(saved) as archive:
            member = archive.read(name)
        at = contents.index(member) + size // 2
        changed = bytearray(contents)
        changed[at] ^= 1
        path = tmp_path / "changed.halo"
        path.write_bytes(changed)
        with pytest.raises(ExecutableError):
            Executable.load(path)


def test_another_format_version_is_refused(saved: Path, tmp_path: Path) -> None:
    manifest = {**read_archive(saved, KIND, FORMAT).manifest, "format": FORMAT + 1}
    path = tmp_path / "newer.halo"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"manifest": manifest, "digest": digest(to_json(manifest))}))
    with pytest.raises(ExecutableError, match="incompatible version"):
        Executable.load(path)


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_truncated_file_is_refused(saved: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.halo"
    path.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(ExecutableError):
        Executable.load(path)
