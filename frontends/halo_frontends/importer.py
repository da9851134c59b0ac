"""The part of importing that every format shares: refusals listed all at once, attributes to op fields, input types."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import ModelError, ShapeError, UnsupportedError, UsageError, Where
from halo_py.frontend import ImportOptions, RefusedOp
from halo_py.ir.op import Op
from halo_py.types import Dim, DType, TensorType, symbol

_NAMES_SHOWN = 4


@dataclass(slots=True)
class Refusals:
    """Everything in one file that cannot be imported, by operator and reason."""

    file: str
    _nodes: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])

    def add(self, op: str, node: str, reason: str) -> None:
        """Note that `node` cannot be imported."""
        self._nodes.setdefault((op, reason), []).append(node)

    def __bool__(self) -> bool:
        return bool(self._nodes)

    def listed(self) -> tuple[RefusedOp, ...]:
        """All refusals, most frequent first."""
        found = [RefusedOp(op, reason, tuple(nodes)) for (op, reason), nodes in self._nodes.items()]
        return tuple(sorted(found, key=lambda refused: (-refused.count, refused.op)))

    def error(self) -> UnsupportedError:
        """One error that lists every refused operator with its count and node names."""
        refused = self.listed()
        lines = [f"{len(refused)} operator{'s are' if len(refused) > 1 else ' is'} not supported"]
        for entry in refused:
            more = entry.count - _NAMES_SHOWN
            names = ", ".join(entry.nodes[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
            lines.append(f"  {entry.op}: {entry.count} node{'s' if entry.count > 1 else ''} ({names}): {entry.reason}")
        return UnsupportedError("\n".join(lines), Where(self.file))


# -- attributes to fields -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _FieldKind:
    """How an attribute value becomes a field value: the scalar type wanted, and whether it is a list."""

    scalar: type[Any] | None
    is_list: bool


@cache
def _field_kinds(cls: type[Op]) -> Mapping[str, _FieldKind]:
    hints = typing.get_type_hints(cls)
    return {entry.name: _kind(hints[entry.name]) for entry in fields(cls)}


def _kind(hint: Any) -> _FieldKind:
    """The kind that a field's type hint asks for; a union with None counts as its other part."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(parts) == 1:
            return _kind(parts[0])
        return _FieldKind(None, any(typing.get_origin(part) is tuple for part in parts))
    if origin is tuple:
        inner = _kind(typing.get_args(hint)[0])
        return _FieldKind(inner.scalar, True)
    if origin is typing.Literal:
        literal: object = typing.get_args(hint)[0]
        return _FieldKind(type(literal), False)
    return _FieldKind(cast("type[Any]", hint) if isinstance(hint, type) else None, False)


def make_op(cls: type[Op], attributes: Mapping[str, object], where: Where) -> Op:
    """The op with these attribute values, converted to the types that its fields declare.

    Raises UnsupportedError for an attribute the op does not have, ModelError for a value that does not fit or a
    required attribute that is absent.
    """
    kinds = _field_kinds(cls)
    unknown = [name for name in attributes if name not in kinds]
    if unknown:
        raise UnsupportedError(f"attribute {unknown[0]!r} is not known to this operator", where)
    values = {
        name: _convert(name, value, kinds[name], where)
        for name, value in attributes.items()
        if not (kinds[name].scalar is DType and value == 0)
    }
    for entry in fields(cls):
        if entry.name not in values and entry.default is MISSING and entry.default_factory is MISSING:
            raise ModelError(f"the required attribute {entry.name!r} is missing", where)
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise ModelError(f"the attributes do not fit: {error}", where) from error


def _convert(name: str, value: object, kind: _FieldKind, where: Where) -> object:
    if isinstance(value, (tuple, list)):
        items = cast("Sequence[object]", value)
        if kind.is_list or kind.scalar is None:
            if kind.scalar in (int, float, str) and set(map(type, items)) <= {kind.scalar}:
                return tuple(items)  # trees have millions
            return tuple(_convert_scalar(name, item, kind.scalar, where) for item in items)
        raise ModelError(f"attribute {name!r} must be one value, found a list", where)
    if kind.is_list:
        raise ModelError(f"attribute {name!r} must be a list, found {value!r}", where)
    return _convert_scalar(name, value, kind.scalar, where)


