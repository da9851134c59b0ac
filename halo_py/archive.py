"""A zip of JSON documents and raw aligned arrays: written atomically and byte-identically, mapped on reading."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from halo_py.errors import ExecutableError, OutputError, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

ALIGNMENT = 64
"""Byte alignment of every raw member, so that a mapped member can be used in place."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER_BYTES = 30
_PADDING_FIELD = 0xD935
"""Extra-field number that Android's zipalign uses for padding too."""


@contextmanager
def atomic_file(path: Path) -> Generator[BinaryIO]:
    """A file that appears under `path` complete or not at all. Raises OutputError if it cannot be written."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        hint = "free some space or choose another folder with -o"
        raise OutputError(f"cannot be written: {error.strerror or error}", Where(str(path)), hint) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` to `path`, completely or not at all. Raises OutputError."""
    with atomic_file(path) as stream:
        stream.write(text.encode())


def digest(contents: bytes | memoryview) -> str:
    """The digest that guards one member."""
    return hashlib.blake2b(contents, digest_size=16).hexdigest()


def to_json(document: Any) -> bytes:
    """Canonical JSON bytes: sorted keys, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def write_archive(path: Path, documents: Mapping[str, bytes], arrays: Mapping[str, Array], manifest: Any) -> None:
    """Write `documents` and raw `arrays` with a manifest that lists the digest of each. Raises OutputError."""
    members: dict[str, memoryview] = {name: memoryview(contents) for name, contents in documents.items()}
    members.update((name, _raw(array)) for name, array in arrays.items())
    digests = {name: digest(contents) for name, contents in members.items()}
    body = to_json({**manifest, "members": digests})
    with atomic_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_info("manifest.json", 0), to_json({"manifest": json.loads(body), "digest": digest(body)}))
        for name, contents in members.items():
            archive.writestr(_info(name, stream.tell()), contents)


def _raw(array: Array) -> memoryview:
    import numpy as np

    return memoryview(cast("Any", np.ascontiguousarray(array).reshape(-1).view(np.uint8)))


def _info(name: str, offset: int) -> zipfile.ZipInfo:
    """A member whose contents will start at a multiple of ALIGNMENT when its header is written at `offset`."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    unpadded = offset + _LOCAL_HEADER_BYTES + len(name.encode()) + 4
    padding = -unpadded % ALIGNMENT
    info.extra = struct.pack("<HH", _PADDING_FIELD, padding) + bytes(padding)
    return info


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that was read: its manifest, and its members mapped into memory."""

    path: Path
    manifest: dict[str, Any]
    _members: dict[str, tuple[int, int]]
    _mapped: NDArray[np.uint8]

    def bytes(self, name: str) -> memoryview:
        """A member's contents, checked against its digest. Raises ExecutableError if it is missing or was changed."""
        place = Where(str(self.path))
        if name not in self._members or name not in self.manifest["members"]:
            raise ExecutableError(f"the member {name} is missing", place, "compile the model again")
        offset, size = self._members[name]
        contents = memoryview(cast("Any", self._mapped[offset : offset + size]))
        if digest(contents) != self.manifest["members"][name]:
            raise ExecutableError(f"the member {name} was changed after it was compiled", place, "compile it again")
        return contents

    def json(self, name: str) -> Any:
        """A JSON member."""
        return json.loads(bytes(self.bytes(name)))

    def array(self, name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> Array:
        """A raw member as a read-only array over the mapped file."""
        import numpy as np

        return np.frombuffer(self.bytes(name), np.uint8).view(dtype).reshape(shape)


def read_archive(path: Path, kind: str, version: int) -> Archive:
    """Open an archive of this kind and format version.

    Raises ExecutableError if it is missing, truncated, no such archive, changed or of an incompatible version.
    """
    import numpy as np

    place = Where(str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            outer = json.loads(archive.read("manifest.json"))
            members = {
                info.filename: (_data_offset(archive, info), info.file_size)
                for info in archive.infolist()
                if info.compress_type == zipfile.ZIP_STORED
            }
        manifest = outer["manifest"]
        stated = outer["digest"]
        mapped = np.memmap(path, np.uint8, "r")
    except FileNotFoundError as error:
        raise ExecutableError("there is no such file", place) from error
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise ExecutableError(f"not a {kind} file, or a damaged one: {error}", place, "compile it again") from error
    if digest(to_json(manifest)) != stated:
        raise ExecutableError("the manifest was changed after it was compiled", place, "compile the model again")
    if manifest.get("kind") != kind or manifest.get("format") != version:
        found = f"{manifest.get('kind')} format {manifest.get('format')}"
        raise ExecutableError(
            f"made by an incompatible version: {found}, this one reads {kind} format {version}",
            place,
            "compile it again",
        )
    return Archive(path, manifest, members, mapped)


def _data_offset(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    stream = archive.fp
    if stream is None:
        raise zipfile.BadZipFile("closed")
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES:
        raise zipfile.BadZipFile("truncated")
    name_bytes, extra_bytes = struct.unpack("<HH", header[26:30])
    return info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
