"""A fetched file is the recorded one or there is none."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.models.archives import ArchiveError, read_member
from tests.models.cache import whole_file
from tests.models.fetch import FetchError, PackagedFile


def _tarball(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("package/model.onnx")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"model"))
        link = tarfile.TarInfo("package/link.onnx")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    return path


def test_reads_one_member_of_a_tarball(tmp_path: Path) -> None:
    assert read_member(_tarball(tmp_path / "a.tgz"), "package/model.onnx") == b"model"


def test_reads_one_member_of_a_wheel(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("p/model.onnx", b"model")

    assert read_member(tmp_path / "a.whl", "p/model.onnx") == b"model"
    with pytest.raises(ArchiveError, match="holds no p/other"):
        read_member(tmp_path / "a.whl", "p/other.onnx")


@pytest.mark.parametrize("member", ["package/link.onnx", "package/absent.onnx"])
def test_refuses_links_and_absent_members(tmp_path: Path, member: str) -> None:
    with pytest.raises(ArchiveError):
        read_member(_tarball(tmp_path / "a.tgz"), member)


def test_a_changed_file_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALO_MODEL_CACHE", str(tmp_path))
    folder = tmp_path / "archives" / "some-package-1.0"
    folder.mkdir(parents=True)
    _tarball(folder / "some-package-1.0.tgz")
    file = PackagedFile("npm", "some-package", "1.0", "package/model.onnx", "0" * 64)

    with pytest.raises(FetchError, match="SHA-256"):
        file.fetch()

    assert not list(tmp_path.rglob("model.onnx*"))


def _write_half(target: Path) -> None:
    with whole_file(target) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _write_half(tmp_path / "model.onnx")

    assert not list(tmp_path.iterdir())