def _convert_scalar(name: str, value: object, wanted: type[Any] | None, where: Where) -> object:
    if wanted is DType and isinstance(value, int):
        try:
            return DType.from_onnx(value)
        except KeyError:
            raise ModelError(f"attribute {name!r} names the unknown element type {value}", where) from None
    if wanted is bool and isinstance(value, int):
        return bool(value)
    if wanted is float and isinstance(value, int):
        return float(value)
    if wanted in (int, float, str) and not isinstance(value, wanted):
        raise ModelError(f"attribute {name!r} must be of type {wanted.__name__}, found {value!r}", where)
    return value


# -- input types --------------------------------------------------------------------------------------------------

DeclaredDim = int | str | None
"""A dimension as a file states it: a size, a name, or nothing (also any size below zero)."""

_EXPORTER_NAMES = re.compile(r"unk__\d+|\?|-1|None|")
"""Names that exporters invent for a dimension without one (tf2onnx writes unk__12)."""

_NOT_IN_SYMBOLS = re.compile(r"[^0-9A-Za-z_.]")


@dataclass(frozen=True, slots=True)
class DeclaredInput:
    """A tensor input as its file states it; `dims` is None when even the rank is not stated."""

    name: str
    dtype: DType
    dims: tuple[DeclaredDim, ...] | None


def symbol_name(text: str) -> str:
    """A dimension's name as a symbol (only letters, digits, underscores and dots)."""
    name = _NOT_IN_SYMBOLS.sub("_", text)
    return f"d{name}" if name[:1].isdigit() or not name else name


def resolve_inputs(
    inputs: Sequence[DeclaredInput], options: ImportOptions, file: str, known_names: Iterable[str] = ()
) -> dict[str, TensorType]:
    """The inputs' types after the user's shapes, symbols and batch size; the leading unnamed dimensions are one symbol.

    `known_names` are names that options may mention although they are not tensor inputs. Raises UsageError for
    options that do not fit, ShapeError (with a command to try) for dimensions that stay open.
    """
    _check_names(inputs, options, file, known_names)
    dims = _named_dims(inputs)
    bindings = {symbol_name(name): size for name, size in options.symbols.items()}
    for entry in inputs:
        if entry.name in options.shapes:
            declared = dims[entry.name]
            dims[entry.name] = _bind(entry, declared, options.shapes[entry.name], bindings, file)
    if options.batch_size is not None:
        leading = _batch_name(dims.values())
        if leading is not None:
            bindings.setdefault(leading, options.batch_size)
    result: dict[str, TensorType] = {}
    for entry in inputs:
        shape = dims[entry.name]
        sizes = None if shape is None else tuple(_fixed(dim, bindings) for dim in shape)
        result[entry.name] = TensorType(entry.dtype, sizes)
    if not options.keep_symbolic:
        _demand_static(result, _batch_name(dims.values()), file)
    return result


def given_value(entry: DeclaredInput, options: ImportOptions, file: str) -> NDArray[Any]:
    """The contents of an input that the user fixed: those given, or the number given in every element.

    Raises UsageError if they do not fit.
    """
    value = options.values[entry.name]
    if isinstance(value, np.ndarray):
        return _given_array(entry, value, file)
    shape = options.shapes.get(entry.name)
    if shape is None:
        shape = tuple(dim if isinstance(dim, int) else 1 for dim in entry.dims or ())
    try:
        if entry.dtype is DType.STRING:
            return np.full(shape, str(value), object)
        if isinstance(value, str) or (entry.dtype.is_integer and int(value) != value):
            raise ValueError
        return np.full(shape, value).astype(entry.dtype.numpy)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--value: {value!r} does not fit input {entry.name!r} of type {entry.dtype.text}", Where(file)
        ) from None


def _given_array(entry: DeclaredInput, contents: NDArray[Any], file: str) -> NDArray[Any]:
    dims = entry.dims
    fits = dims is None or (
        len(dims) == contents.ndim
        and all(not isinstance(dim, int) or dim in (-1, size) for dim, size in zip(dims, contents.shape, strict=True))
    )
    wanted = entry.dtype.numpy
    if fits and np.can_cast(contents.dtype, wanted, "same_kind"):
        return contents.astype(wanted, copy=False)
    shape = "?" if dims is None else list(dims)
    found = f"{contents.dtype}{list(contents.shape)}"
    raise UsageError(
        f"--value: contents {found} do not fit input {entry.name!r} of type {entry.dtype.text}{shape}", Where(file)
    )


