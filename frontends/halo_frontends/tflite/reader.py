"""TFLite files to graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from halo_frontends.importer import DeclaredInput, Refusals, given_value, resolve_inputs, symbol_name
from halo_frontends.tflite.mappings import load_mappings
from halo_frontends.tflite.model import Subgraph, TensorInfo, TfliteModel, parse_model
from halo_frontends.tflite.operation import MAPPINGS
from halo_frontends.tflite.schema import IDENTIFIER
from halo_frontends.tflite.subgraphs import SubgraphImporter
from halo_py.errors import ModelError
from halo_py.frontend import ImportOptions, ModelFacts, Port
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ops import load_ops
from halo_py.types import Dim, DType, TensorType, symbol


class TfliteFrontend:
    """Reads TFLite models."""

    name = "tflite"

    def sniff(self, path: Path, head: bytes) -> bool:
        """A TFLite file has its schema's identifier behind the first word."""
        return head[4:8] == IDENTIFIER

    def inspect(self, path: Path) -> ModelFacts:
        """What the file holds and what would be refused. Raises ModelError."""
        _load_tables()
        return _facts(parse_model(path))

    def load(self, path: Path, options: ImportOptions) -> Graph:
        """The file as a graph. Raises ModelError, UnsupportedError, UsageError."""
        _load_tables()
        return _load(parse_model(path), options)


def _load_tables() -> None:
    load_ops()
    load_mappings()


def _load(model: TfliteModel, options: ImportOptions) -> Graph:
    refused = refusals(model)
    if refused:
        raise refused.error()
    main, file = model.subgraphs[0], str(model.path)
    names = _Names(model, main)
    builder = GraphBuilder(symbol_name(main.name or model.path.stem), file)
    inputs = _inputs(model, main, names.inputs, builder, options)
    outputs = SubgraphImporter(model, main, builder).run(inputs)
    return builder.finish(outputs, names.outputs)


def _inputs(
    model: TfliteModel, main: Subgraph, names: Sequence[str], builder: GraphBuilder, options: ImportOptions
) -> list[Value]:
    """The graph's inputs as values; those the user gives a value are constants."""
    file = str(model.path)
    entries = [_declared(main.tensors[number], name, model) for number, name in zip(main.inputs, names, strict=True)]
    opened = [entry for entry in entries if entry.name not in options.values]
    types = resolve_inputs(opened, options, file, known_names=names)
    return [
        builder.input(entry.name, types[entry.name])
        if entry.name in types
        else builder.constant(given_value(entry, options, file), entry.name, entry.dtype)
        for entry in entries
    ]


def _declared(tensor: TensorInfo, name: str, model: TfliteModel) -> DeclaredInput:
    if tensor.dtype is None:
        raise ModelError(f"input {name!r} is a {tensor.kind}", model.place)
    return DeclaredInput(name, tensor.dtype, tuple(size if size >= 0 else None for size in tensor.open_dims))


class _Names:
    """What the inputs and outputs of the main graph are called: as its signature says, else as the tensors."""

    def __init__(self, model: TfliteModel, main: Subgraph) -> None:
        signature = next((entry for entry in model.signatures if entry.subgraph == 0), None)
        self.inputs = self._unique(main, main.inputs, signature and signature.inputs, "input", model)
        self.outputs = self._unique(main, main.outputs, signature and signature.outputs, "output", model)

    def _unique(
        self, main: Subgraph, numbers: Sequence[int], names: Mapping[int, str] | None, kind: str, model: TfliteModel
    ) -> list[str]:
        found = [(names or {}).get(number) or main.tensors[number].name for number in numbers]
        if len(set(found)) != len(found):
            if kind == "input":
                raise ModelError("two inputs have one name", model.place)
            found = [f"{name}:{place}" if found.count(name) > 1 else name for place, name in enumerate(found)]
        return found


# -- looking over the whole file ----------------------------------------------------------------------------------


def called(model: TfliteModel) -> list[Subgraph]:
    """The main graph and every subgraph that an operator runs, each once. Raises ModelError for cycles."""
    found: dict[int, None] = {}
    open_now: list[int] = []

    def visit(number: int) -> None:
        if not 0 <= number < len(model.subgraphs):
            raise ModelError(f"names subgraph {number} of {len(model.subgraphs)}", model.place)
        if number in open_now:
            raise ModelError("subgraphs run each other without end", model.place)
        if number in found:
            return
        open_now.append(number)
        for entry in model.subgraphs[number].operators:
            for inner in entry.subgraphs():
                visit(inner)
        open_now.pop()
        found[number] = None

    visit(0)
    return [model.subgraphs[number] for number in sorted(found)]


def refusals(model: TfliteModel) -> Refusals:
    """Every operator that nothing implements, and every operator on data of a kind that is not supported."""
    found = Refusals(str(model.path))
    for subgraph in called(model):
        for entry in subgraph.operators:
            made = [subgraph.tensors[number] for number in entry.outputs]
            name = made[0].name if made else entry.name
            if entry.name not in MAPPINGS:
                found.add(entry.name, name, "unknown operator")
                continue
            touched = [subgraph.tensors[number] for number in (*entry.inputs, *entry.outputs) if number >= 0]
            if any(tensor.dtype is DType.STRING for tensor in touched):
                found.add(entry.name, name, "works on strings")
    return found


def _facts(model: TfliteModel) -> ModelFacts:
    main = model.subgraphs[0]
    names = _Names(model, main)
    graphs = called(model)
    ops = Counter(entry.name for subgraph in graphs for entry in subgraph.operators)
    weights = {tensor.buffer: tensor for subgraph in graphs for tensor in subgraph.tensors if model.is_constant(tensor)}
    return ModelFacts(
        file=str(model.path),
        format="tflite",
        producer=model.description,
        versions={"tflite": model.version},
        inputs=_ports(main, main.inputs, names.inputs),
        outputs=_ports(main, main.outputs, names.outputs),
        ops=dict(sorted(ops.items(), key=lambda item: (-item[1], item[0]))),
        parameters=sum(_elements(model, tensor) for tensor in weights.values()),
        parameter_bytes=sum(model.constant_bytes(tensor) for tensor in weights.values()),
        refused=refusals(model).listed(),
    )


def _elements(model: TfliteModel, tensor: TensorInfo) -> int:
    bits = tensor.dtype.bits if tensor.dtype is not None else 8
    return model.constant_bytes(tensor) * 8 // bits


def _ports(main: Subgraph, numbers: Sequence[int], names: Sequence[str]) -> tuple[Port, ...]:
    return tuple(Port(name, _type(main.tensors[number], name)) for number, name in zip(numbers, names, strict=True))


def _type(tensor: TensorInfo, name: str) -> TensorType | None:
    if tensor.dtype is None:
        return None
    dims: list[Dim] = []
    for place, size in enumerate(tensor.open_dims):
        dims.append(size if size >= 0 else symbol("batch" if place == 0 else symbol_name(f"{name}_{place}")))
    return TensorType(tensor.dtype, tuple(dims))
