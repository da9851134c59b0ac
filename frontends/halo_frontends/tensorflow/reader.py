"""Frozen graphs and SavedModel folders to graphs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from halo_frontends.importer import DeclaredInput, given_value, resolve_inputs, symbol_name
from halo_frontends.tensorflow.dtypes import find_dtype
from halo_frontends.tensorflow.files import TensorflowFile, parse_file, saved_model_file
from halo_frontends.tensorflow.frame import Frame, Model
from halo_frontends.tensorflow.mappings import load_mappings
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow.ports import Ports, check_names, declared, find_ports
from halo_frontends.tensorflow.survey import Survey, survey
from halo_frontends.tensorflow.tensors import shape_of
from halo_frontends.tensorflow.things import Thing, as_value
from halo_py.errors import ModelError, UnsupportedError
from halo_py.frontend import ImportOptions, ModelFacts, Port
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ops import load_ops
from halo_py.types import Dim, DType, TensorType, symbol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_OPERATOR = re.compile(rb"[A-Za-z_][A-Za-z0-9_>]*")


class TensorflowFrontend:
    """Reads frozen graphs (GraphDef) and SavedModel folders."""

    name = "tensorflow"

    def sniff(self, path: Path, head: bytes) -> bool:
        """A folder with a saved_model.pb, that file itself, or a file that begins with a node of a graph."""
        if saved_model_file(path) is not None:
            return True
        return not path.is_dir() and _begins_with_node(head)

    def inspect(self, path: Path) -> ModelFacts:
        """What the model holds and what would be refused. Raises ModelError."""
        _load_tables()
        return _facts(parse_file(path))

    def load(self, path: Path, options: ImportOptions) -> Graph:
        """The model as a graph. Raises ModelError, UnsupportedError, UsageError."""
        _load_tables()
        return _load(parse_file(path), options)


def _load_tables() -> None:
    load_ops()
    load_mappings()


def _begins_with_node(head: bytes) -> bool:
    """Whether these bytes begin a GraphDef: a node with a name and an operator."""
    reader = _Bytes(head)
    if reader.take() != 0x0A or reader.varint() < 4 or reader.take() != 0x0A:
        return False
    name = reader.text(reader.varint())
    if not name or reader.take() != 0x12:
        return False
    operator = reader.text(reader.varint())
    return bool(name.isascii() and _OPERATOR.fullmatch(operator))


class _Bytes:
    """Reads from the head of a file; beyond its end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def varint(self) -> int:
        result = shift = 0
        while shift < 35:
            byte = self.take()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        return result

    def text(self, count: int) -> bytes:
        begin = self._at
        self._at += count
        return self._data[begin : self._at]


# -- importing ----------------------------------------------------------------------------------------------------


def _load(file: TensorflowFile, options: ImportOptions) -> Graph:
    ports = find_ports(file, options)
    check_names(ports, file.place)
    found = survey(file, ports)
    if found.changes_state:
        raise found.refused.error()
    try:
        return _import(file, ports, options)
    except (UnsupportedError, ModelError):
        # Only a node that was reached after all known conditions can be to blame; but then all are listed.
        if found.refused:
            raise found.refused.error() from None
        raise


def _import(file: TensorflowFile, ports: Ports, options: ImportOptions) -> Graph:
    builder = GraphBuilder(symbol_name(_model_name(file)), str(file.path))
    frame = Frame(_model(file), file.body, Nest(builder), preset=_inputs(file, ports, builder, options))
    outputs = [
        as_value(thing, f"output {entry.name!r}", file.place)
        for thing, entry in zip(frame.fetch([entry.ref for entry in ports.outputs]), ports.outputs, strict=True)
    ]
    return builder.finish(outputs, [entry.name for entry in ports.outputs])


def _model_name(file: TensorflowFile) -> str:
    return file.path.parent.name if file.signatures else file.path.stem


def _model(file: TensorflowFile) -> Model:
    checkpoint = file.checkpoint()

    def read_variable(key: str) -> tuple[Array, DType]:
        if checkpoint is None:
            raise ModelError("the model has no variables beside it", file.place)
        return checkpoint.read(key)

    return Model(str(file.path), file.library, file.tensors, read_variable, file.keys())


def _inputs(
    file: TensorflowFile, ports: Ports, builder: GraphBuilder, options: ImportOptions
) -> dict[str, Sequence[Thing]]:
    """Nodes that are inputs of the model -> their values; those the user gives a value are constants."""
    entries = list(declared(ports).values())
    opened = [entry for entry in entries if entry.name not in options.values]
    types = resolve_inputs(opened, options, str(file.path), known_names=[entry.name for entry in entries])
    found: dict[str, Sequence[Thing]] = {}
    for entry in ports.inputs:
        value = _input(entry.declared, types, builder, options, str(file.path))
        before = list(found.get(entry.ref.node, ()))
        before += [value] * (entry.ref.port + 1 - len(before))
        before[entry.ref.port] = value
        found[entry.ref.node] = before
    return found


def _input(
    entry: DeclaredInput, types: dict[str, TensorType], builder: GraphBuilder, options: ImportOptions, file: str
) -> Value:
    if entry.name in types:
        return builder.input(entry.name, types[entry.name])
    return builder.constant(given_value(entry, options, file), entry.name, entry.dtype)


# -- looking over the whole model ---------------------------------------------------------------------------------


def _facts(file: TensorflowFile) -> ModelFacts:
    ports = find_ports(file, ImportOptions())
    found = survey(file, ports)
    parameters, bytes_ = _parameters(file, found)
    return ModelFacts(
        file=str(file.path),
        format="tensorflow",
        producer=f"TensorFlow {file.producer}" if file.producer else "",
        versions={"tensorflow graph": file.graph.versions.producer},
        inputs=tuple(Port(entry.declared.name, _type(entry.declared)) for entry in ports.inputs),
        outputs=tuple(Port(entry.name, entry.declared and _type(entry.declared)) for entry in ports.outputs),
        ops=dict(sorted(found.ops.items(), key=lambda item: (-item[1], item[0]))),
        parameters=parameters,
        parameter_bytes=bytes_,
        refused=found.refused.listed(),
    )


def _parameters(file: TensorflowFile, found: Survey) -> tuple[int, int]:
    """Elements and bytes of all constants and variables that the outputs depend on."""
    elements = size = 0
    for node in found.constants:
        tensor = node.attributes.tensor("value")
        dtype, dims = find_dtype(tensor.dtype), shape_of(tensor.tensor_shape)
        if dtype is not None and dims is not None:
            count = prod(dim or 0 for dim in dims)
            elements, size = elements + count, size + dtype.bytes_for(count)
    checkpoint = file.checkpoint() if found.variables else None
    keys = file.keys() if checkpoint is not None else {}
    for name in found.variables:
        if checkpoint is not None and keys.get(name, "") in checkpoint:
            entry = checkpoint.entry(keys[name])
            elements, size = elements + prod(dim.size for dim in entry.shape.dim), size + entry.size
    return elements, size


def _type(entry: DeclaredInput) -> TensorType:
    if entry.dims is None:
        return TensorType(entry.dtype, None)
    dims: list[Dim] = []
    for place, size in enumerate(entry.dims):
        if isinstance(size, int):
            dims.append(size)
        else:
            dims.append(symbol("batch" if place == 0 else symbol_name(f"{entry.name}_{place}")))
    return TensorType(entry.dtype, tuple(dims))
