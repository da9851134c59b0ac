"""Resource locations: paths, `file:` and `data:` URIs, and memory, for whatever reads or writes a file."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from halo_py.errors import OutOfMemoryError, UnsupportedError, UsageError
from odla.c.binding import c, is_memory

if TYPE_CHECKING:
    from odla.c.decode import Location

PATH, MEMORY, URI = range(3)
"""`odla_resource_location_type`."""


@contextmanager
def readable(location: Location) -> Generator[Path]:
    """A file with what lies at the location. Raises FileNotFoundError, UsageError, UnsupportedError."""
    path = _path(location)
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r}")
        yield path
        return
    contents = _memory(location) if location.kind == MEMORY else _data(location.text())
    with tempfile.TemporaryDirectory(prefix="odla") as folder:
        held = Path(folder) / "resource"
        held.write_bytes(contents)
        yield held


def write(location: Location, save: Callable[[Path], None]) -> None:
    """Have `save` write to the location. Raises UsageError, UnsupportedError, OutputError, OutOfMemoryError."""
    path = _path(location)
    if path is not None:
        save(path)
        return
    if location.kind != MEMORY:
        raise UnsupportedError("only file: URIs can be written")
    contents = saved_bytes(save)
    if len(contents) > location.size:
        raise OutOfMemoryError(f"the memory has {location.size} bytes, {len(contents)} are needed")
    if not is_memory(location.pointer, len(contents)):
        raise UsageError("the location is not in memory")
    c.ffi.memmove(c.ffi.cast("char*", location.pointer), contents, len(contents))


def saved_bytes(save: Callable[[Path], None]) -> bytes:
    """What `save` writes."""
    with tempfile.TemporaryDirectory(prefix="odla") as folder:
        held = Path(folder) / "resource"
        save(held)
        return held.read_bytes()


def _path(location: Location) -> Path | None:
    """The path a location names; None if it is memory or a data URI."""
    if location.kind == PATH:
        return Path(location.text())
    if location.kind == MEMORY:
        return None
    if location.kind != URI:
        raise UsageError(f"the location type {location.kind} is no odla_resource_location_type")
    parts = urlsplit(location.text())
    if parts.scheme == "data":
        return None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise UnsupportedError(f"cannot reach {location.text()!r}", hint="use a file: URI, or data: to load")
    return Path(unquote(parts.path))


def _memory(location: Location) -> bytes:
    if not location.size or not is_memory(location.pointer, location.size):
        raise UsageError(f"the {location.size} bytes of the location are not in memory")
    return bytes(c.ffi.buffer(c.ffi.cast("char*", location.pointer), location.size))


def _data(uri: str) -> bytes:
    head, comma, body = uri.removeprefix("data:").partition(",")
    if not comma:
        raise UsageError("the data: URI has no comma")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(unquote(body), validate=True)
    except binascii.Error as error:
        raise UsageError(f"the data: URI is not base64: {error}") from error