def _check_names(inputs: Sequence[DeclaredInput], options: ImportOptions, file: str, known: Iterable[str]) -> None:
    names = {entry.name for entry in inputs}
    for name in options.shapes:
        if name not in names:
            raise UsageError(
                f"--shape: the model has no input {name!r}", Where(file), f"its inputs are {', '.join(names) or 'none'}"
            )
    for name in options.values:
        if name not in names and name not in set(known):
            raise UsageError(
                f"--value: the model has no input {name!r}", Where(file), f"its inputs are {', '.join(names) or 'none'}"
            )


def _named_dims(inputs: Sequence[DeclaredInput]) -> dict[str, tuple[int | str, ...] | None]:
    """Every unnamed dimension gets a name: `batch` for the leading ones, `<input>_<position>` for the others."""
    taken = {dim for entry in inputs for dim in entry.dims or () if isinstance(dim, str)}
    batch = next(name for name in ("batch", "batch_size", "leading_dim", "leading_dim_0") if name not in taken)
    result: dict[str, tuple[int | str, ...] | None] = {}
    for entry in inputs:
        if entry.dims is None:
            result[entry.name] = None
            continue
        sizes: list[int | str] = []
        for position, dim in enumerate(entry.dims):
            if isinstance(dim, int) and dim >= 0:
                sizes.append(dim)
            elif isinstance(dim, str) and not _EXPORTER_NAMES.fullmatch(dim):
                sizes.append(symbol_name(dim))
            else:
                sizes.append(batch if position == 0 else symbol_name(f"{entry.name}_{position}"))
        result[entry.name] = tuple(sizes)
    return result


def _bind(
    entry: DeclaredInput,
    declared: tuple[int | str, ...] | None,
    wanted: tuple[int, ...],
    bindings: dict[str, int],
    file: str,
) -> tuple[int | str, ...]:
    """Fix an input's dimensions to what the user says, and its symbols everywhere else."""
    place = Where(file)
    if declared is None:
        return wanted
    stated = "x".join(str(dim) for dim in declared)
    if len(wanted) != len(declared):
        raise UsageError(f"--shape: input {entry.name!r} has rank {len(declared)} ({stated}), not {len(wanted)}", place)
    for dim, size in zip(declared, wanted, strict=True):
        if isinstance(dim, int) and dim != size:
            raise UsageError(
                f"--shape: input {entry.name!r} is {stated} in the model, {size} does not fit {dim}", place
            )
        if isinstance(dim, str) and bindings.setdefault(dim, size) != size:
            raise UsageError(
                f"--shape: dimension {dim!r} of input {entry.name!r} is said to be {bindings[dim]} and {size}", place
            )
    return wanted


def _batch_name(shapes: Iterable[tuple[int | str, ...] | None]) -> str | None:
    """The name of the first dynamic leading dimension."""
    return next((shape[0] for shape in shapes if shape and isinstance(shape[0], str)), None)


def _fixed(dim: int | str, bindings: Mapping[str, int]) -> Dim:
    if isinstance(dim, int):
        return dim
    return bindings[dim] if dim in bindings else symbol(dim)


def _demand_static(inputs: Mapping[str, TensorType], batch: str | None, file: str) -> None:
    loose = {name: found for name, found in inputs.items() if not found.is_static}
    if not loose:
        return
    unknown = {str(dim) for found in loose.values() for dim in found.shape or ("?",) if not isinstance(dim, int)}
    if unknown == {batch}:
        hint = "add --batch-size 1"
    else:
        hint = "add " + " ".join(f"--shape {name}={_suggestion(found, batch)}" for name, found in loose.items())
    names = ", ".join(f"{name!r} {found}" for name, found in loose.items())
    raise ShapeError(f"dimensions of inputs must be known: {names}", Where(file), hint)


def _suggestion(found: TensorType, batch: str | None) -> str:
    """A shape to try: batch 1, images of 224, sequences of 128."""
    if found.shape is None:
        return "1x3x224x224"
    usual = 224 if len(found.shape) >= 4 else 128
    return "x".join(
        str(dim) if isinstance(dim, int) else "1" if str(dim) == batch else str(usual) for dim in found.shape
    )
