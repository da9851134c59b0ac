"""Inputs from .npy and .npz files, outputs to .npy files. Never pickled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zipfile import BadZipFile

import numpy as np

from halo_py.archive import atomic_file
from halo_py.errors import UsageError, Where
from halo_py.types import DType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

Say = Callable[[str], None]


def read_inputs(given: Sequence[str], types: Mapping[str, Type | None], say: Say) -> dict[str, Array]:
    """Arrays by input name from `NAME=x.npy`, `x.npy` (a model of one input) and `x.npz` (arrays by input name).

    An array of another element type is converted where no kind of number is lost (float64 to float32, int32 to int64),
    which is said. Raises UsageError.
    """
    arrays: dict[str, Array] = {}
    for text in given:
        arrays.update(_read(text, list(types)))
    return {name: _fitted(name, array, types.get(name), say) for name, array in arrays.items()}


def _read(text: str, names: Sequence[str]) -> dict[str, Array]:
    name, equals, file = text.partition("=")
    if equals and (name in names or not Path(text).exists()):
        path = Path(file)
    else:
        name, path = "", Path(text)
    contents = _contents(path)
    if isinstance(contents, dict):
        if not name:
            return contents
        if len(contents) != 1:
            hint = f"give it without {name}= if it has one array per input"
            raise UsageError(f"holds {len(contents)} arrays: {', '.join(contents)}", Where(str(path)), hint)
        (contents,) = contents.values()
    if not name and len(names) != 1:
        raise UsageError(f"which input is {path}?", hint=f"write --input NAME={path}; inputs: {', '.join(names)}")
    return {name or names[0]: contents}


def _contents(path: Path) -> Array | dict[str, Array]:
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return cast("Array", loaded)
        with loaded as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise UsageError("there is no such file", Where(str(path)), "--input takes NAME=FILE.npy") from error
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        hint = "save an array of numbers with numpy.save or numpy.savez"
        message = "is no .npy or .npz file, is damaged, or holds Python objects, which are never unpickled"
        raise UsageError(message, Where(str(path)), hint) from error


def _fitted(name: str, array: Array, type: Type | None, say: Say) -> Array:
    if not isinstance(type, TensorType):
        return array
    wanted = type.dtype.numpy
    if array.dtype == wanted:
        return array
    if type.dtype is DType.STRING:
        return array.astype(object)
    both_float = array.dtype.kind == "f" and type.dtype.is_float
    both_integer = array.dtype.kind in "iu" and type.dtype.is_integer
    if not (both_float or both_integer):
        return array  # refused with a message by whoever checks inputs
    if both_integer and not np.array_equal(array.astype(wanted).astype(array.dtype), array):
        raise UsageError(f"input {name!r} holds numbers that {type.dtype.text} cannot hold")
    say(f"input {name}: converted from {array.dtype} to {type.dtype.text}")
    return array.astype(wanted)


def write_outputs(outputs: Mapping[str, Any], folder: Path, say: Say) -> dict[str, list[str]]:
    """Write every output as NAME.npy, each completely or not at all; a sequence as NAME.0.npy, NAME.1.npy, ...

    Answers the files of each output. Raises OutputError.
    """
    written: dict[str, list[str]] = {}
    taken: set[str] = set()
    for name, value in outputs.items():
        stem = _file_stem(name, taken)
        if isinstance(value, list):
            entries = [(f"{stem}.{number}", entry) for number, entry in enumerate(cast("list[Any]", value))]
        else:
            entries = [(stem, value)]
        written[name] = [str(_write(entry, folder / f"{label}.npy", name, say)) for label, entry in entries]
    return written


def _file_stem(name: str, taken: set[str]) -> str:
    """The output's name without what file systems give a meaning, different for every output."""
    stem = re.sub(r"[^\w.-]", "_", name).lstrip(".") or "output"
    number, found = 1, stem
    while found in taken:
        number, found = number + 1, f"{stem}_{number}"
    taken.add(found)
    return found


def _write(value: Any, path: Path, name: str, say: Say) -> Path:
    array = _storable(np.asarray(value), name, say)
    with atomic_file(path) as stream:
        np.save(stream, array, allow_pickle=False)
    return path


def _storable(array: Array, name: str, say: Say) -> Array:
    """The array in a type that .npy files know."""
    if array.dtype.kind == "O":
        return array.astype(str)
    if array.dtype.type.__module__ == "numpy":
        return array
    wider = np.dtype(np.float32 if DType.from_numpy(array.dtype).is_float else np.int8)
    say(f"output {name}: written as {wider}, .npy files have no {array.dtype}")
    return array.astype(wider)
