"""The inputs of an exported program: their declared types, what the user says, and the graph's inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.importer import DeclaredDim, DeclaredInput, given_value, resolve_inputs
from halo_frontends.torch_export.document import Element
from halo_frontends.torch_export.payloads import dtype_of
from halo_frontends.torchscript.emitter import Emitter, scalar
from halo_frontends.torchscript.values import Item, Tensor
from halo_py.errors import UnsupportedError, UsageError
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from halo_py.frontend import ImportOptions

_SYMBOL = re.compile(r"(?:Symbol\(')?([A-Za-z_]\w*)(?:'.*\))?")
_NUMBERS = {"as_sym_int": DType.INT64, "as_sym_float": DType.FLOAT32, "as_sym_bool": DType.BOOL}


@dataclass(frozen=True, slots=True)
class ProgramInput:
    """An input: a tensor of a declared type, or a number (`dims` is empty)."""

    variable: str
    declared: DeclaredInput
    is_number: bool = False


def program_inputs(graph: Element, specs: Sequence[Element]) -> list[ProgramInput]:
    """What `forward` takes, in order. Raises ModelError or UnsupportedError."""
    tensors = dict(graph["tensor_values"].items())
    found: list[ProgramInput] = []
    for spec in specs:
        kind, entry = spec["arg"].variant()
        if kind == "as_tensor":
            name = entry["name"].text
            if name not in tensors:
                raise entry.wrong(f"is the value {name!r}, whose type is not stated")
            found.append(tensor_input(name, tensors[name]))
        elif kind in _NUMBERS:
            name = entry["as_name"].text
            found.append(ProgramInput(name, DeclaredInput(name, _NUMBERS[kind], ()), is_number=True))
        elif kind in ("as_custom_obj", "as_tensors", "as_graph"):
            raise UnsupportedError(f"{entry.path} is an input of a kind that is not supported", entry.place)
    return found


def tensor_input(name: str, meta: Element) -> ProgramInput:
    """A tensor of the type that the file states. Raises ModelError or UnsupportedError."""
    return ProgramInput(name, DeclaredInput(name, dtype_of(meta["dtype"]), tuple(map(_dim, meta["sizes"]))))


def _dim(size: Element) -> DeclaredDim:
    """A size, the name of one, or None for one that follows from others."""
    kind, entry = size.variant()
    if kind == "as_int":
        return entry.integer
    found = _SYMBOL.fullmatch(entry["expr_str"].text)
    return None if found is None else found.group(1)


def make_inputs(emitter: Emitter, inputs: Sequence[ProgramInput], options: ImportOptions, file: str) -> list[Item]:
    """The arguments of `forward`. Raises UsageError or ShapeError for options that do not fit."""
    options = _by_name(inputs, options)
    wanted = [entry.declared for entry in inputs if not entry.is_number and entry.declared.name not in options.values]
    names = [entry.declared.name for entry in inputs]
    types = resolve_inputs(wanted, options, file, names)
    return [_item(emitter, entry, types, options, file) for entry in inputs]


def _by_name(inputs: Sequence[ProgramInput], options: ImportOptions) -> ImportOptions:
    """Shapes and values given by position, as if by name."""
    names = {entry.declared.name for entry in inputs}
    positions = {str(number): entry.declared.name for number, entry in enumerate(inputs)}

    def renamed(given: Mapping[str, Any]) -> dict[str, Any]:
        return {name if name in names else positions.get(name, name): value for name, value in given.items()}

    return replace(options, shapes=renamed(options.shapes), values=renamed(options.values))


def _item(
    emitter: Emitter, entry: ProgramInput, types: Mapping[str, TensorType], options: ImportOptions, file: str
) -> Item:
    declared = entry.declared
    if declared.name in options.values:
        contents = given_value(declared, options, file)
        if not entry.is_number:
            return Tensor(emitter.constant(contents, declared.dtype, declared.name))
        if np.size(contents) != 1:
            raise UsageError(f"--value: input {declared.name!r} is one number, given are {np.size(contents)}")
        return contents.reshape(-1)[0].item()
    if entry.is_number:
        return scalar(emitter.input(declared.name, TensorType(declared.dtype, ())), declared.dtype)
    return Tensor(emitter.input(declared.name, types[declared.name]))
