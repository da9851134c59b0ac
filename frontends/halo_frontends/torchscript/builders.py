"""What the names in a TorchScript pickle mean: tensors, tagged containers, module objects. The rest is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided

from halo_frontends.torchscript.objects import STORAGES, Device, EnumMember, Quantizer, ScriptObject, StoredTensor
from halo_frontends.torchscript.pickle_machine import Global, read_pickle
from halo_py.errors import ModelError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_frontends.torchscript.archive import Archive

_MOST_REPEATED = 1 << 24
"""A tensor may have this many elements more than its storage (broadcast along strides of 0)."""


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A flat piece of memory with an element type."""

    array: NDArray[Any]
    dtype: DType


class TorchBuilders:
    """The names that TorchScript's own pickler writes. Storages come from the records under `folder`.

    Without `contents` the storages are empty records: tensors have types and shapes only (traced inputs are kept so).
    """

    def __init__(self, archive: Archive, folder: str, big_endian: bool = False, contents: bool = True) -> None:
        self._archive = archive
        self._folder = folder
        self._big_endian = big_endian
        self._contents = contents
        self._storages: dict[tuple[str, DType], Storage] = {}
        self._functions: dict[str, Callable[..., object]] = {
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_qtensor": self._quantised,
            "torch._utils._rebuild_parameter": _same,
            "torch.jit._pickle.build_intlist": _same,
            "torch.jit._pickle.build_tensorlist": _same,
            "torch.jit._pickle.build_doublelist": _same,
            "torch.jit._pickle.build_boollist": _same,
            "torch.jit._pickle.restore_type_tag": _same,
            "collections.OrderedDict": _no_hooks,
            "builtins.complex": complex,
            "torch.device": _device,
        }

    def reduce(self, function: Global, arguments: tuple[Any, ...]) -> object:
        known = self._functions.get(str(function))
        if known is not None:
            try:
                return known(*arguments)
            except (TypeError, ValueError, AttributeError) as error:
                raise self._error(f"it holds a {function} that cannot be read: {error}") from error
        if function.module.startswith("__torch__") and len(arguments) == 1:
            return EnumMember(str(function), arguments[0])
        raise self._error(f"its pickle calls {function}, which is no part of a model")

    def new(self, cls: Global) -> object:
        if not cls.module.startswith("__torch__"):
            raise self._error(f"its pickle makes a {cls}, which is no part of a model")
        return ScriptObject(str(cls))

    def build(self, instance: object, state: object) -> None:
        if not isinstance(instance, ScriptObject):
            raise self._error(f"its pickle gives a state to a {type(instance).__name__}")
        if isinstance(state, dict) and all(isinstance(name, str) for name in cast("dict[object, object]", state)):
            instance.attributes.update(cast("dict[str, Any]", state))
        else:
            instance.state = state

    def persistent(self, reference: object) -> object:
        parts: tuple[Any, ...] = cast("tuple[Any, ...]", reference) if isinstance(reference, tuple) else ()
        match parts:
            case ("storage", Global(name=kind), str(key), _device_name, int(elements)) if kind in STORAGES:
                return self._storage(key, STORAGES[kind], elements)
            case _:
                raise self._error(f"its pickle refers to {_short(parts)}, which is no storage")

    # -- tensors --------------------------------------------------------------------------------------------------

    def _storage(self, key: str, dtype: DType, elements: int) -> Storage:
        found = self._storages.get((key, dtype))
        if found is not None:
            return found
        if not self._contents:
            return Storage(np.zeros(1, dtype.numpy), dtype)
        name = f"{self._folder}/{key}"
        size = self._archive.size(name)
        width = dtype.numpy.itemsize
        if elements < 0 or elements * width > size:
            raise self._error(f"the record {name} of {size} bytes is too small for {elements} {dtype.text} elements")
        stored = dtype.numpy.newbyteorder(">") if self._big_endian and width > 1 else dtype.numpy
        contents = np.frombuffer(self._archive.record(name), np.uint8)[: elements * width].view(stored)
        found = Storage(contents.astype(dtype.numpy, copy=False), dtype)
        self._storages[key, dtype] = found
        return found

    def _tensor(
        self, storage: object, offset: int, sizes: tuple[int, ...], strides: tuple[int, ...], *_rest: object
    ) -> StoredTensor:
        if not isinstance(storage, Storage):
            raise self._error(f"its pickle makes a tensor of {_short(storage)}")
        if not self._contents:
            check_geometry(offset, sizes, strides, self._archive.place)
            return StoredTensor(np.broadcast_to(storage.array[0], sizes), storage.dtype)
        return tensor_of(storage, offset, sizes, strides, self._archive.place)

    def _quantised(
        self,
        storage: object,
        offset: int,
        sizes: tuple[int, ...],
        strides: tuple[int, ...],
        quantizer: tuple[Any, ...],
        *_rest: object,
    ) -> StoredTensor:
        plain = self._tensor(storage, offset, sizes, strides)
        match quantizer:
            case (Global(name="per_tensor_affine"), float(scale), int(zero_point)):
                how = Quantizer(scale, zero_point)
            case (
                Global(name="per_channel_affine"),
                StoredTensor() as scales,
                StoredTensor() as zero_points,
                int(axis),
            ):
                how = Quantizer(scales.array, zero_points.array, axis)
            case _:
                raise self._error(f"a tensor is quantised as {_short(quantizer)}")
        return StoredTensor(plain.array, plain.dtype, how)

    def _error(self, message: str) -> ModelError:
        return ModelError(message, self._archive.place)


