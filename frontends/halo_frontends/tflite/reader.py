"""TFLite files to graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from halo_frontends.importer import DeclaredInput, Refusals, given_value, resolve_inputs, symbol_name
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tflite.mappings import load_mappings
from halo_frontends.tflite.model import OperatorInfo, Subgraph, TensorInfo, TfliteModel, parse_model
from halo_frontends.tflite.operation import MAPPINGS
from halo_frontends.tflite.ports import Ports, TensorPort, find_ports
from halo_frontends.tflite.schema import IDENTIFIER
from halo_frontends.tflite.subgraphs import ON_VARIABLES, SubgraphImporter
from halo_py.errors import ModelError
from halo_py.frontend import ImportOptions, ModelFacts, Port
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ops import load_ops
from halo_py.types import Dim, DType, TensorType, symbol

_DEEPEST_CALLS = 64
_RANDOM = frozenset({"RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "MULTINOMIAL"})


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
    ports = find_ports(model, options)
    refused = refusals(model, ports)
    if refused:
        raise refused.error()
    builder = GraphBuilder(symbol_name(ports.subgraph.name or model.path.stem), str(model.path))
    given = _inputs(model, ports, builder, options)
    importer = SubgraphImporter(model, ports.subgraph, Nest(builder), {})
    outputs = importer.run_between(given, ports.operators, [port.number for port in ports.outputs])
    return builder.finish(outputs, [port.name for port in ports.outputs])


def _inputs(model: TfliteModel, ports: Ports, builder: GraphBuilder, options: ImportOptions) -> dict[int, Value]:
    """The inputs as values by the number of their tensor; those the user gives a value are constants."""
    file = str(model.path)
    entries = [_declared(ports.subgraph.tensors[port.number], port.name, model) for port in ports.inputs]
    opened = [entry for entry in entries if entry.name not in options.values]
    types = resolve_inputs(opened, options, file, known_names=[port.name for port in ports.inputs])
    values = [
        builder.input(entry.name, types[entry.name])
        if entry.name in types
        else builder.constant(given_value(entry, options, file), entry.name, entry.dtype)
        for entry in entries
    ]
    return {port.number: value for port, value in zip(ports.inputs, values, strict=True)}


def _declared(tensor: TensorInfo, name: str, model: TfliteModel) -> DeclaredInput:
    if tensor.dtype is None:
        raise ModelError(f"input {name!r} is a {tensor.kind}", model.place)
    return DeclaredInput(name, tensor.dtype, tuple(size if size >= 0 else None for size in tensor.open_dims))


# -- looking over the whole file ----------------------------------------------------------------------------------


def called(model: TfliteModel, operators: Sequence[OperatorInfo]) -> list[Subgraph]:
    """Every subgraph that these operators run, each once. Raises ModelError for cycles."""
    found: dict[int, None] = {}
    open_now: list[int] = []

    def visit(number: int) -> None:
        if not 0 <= number < len(model.subgraphs):
            raise ModelError(f"names subgraph {number} of {len(model.subgraphs)}", model.place)
        if number in open_now or len(open_now) > _DEEPEST_CALLS:
            raise ModelError("subgraphs run each other without end", model.place)
        if number in found:
            return
        open_now.append(number)
        for entry in model.subgraphs[number].operators:
            for inner in entry.subgraphs():
                visit(inner)
        open_now.pop()
        found[number] = None

    for entry in operators:
        for inner in entry.subgraphs():
            visit(inner)
    return [model.subgraphs[number] for number in sorted(found)]


def _reached(model: TfliteModel, ports: Ports) -> list[tuple[Subgraph, Sequence[OperatorInfo]]]:
    """Every graph that is imported, with those of its operators that are."""
    inner = called(model, ports.operators)
    if any(graph is ports.subgraph for graph in inner):
        raise ModelError("subgraphs run each other without end", model.place)
    return [(ports.subgraph, ports.operators), *((graph, graph.operators) for graph in inner)]


def refusals(model: TfliteModel, ports: Ports) -> Refusals:
    """Every operator that nothing implements, and every operator on data of a kind that is not supported."""
    found = Refusals(str(model.path))
    reached = _reached(model, ports)
    in_order = _run_in_order(model, ports)
    for subgraph, entries in reached:
        for entry in entries:
            made = [subgraph.tensors[number] for number in entry.outputs]
            why = _reason(subgraph, entry, any(subgraph is graph for graph in in_order))
            if why is not None:
                found.add(entry.name, made[0].name if made else entry.name, why)
    return found


def _run_in_order(model: TfliteModel, ports: Ports) -> list[Subgraph]:
    """The main graph and what it runs once, whose operators may set variables."""
    once = [entry for entry in ports.operators if entry.name == "CALL_ONCE"]
    return [ports.subgraph, *(model.subgraphs[number] for entry in once for number in entry.subgraphs())]


def _reason(subgraph: Subgraph, entry: OperatorInfo, in_order: bool) -> str | None:
    """Why an operator cannot be imported; None if it can. `in_order`: it runs exactly once."""
    touched = [subgraph.tensors[number] for number in (*entry.inputs, *entry.outputs) if number >= 0]
    if any(tensor.dtype is DType.STRING for tensor in touched):
        return "works on strings"
    if entry.name.startswith("HASHTABLE"):
        return "hash tables are not supported"
    if entry.name in ON_VARIABLES and in_order:
        return None
    if entry.name in ON_VARIABLES or any(tensor.kind == "resource" for tensor in touched):
        return "variables inside of branches and loops are not supported"
    if entry.name in MAPPINGS:
        return None
    if entry.name in _RANDOM:
        return "random numbers are not supported"
    return "unknown operator"


def _facts(model: TfliteModel) -> ModelFacts:
    ports = find_ports(model, ImportOptions())
    main, reached = ports.subgraph, _reached(model, ports)
    ops = Counter(entry.name for _, entries in reached for entry in entries)
    weights = {tensor.buffer: tensor for graph, _ in reached for tensor in graph.tensors if model.is_constant(tensor)}
    return ModelFacts(
        file=str(model.path),
        format="tflite",
        producer=model.description,
        versions={"tflite": model.version},
        inputs=_ports(main, ports.inputs),
        outputs=_ports(main, ports.outputs),
        ops=dict(sorted(ops.items(), key=lambda item: (-item[1], item[0]))),
        parameters=sum(_elements(model, tensor) for tensor in weights.values()),
        parameter_bytes=sum(model.constant_bytes(tensor) for tensor in weights.values()),
        refused=refusals(model, ports).listed(),
    )


def _elements(model: TfliteModel, tensor: TensorInfo) -> int:
    bits = tensor.dtype.bits if tensor.dtype is not None else 8
    return model.constant_bytes(tensor) * 8 // bits


def _ports(main: Subgraph, ports: Sequence[TensorPort]) -> tuple[Port, ...]:
    return tuple(Port(port.name, _type(main.tensors[port.number], port.name)) for port in ports)


def _type(tensor: TensorInfo, name: str) -> TensorType | None:
    if tensor.dtype is None:
        return None
    dims: list[Dim] = []
    for place, size in enumerate(tensor.open_dims):
        dims.append(size if size >= 0 else symbol("batch" if place == 0 else symbol_name(f"{name}_{place}")))
    return TensorType(tensor.dtype, tuple(dims))
