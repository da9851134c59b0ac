"""Constants arrays: named bundles of constants, taken from a computation or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.archive import read_archive, to_json, write_archive
from halo_py.errors import ExecutableError, Where
from halo_py.types import DType
from odla.c.handles import Handled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

_KIND = "odla-constants"
_FORMAT = 1


class ConstantsArray(Handled):
    """Constants by id."""

    noun = "constants array"

    def __init__(self, contents: Mapping[str, Array]) -> None:
        super().__init__()
        self.contents = dict(contents)

    def save(self, path: Path) -> None:
        """Write it to a file. Raises OutputError."""
        documents: dict[str, bytes] = {}
        arrays: dict[str, Array] = {}
        listed: list[dict[str, Any]] = []
        for number, (name, array) in enumerate(self.contents.items()):
            dtype = DType.from_numpy(array.dtype)
            if dtype is DType.STRING:
                documents[f"{number}.json"] = to_json([str(text) for text in array.reshape(-1)])
            else:
                arrays[str(number)] = array
            listed.append({"name": name, "dtype": dtype.text, "shape": list(array.shape)})
        write_archive(path, documents, arrays, {"kind": _KIND, "format": _FORMAT, "constants": listed})

    @staticmethod
    def load(path: Path) -> ConstantsArray:
        """Read one from a file. Raises ExecutableError."""
        archive = read_archive(path, _KIND, _FORMAT)
        found: dict[str, Array] = {}
        try:
            for number, entry in enumerate(archive.manifest["constants"]):
                dtype, shape = DType.from_text(entry["dtype"]), tuple(entry["shape"])
                if dtype is DType.STRING:
                    found[str(entry["name"])] = np.array(archive.json(f"{number}.json"), object).reshape(shape)
                else:
                    found[str(entry["name"])] = archive.array(str(number), dtype.numpy, shape)
        except (KeyError, TypeError, ValueError) as error:
            raise ExecutableError(f"its contents do not fit together: {error}", Where(str(path))) from error
        return ConstantsArray(found)