def read_record(archive: Archive, name: str, contents: bool = True) -> object:
    """The object in the pickle `name`.pkl, with its tensors from the folder of the same name. Raises ModelError."""
    order = bytes(archive.record("byteorder")) if "byteorder" in archive else b"little"
    builders = TorchBuilders(archive, name, order.strip() == b"big", contents)
    return read_pickle(archive.record(f"{name}.pkl"), builders, f"{name}.pkl", archive.place)


def tensor_of(
    storage: Storage, offset: int, sizes: tuple[int, ...], strides: tuple[int, ...], place: Where
) -> StoredTensor:
    """The tensor that lies so in a storage, without a copy. Raises ModelError if it does not fit."""
    check_geometry(offset, sizes, strides, place)
    available, wanted = storage.array.size, prod(sizes)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if wanted and last >= available:
        raise ModelError(f"a tensor of sizes {list(sizes)} does not fit its storage of {available} elements", place)
    if wanted > available + _MOST_REPEATED:
        raise ModelError(f"a tensor repeats {available} elements to {wanted}", place)
    if not wanted:
        return StoredTensor(np.zeros(sizes, storage.dtype.numpy), storage.dtype)
    width = storage.array.itemsize
    array = as_strided(storage.array[offset:], sizes, [stride * width for stride in strides], writeable=False)
    return StoredTensor(array, storage.dtype)


def check_geometry(offset: int, sizes: tuple[int, ...], strides: tuple[int, ...], place: Where) -> None:
    """Raises ModelError for sizes and strides that no tensor has."""
    if not all(type(number) is int and number >= 0 for number in (offset, *sizes, *strides)):
        raise ModelError(f"a tensor has the sizes {sizes}, strides {strides} and offset {offset}", place)
    if len(sizes) != len(strides) or len(sizes) > 32:
        raise ModelError(f"a tensor has {len(sizes)} sizes and {len(strides)} strides", place)


def _same(value: object, *_rest: object) -> object:
    return value


def _no_hooks(*_pairs: object) -> dict[str, object]:
    """Tensors carry a dictionary of hooks; models for inference have none."""
    return {}


def _device(*parts: object) -> Device:
    return Device(":".join(str(part) for part in parts))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
