"""A model's inputs and outputs: what `forward` declares, what tracing stored, what the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_frontends.importer import DeclaredInput, resolve_inputs
from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.emitter import Emitter, scalar
from halo_frontends.torchscript.objects import StoredTensor
from halo_frontends.torchscript.values import Item, NamedItems, Scalar, Tensor
from halo_py.errors import ShapeError, UnsupportedError, UsageError, Where
from halo_py.frontend import GivenValue, ImportOptions
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from halo_frontends.torchscript.maker import Maker
    from halo_py.ir.graph import Value

_NUMBERS = {"int": DType.INT64, "float": DType.FLOAT32, "bool": DType.BOOL}
_HINT = "a TorchScript file does not state shapes: add "


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of `forward`: its kind, and the tensors it is made of with what is known of them.

    `kind` is "tensor", "list", "tuple", "dict" (of tensors), "int", "float", "bool", "str" or "other".
    """

    name: str
    kind: str
    optional: bool
    default: syntax.Expression | None
    tensors: tuple[DeclaredInput, ...] = ()
    keys: tuple[str, ...] = ()


def parameters_of(function: syntax.Function, traced: Sequence[Any] | None) -> list[Parameter]:
    """The parameters of `forward` without its object."""
    found: list[Parameter] = []
    for position, parameter in enumerate(function.parameters[1:]):
        example = traced[position] if traced is not None and position < len(traced) else None
        found.append(_parameter(parameter, example))
    return found


def _parameter(parameter: syntax.Parameter, example: Any) -> Parameter:
    kind, optional, parts = _kind_of(parameter.type)
    made = Parameter(parameter.name, kind, optional, parameter.default)
    if kind == "tensor":
        return replace(made, tensors=(_declared(parameter.name, example),))
    if kind == "tuple":
        examples = cast("tuple[Any, ...]", example) if isinstance(example, tuple) else (None,) * len(parts)
        names = [f"{parameter.name}_{number}" for number in range(len(parts))]
        return replace(made, tensors=tuple(map(_declared, names, examples)))
    if kind == "list" and isinstance(example, list):
        entries = cast("list[Any]", example)
        return replace(made, tensors=tuple(_declared(f"{parameter.name}_{n}", item) for n, item in enumerate(entries)))
    if kind == "dict" and isinstance(example, dict):
        items = cast("dict[str, Any]", example)
        return replace(
            made, keys=tuple(items), tensors=tuple(_declared(f"{parameter.name}_{key}", items[key]) for key in items)
        )
    return made


def _declared(name: str, example: Any) -> DeclaredInput:
    if isinstance(example, StoredTensor):
        return DeclaredInput(name, example.dtype, tuple(example.array.shape))
    return DeclaredInput(name, DType.FLOAT32, None)


def _kind_of(type: syntax.Expression | None) -> tuple[str, bool, tuple[syntax.Expression, ...]]:
    """A parameter's kind, whether it may be None, and the parts of a tuple."""
    if isinstance(type, syntax.Name):
        kinds = {"Tensor": "tensor", "int": "int", "float": "float", "bool": "bool", "str": "str"}
        return kinds.get(type.text, "other"), False, ()
    if isinstance(type, syntax.Subscript) and isinstance(type.base, syntax.Name):
        parts = type.index.items if isinstance(type.index, syntax.TupleOf) else (type.index,)
        if type.base.text == "Optional":
            kind, _, inner = _kind_of(parts[0])
            return kind, True, inner
        tensors = all(_kind_of(part)[0] == "tensor" for part in parts)
        if type.base.text == "Tuple" and tensors:
            return "tuple", False, parts
        if type.base.text == "List" and tensors:
            return "list", False, ()
        if type.base.text == "Dict" and _kind_of(parts[-1])[0] == "tensor":
            return "dict", False, ()
    return ("tensor", False, ()) if type is None else ("other", False, ())


