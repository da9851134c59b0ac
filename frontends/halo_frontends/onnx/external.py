"""External data: weights in files beside the model, memory-mapped, and never from outside the model's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from halo_frontends.mapped import map_file
from halo_py.errors import ModelError, Where


class ExternalFiles:
    """The data files of one model; each is mapped once."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._folder = model.parent.resolve()
        # A model that is a link itself (as in download caches) may have its data beside what it points to.
        self._allowed = (self._folder, model.resolve().parent)
        self._mapped: dict[str, NDArray[np.uint8]] = {}

    def read(self, entries: Mapping[str, str], tensor: str, expected_bytes: int) -> NDArray[np.uint8]:
        """The bytes of tensor `tensor`, which must be `expected_bytes` long.

        `entries` are its `external_data` entries: location, offset, length. Raises ModelError.
        """
        place = Where(str(self._model))
        location = entries.get("location", "")
        contents = self._map(location, tensor, place)
        try:
            offset = int(entries.get("offset") or 0)
            length = int(entries.get("length") or expected_bytes)
        except ValueError as error:
            raise ModelError(f"tensor {tensor!r}: external offset or length is not a number", place) from error
        if length != expected_bytes:
            raise ModelError(
                f"tensor {tensor!r}: external data has {length} bytes, its type needs {expected_bytes}", place
            )
        if offset < 0 or length < 0 or offset + length > len(contents):
            raise ModelError(
                f"tensor {tensor!r}: bytes {offset} to {offset + length} lie outside external data {location!r}, "
                f"which has {len(contents)}",
                place,
            )
        return contents[offset : offset + length]

    def _map(self, location: str, tensor: str, place: Where) -> NDArray[np.uint8]:
        if location not in self._mapped:
            path = self._inside(location, tensor, place)
            try:
                if not path.is_file():
                    raise ModelError(f"tensor {tensor!r}: external data file {location!r} is missing", place)
                self._mapped[location] = map_file(path)
            except OSError as error:
                raise ModelError(
                    f"tensor {tensor!r}: external data file {location!r} cannot be read: {error.strerror}", place
                ) from error
        return self._mapped[location]

    def _inside(self, location: str, tensor: str, place: Where) -> Path:
        """The file's path, checked to lie in the model's folder after following links."""
        posix, windows = PurePosixPath(location), PureWindowsPath(location)
        leaves = posix.is_absolute() or windows.is_absolute() or windows.drive or ".." in windows.parts
        if not location or "\x00" in location:
            raise ModelError(f"tensor {tensor!r}: external data names no file", place)
        if not leaves:
            path = (self._folder / location).resolve()
            leaves = not any(path.is_relative_to(folder) for folder in self._allowed)
        else:
            path = self._folder
        if leaves:
            raise ModelError(
                f"tensor {tensor!r}: external data {location!r} leaves the model's folder",
                place,
                "move the data file beside the model and correct its location",
            )
        return path
