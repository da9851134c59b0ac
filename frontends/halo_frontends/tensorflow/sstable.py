"""Reads the sorted tables that index a checkpoint: LevelDB's format, plain or Snappy-compressed blocks.

A table is a run of blocks, the last of which (the index) says where the others lie, and a footer of 48 bytes. Source:
https://github.com/google/leveldb/blob/main/doc/table_format.md and https://github.com/google/snappy/blob/main/format_description.txt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_MAGIC: Final = 0xDB4775248B80FB57
_FOOTER_BYTES: Final = 48
_TRAILER_BYTES: Final = 5
_MOST_BYTES: Final = 64 << 20
"""No index is larger than this, unpacked."""


class BadTableError(Exception):
    """The bytes are not a sorted table."""


def read_table(data: bytes) -> dict[bytes, bytes]:
    """All entries. Raises BadTableError."""
    if len(data) < _FOOTER_BYTES or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise BadTableError("it has no footer")
    footer = _Reader(data[-_FOOTER_BYTES:])
    _handle(footer)  # of the block with properties of the table
    index = _block(data, *_handle(footer))
    found: dict[bytes, bytes] = {}
    stored = unpacked = 0
    for _, handle in _entries(index):
        offset, size = _handle(_Reader(handle))
        stored += size
        if stored > len(data):
            raise BadTableError("its blocks overlap")
        block = _block(data, offset, size)
        unpacked += len(block)
        if unpacked > _MOST_BYTES:
            raise BadTableError("its blocks are larger than any index")
        found.update(_entries(block))
    return found


def _handle(reader: _Reader) -> tuple[int, int]:
    """Where a block lies: its offset and size."""
    return reader.varint(), reader.varint()


class _Reader:
    """Numbers and bytes, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def varint(self) -> int:
        result = shift = 0
        while shift < 70:
            byte = self.take(1)[0]
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7
        raise BadTableError("a number has no end")

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise BadTableError("it is truncated")
        found = self.data[self.position : end]
        self.position = end
        return found


def _block(data: bytes, offset: int, size: int) -> bytes:
    """The contents of a block, checked and unpacked."""
    end = offset + size
    if end + _TRAILER_BYTES > len(data):
        raise BadTableError("a block lies outside of the file")
    stored = int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little")
    if stored != masked_crc32c(data[offset : end + 1]):
        raise BadTableError("a block is damaged")
    match data[end]:
        case 0:
            return data[offset:end]
        case 1:
            return unpack_snappy(data[offset:end])
        case other:
            raise BadTableError(f"a block is compressed in the unknown way {other}")


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; a key repeats the beginning of the one before it."""
    if len(block) < 4:
        raise BadTableError("a block is truncated")
    restarts = int.from_bytes(block[-4:], "little")
    reader = _Reader(block[: max(0, len(block) - 4 - 4 * restarts)])
    key = b""
    while reader.position < len(reader.data):
        shared, fresh, length = reader.varint(), reader.varint(), reader.varint()
        if shared > len(key):
            raise BadTableError("a key repeats more than there is")
        key = key[:shared] + reader.take(fresh)
        yield key, reader.take(length)


def unpack_snappy(packed: bytes) -> bytes:
    """The contents of a Snappy block. Raises BadTableError."""
    reader = _Reader(packed)
    wanted = reader.varint()
    if wanted > _MOST_BYTES:
        raise BadTableError("a block claims to be larger than any index")
    made = bytearray()
    while reader.position < len(packed):
        tag = reader.take(1)[0]
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                length = int.from_bytes(reader.take(length - 59), "little")
            made += reader.take(length + 1)
        else:
            _repeat(made, *_copy(tag, reader))
        if len(made) > wanted:
            break
    if len(made) != wanted:
        raise BadTableError("a block unpacks to another size than it claims")
    return bytes(made)


def _copy(tag: int, reader: _Reader) -> tuple[int, int]:
    """How far back a repetition begins, and how long it is."""
    if tag & 3 == 1:
        return (tag >> 5) << 8 | reader.take(1)[0], (tag >> 2 & 7) + 4
    return int.from_bytes(reader.take(2 if tag & 3 == 2 else 4), "little"), (tag >> 2) + 1


def _repeat(made: bytearray, distance: int, length: int) -> None:
    if not 0 < distance <= len(made):
        raise BadTableError("a block repeats what is not there")
    pattern = bytes(made[-distance:])
    made += (pattern * (1 + length // distance))[:length]


def _crc_table() -> tuple[int, ...]:
    found: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        found.append(crc)
    return tuple(found)


_TABLE: Final = _crc_table()


def masked_crc32c(data: bytes) -> int:
    """The checksum that tables and checkpoints store: CRC-32C, rotated and shifted."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