class Inputs:
    """Makes the graph's inputs from what is declared and what the user says."""

    def __init__(self, parameters: Sequence[Parameter], options: ImportOptions, dtypes: Mapping[str, DType], file: str):
        self._file = file
        self._parameters = parameters
        self._options = _by_name(parameters, options)
        self._dtypes = dtypes
        self._types = self._resolved()

    def items(self, emitter: Emitter, default: Any) -> list[Item]:
        """The arguments of `forward`. `default(parameter)` evaluates a default."""
        return [self._item(emitter, parameter, default) for parameter in self._parameters]

    def _resolved(self) -> dict[str, TensorType]:
        options = self._options
        declared = [self._with_dtype(entry) for parameter in self._parameters for entry in self._wanted(parameter)]
        tensors = [entry for entry in declared if entry.name not in options.values]
        others = [p.name for p in self._parameters if not p.tensors] + [entry.name for entry in declared]
        types = resolve_inputs(tensors, replace(options, keep_symbolic=True), self._file, others)
        loose = [name for name, found in types.items() if found.shape is None]
        if loose:
            hint = _HINT + " ".join(f"--shape {name}=1x3x224x224" for name in loose)
            names = ", ".join(repr(name) for name in loose)
            raise ShapeError(f"the shape of input {names} must be given", Where(self._file), hint)
        return types

    def _with_dtype(self, entry: DeclaredInput) -> DeclaredInput:
        dims = None if entry.name in self._options.shapes else entry.dims
        return replace(entry, dims=dims, dtype=self._dtypes.get(entry.name, entry.dtype))

    def _wanted(self, parameter: Parameter) -> tuple[DeclaredInput, ...]:
        """The tensors of a parameter that is not left out."""
        if parameter.default is not None or parameter.optional:
            given = {*self._options.shapes, *self._options.values}
            if not any(entry.name in given or entry.dims is not None for entry in parameter.tensors):
                return ()
        return parameter.tensors

    def _item(self, emitter: Emitter, parameter: Parameter, default: Any) -> Item:
        options = self._options
        if parameter.kind in _NUMBERS or parameter.kind == "str":
            if parameter.name in options.values:
                return _plain(options.values[parameter.name], parameter.kind, parameter.name, self._file)
            if parameter.default is not None:
                return default(parameter.default)
            return self._run_time(emitter, parameter)
        wanted = self._wanted(parameter)
        if not wanted:
            if parameter.default is not None:
                return default(parameter.default)
            if parameter.optional:
                return None
            raise UnsupportedError(
                f"input {parameter.name!r} is of a type that is not supported",
                Where(self._file),
                "trace the model instead",
            )
        tensors: list[Item] = [self._tensor(emitter, entry) for entry in wanted]
        match parameter.kind:
            case "tuple":
                return tuple(tensors)
            case "list":
                return tensors
            case "dict":
                return dict(zip(parameter.keys, tensors, strict=True))
            case _:
                return tensors[0]

    def _run_time(self, emitter: Emitter, parameter: Parameter) -> Scalar:
        if parameter.kind == "str":
            raise UsageError(
                f"input {parameter.name!r} is a text and must be given",
                Where(self._file),
                f"--value {parameter.name}=TEXT",
            )
        dtype = _NUMBERS[parameter.kind]
        return scalar(emitter.input(parameter.name, TensorType(dtype, ())), dtype)

    def _tensor(self, emitter: Emitter, entry: DeclaredInput) -> Tensor:
        if entry.name not in self._options.values:
            return Tensor(emitter.input(entry.name, self._types[entry.name]))
        given = self._options.values[entry.name]
        if isinstance(given, np.ndarray):
            return Tensor(emitter.constant(given, name=entry.name))
        shape = self._options.shapes.get(entry.name, entry.dims or ())
        dtype = self._with_dtype(entry).dtype
        sizes = [size if isinstance(size, int) else 1 for size in shape]
        return Tensor(emitter.constant(np.full(sizes, given).astype(dtype.numpy), dtype, entry.name))


def _by_name(parameters: Sequence[Parameter], options: ImportOptions) -> ImportOptions:
    """Shapes and values given by position, as if by name."""
    flat = [entry.name for parameter in parameters for entry in parameter.tensors] or []
    names = {parameter.name for parameter in parameters} | set(flat)
    by_position = {str(number): name for number, name in enumerate(_ordered(parameters))}

    def renamed(given: Mapping[str, Any]) -> dict[str, Any]:
        return {name if name in names else by_position.get(name, name): value for name, value in given.items()}

    return replace(options, shapes=renamed(options.shapes), values=renamed(options.values))


def _ordered(parameters: Sequence[Parameter]) -> list[str]:
    names: list[str] = []
    for parameter in parameters:
        names += [entry.name for entry in parameter.tensors] or [parameter.name]
    return names


def _plain(given: GivenValue, kind: str, name: str, file: str) -> Item:
    try:
        value: Any = given.reshape(-1)[0].item() if isinstance(given, np.ndarray) else given
        if kind == "int" and int(value) != value:
            raise ValueError
        return {"int": int, "float": float, "bool": bool, "str": str}[kind](value)
    except (ValueError, TypeError, IndexError):
        raise UsageError(f"--value: {given!r} does not fit input {name!r} of type {kind}", Where(file)) from None


def outputs_of(m: Maker, item: Item, name: str = "output") -> list[tuple[str, Value]]:
    """The tensors of a result, nested ones included, with names: `output`, `output_0`, or a dictionary's keys."""
    if isinstance(item, Tensor):
        if item.quantised is not None:
            from halo_frontends.torchscript.ops.quantised import dequantise

            return [(name, dequantise(m, item))]
        return [(name, m.read(item))]
    if isinstance(item, StoredTensor):
        return [(name, m.read(m.emitter.stored(item, name)))]
    if isinstance(item, Scalar):
        return [(name, item.value)]
    if isinstance(item, (bool, int, float)):
        return [(name, m.const(np.asarray(item)))]
    if isinstance(item, NamedItems):
        return [pair for part, label in zip(item.items, item.names, strict=True) for pair in outputs_of(m, part, label)]
    if isinstance(item, dict):
        return [pair for key, value in item.items() for pair in outputs_of(m, value, str(key))]
    if isinstance(item, (list, tuple)):
        return [pair for number, part in enumerate(item) for pair in outputs_of(m, part, f"{name}_{number}")]
    return []


def unique_names(names: Sequence[str]) -> list[str]:
    """The names with a number after those that were there before."""
    found: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in found:
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found
