"""Executables kept in files, so that a program that is started again does not compile again.

A file is the length of a header (4 bytes, little-endian), the header in JSON, and the executable as its device saves
it. The header says what it was compiled from, by which version of HALO; a file that does not fit is replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from halo_py.archive import to_json
from halo_py.errors import HaloError
from halo_py.ir.encode import content_digest, encode_graph
from odla.c.device_facts import library_version
from odla.c.log import Level, log
from odla.execution import load

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph
    from odla.handles import Executable

CACHE_VARIABLE = "ENGINE_CACHE_PATH"
"""The environment variable that names a folder for the executables of all computations."""

_SUFFIX = ".popart"
_LONGEST_HEADER = 1 << 24


@dataclass(frozen=True, slots=True)
class ExecutableCache:
    """A folder of executables by what they were compiled from, or one file that holds the last one."""

    path: Path
    one_file: bool = False

    def find(self, key: str) -> Executable | None:
        """The executable of this key, if it is kept. Files that cannot be read are as good as none."""
        file = self._file(key)
        try:
            with file.open("rb") as stream:
                header = _header(stream.read(4), stream.read)
                if header.get("key") != key or header.get("sdk_version") != library_version():
                    log(Level.INFO, f"{file} was compiled from something else, or by another version")
                    return None
                payload = stream.read()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log(Level.WARN, f"{file} is no kept executable: {error}")
            return None
        return _loaded(payload, file)

    def keep(self, key: str, executable: Executable, config: str) -> None:
        """Keep an executable, with the config it was made by. A file that cannot be written is said in the log."""
        file = self._file(key)
        header = {"key": key, "sdk_version": library_version(), "config": config}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".odla", dir=file.parent) as folder:
                saved, whole = Path(folder) / "saved", Path(folder) / "whole"
                executable.save(saved)
                encoded = json.dumps(header).encode()
                whole.write_bytes(len(encoded).to_bytes(4, "little") + encoded + saved.read_bytes())
                os.replace(whole, file)
        except (OSError, HaloError) as error:
            log(Level.WARN, f"the executable cannot be kept in {file}: {error}")

    def _file(self, key: str) -> Path:
        return self.path if self.one_file else self.path / f"{key}{_SUFFIX}"


def config_of(path: Path) -> str | None:
    """The config that a file was made by, or else that of the file beside it that ends in .json; None without."""
    try:
        with path.open("rb") as stream:
            found = _header(stream.read(4), stream.read).get("config")
        if isinstance(found, str) and found:
            return found
    except (OSError, ValueError):
        pass
    beside = path.with_suffix(".json")
    return beside.read_text(encoding="utf-8") if beside.is_file() else None


def key_of(graph: Graph, device: str, options: tuple[tuple[str, Any], ...]) -> str:
    """What tells executables apart: the graph with its constants, the device, the options."""
    encoded = encode_graph(graph)
    digest = hashlib.sha256(to_json(encoded.document))
    for array in encoded.contents:
        digest.update(content_digest(array).encode())
    digest.update(repr((device, options)).encode())
    return digest.hexdigest()


def _header(length: bytes, read: Callable[[int], bytes]) -> dict[str, Any]:
    size = int.from_bytes(length, "little")
    if len(length) < 4 or not 0 < size <= _LONGEST_HEADER:
        raise ValueError("it has no header")
    found: Any = json.loads(read(size))
    if not isinstance(found, dict):
        raise ValueError("its header is no object")
    return cast("dict[str, Any]", found)


def _loaded(payload: bytes, file: Path) -> Executable | None:
    with tempfile.TemporaryDirectory(prefix="odla") as folder:
        held = Path(folder) / "executable"
        held.write_bytes(payload)
        try:
            found = load(held)
        except HaloError as error:
            log(Level.WARN, f"{file} cannot be loaded: {error}")
            return None
    log(Level.INFO, f"the executable is taken from {file}")
    return found
