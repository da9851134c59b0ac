"""The zip that a TorchScript file is: records looked up by name, tensors mapped from the file, everything bounded.

Nothing is ever unpacked to disk. Stored records are views of the mapped file; deflated ones (source, by default) are
decompressed up to a limit that the directory must state honestly.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from halo_py.errors import ModelError, Where

_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR64_BYTES, _LOCAL_HEADER_BYTES = 22, 20, 30
_LONGEST_COMMENT = 65535
_MOST_DIRECTORY_BYTES = 32 << 20
_MOST_UNPACKED_BYTES = 64 << 20
"""Bytes that all deflated records of one file may unpack to; weights are stored, only source is deflated."""


@dataclass(frozen=True, slots=True)
class _Member:
    offset: int
    packed: int
    size: int
    deflated: bool


class Archive:
    """Records of one file, by their names inside the archive's only top folder.

    Raises ModelError for a file that is no zip, is truncated or damaged, or states names or sizes no model has.
    """

    def __init__(self, path: Path, most_unpacked_bytes: int = _MOST_UNPACKED_BYTES) -> None:
        self.place = Where(str(path))
        self._most_unpacked_bytes = most_unpacked_bytes
        try:
            with path.open("rb") as stream:
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot be read: {error}", self.place) from error
        self._check_directory_size()
        self._unpacked = 0
        self._members = self._read_members(path)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> Iterable[str]:
        """Names of all records."""
        return self._members.keys()

    def size(self, name: str) -> int:
        """Bytes of a record. Raises ModelError if there is none of this name."""
        return self._member(name).size

    def record(self, name: str) -> memoryview:
        """The contents of a record: a view of the file, or decompressed. Raises ModelError."""
        member = self._member(name)
        packed = memoryview(self._map)[member.offset : member.offset + member.packed]
        return memoryview(self._inflate(name, member, packed)) if member.deflated else packed

    def text(self, name: str) -> str:
        """A record as text. Raises ModelError if it is none."""
        try:
            return bytes(self.record(name)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"the record {name} is not text: {error}", self.place) from error

    # -- reading --------------------------------------------------------------------------------------------------

    def _member(self, name: str) -> _Member:
        found = self._members.get(name)
        if found is None:
            raise ModelError(f"the record {name} is missing", self.place)
        return found

    def _inflate(self, name: str, member: _Member, packed: memoryview) -> bytes:
        self._unpacked += member.size
        if self._unpacked > self._most_unpacked_bytes:
            raise ModelError(
                f"its compressed records unpack to more than {self._most_unpacked_bytes >> 20} MiB ({name} is one)",
                self.place,
            )
        machine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            contents = machine.decompress(packed, member.size + 1)
        except zlib.error as error:
            raise ModelError(f"the record {name} is damaged: {error}", self.place) from error
        if len(contents) != member.size:
            raise ModelError(f"the record {name} does not unpack to the {member.size} bytes it states", self.place)
        return contents

    def _check_directory_size(self) -> None:
        """Raises ModelError before a directory is read that is larger than any model's."""
        size = len(self._map)
        end = self._map.rfind(_END, max(0, size - _END_BYTES - _LONGEST_COMMENT))
        if end < 0 or end + _END_BYTES > size:
            raise ModelError("is not a complete zip archive: its end is missing", self.place)
        (directory,) = struct.unpack_from("<L", self._map, end + 12)
        locator = end - _LOCATOR64_BYTES
        if locator >= 0 and self._map[locator : locator + 4] == _LOCATOR64:
            (record,) = struct.unpack_from("<Q", self._map, locator + 8)
            if record + 56 > size or self._map[record : record + 4] != _END64:
                raise ModelError("its zip directory is damaged", self.place)
            (directory,) = struct.unpack_from("<Q", self._map, record + 40)
        if directory > _MOST_DIRECTORY_BYTES:
            raise ModelError(f"its zip directory of {directory} bytes is larger than any model's", self.place)

    def _read_members(self, path: Path) -> dict[str, _Member]:
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise ModelError(f"is not a complete zip archive: {error}", self.place) from error
        files = [entry for entry in entries if not entry.filename.endswith("/")]
        top = self._top_folder([entry.filename for entry in files])
        members: dict[str, _Member] = {}
        for entry in files:
            name = entry.filename[len(top) :]
            if name in members:
                raise ModelError(f"its zip holds {entry.filename!r} twice", self.place)
            members[name] = self._located(entry)
        return members

    def _top_folder(self, names: list[str]) -> str:
        """The one folder that everything lies in, with its slash. Raises ModelError for names that leave it."""
        for name in names:
            if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/") or name[1:2] == ":":
                raise ModelError(f"its zip holds the unsafe name {name!r}", self.place)
        top = names[0].partition("/")[0] + "/" if names else "/"
        if not all(name.startswith(top) for name in names):
            raise ModelError("its zip does not hold one folder, as a TorchScript file does", self.place)
        return top

    def _located(self, entry: zipfile.ZipInfo) -> _Member:
        """Where a member's bytes lie. Raises ModelError if they do not lie inside the file."""
        name, start = entry.filename, entry.header_offset
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
            raise ModelError(f"the record {name} is compressed or encrypted in a way that is not supported", self.place)
        if start < 0 or start + _LOCAL_HEADER_BYTES > len(self._map):
            raise ModelError(f"the record {name} lies outside of the file", self.place)
        name_bytes, extra_bytes = struct.unpack_from("<HH", self._map, start + 26)
        offset = start + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        deflated = entry.compress_type == zipfile.ZIP_DEFLATED
        if offset + entry.compress_size > len(self._map) or (not deflated and entry.compress_size != entry.file_size):
            raise ModelError(f"the record {name} is truncated", self.place)
        return _Member(offset, entry.compress_size, entry.file_size, deflated)
