"""Where fetched and made models are kept, and how a file gets there whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def cache_root() -> Path:
    """The cache folder: `HALO_MODEL_CACHE`, else `halo-py` in the user's cache directory."""
    chosen = os.environ.get("HALO_MODEL_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "halo-py"


@contextmanager
def locked(name: str) -> Generator[None, None, None]:
    """Only one process at a time makes what `name` stands for; test workers share the cache."""
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def whole_file(target: Path) -> Generator[Path, None, None]:
    """A path to write to, moved to `target` at the end; an exception leaves no trace."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's contents, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
