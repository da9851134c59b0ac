"""One file out of a wheel or a tarball; nothing else of the archive touches the disk."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

_LARGEST_MEMBER_BYTES = 1 << 30


class ArchiveError(Exception):
    """The archive does not hold the file, or what it holds under that name is no plain file of sane size."""


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of `member`, looked up by its exact name, so that no name in the archive becomes a path."""
    if zipfile.is_zipfile(archive):
        return _read_zip(archive, member)
    return _read_tar(archive, member)


def _read_zip(archive: Path, member: str) -> bytes:
    with zipfile.ZipFile(archive) as handle:
        try:
            info = handle.getinfo(member)
        except KeyError:
            raise ArchiveError(f"{archive.name} holds no {member}") from None
        _check_size(archive, member, info.file_size)
        return handle.read(info)


def _read_tar(archive: Path, member: str) -> bytes:
    with tarfile.open(archive) as handle:
        try:
            info = handle.getmember(member)
        except KeyError:
            raise ArchiveError(f"{archive.name} holds no {member}") from None
        _check_size(archive, member, info.size)
        stream = handle.extractfile(info) if info.isreg() else None
        if stream is None:
            raise ArchiveError(f"{member} in {archive.name} is not a plain file")
        return stream.read()


def _check_size(archive: Path, member: str, size: int) -> None:
    if size > _LARGEST_MEMBER_BYTES:
        raise ArchiveError(f"{member} in {archive.name} claims {size} bytes")
