"""ONNX files to graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from halo_frontends.importer import DeclaredInput, Refusals, given_value, resolve_inputs
from halo_frontends.onnx.attributes import declared_dims, read_dtype, read_type
from halo_frontends.onnx.cut import cut
from halo_frontends.onnx.expansions import DOMAINS, expansion, refusal
from halo_frontends.onnx.functions import (
    DEFAULT_DOMAIN,
    Functions,
    all_nodes,
    canonical_domain,
    opset_versions,
    standard_function_exists,
)
from halo_frontends.onnx.nodes import MOST_NODES, Frame, NodeImporter
from halo_frontends.onnx.ordering import node_name
from halo_frontends.onnx.scope import Scope
from halo_frontends.onnx.tensors import TensorReader
from halo_frontends.onnx.upgrade import RULES
from halo_frontends.onnx.wire import ParsedModel, broken_text, parse_model
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.frontend import ExpandedOp, ImportOptions, ModelFacts, Port
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import REGISTRY
from halo_py.ops import load_ops
from halo_py.types import DType, TensorType, Type

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import GraphProto, NodeProto, TensorProto, ValueInfoProto

_OLDEST_OPSET, _NEWEST_OPSET = 1, 28
_NATIVE = {"Constant", "SequenceMap"}
_NEWEST_IR_VERSION = 14
_MODEL_TAGS = bytes([0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42])
"""Tags of ModelProto's fields 1 to 8."""
_PRODUCER_TAG = 0x12


def _begins_otherwise(head: bytes) -> bool:
    """Whether a file begins as no ONNX file can: as a zip, with the mark of a FlatBuffer, or with a GraphDef's node."""
    return head.startswith((b"PK\x03\x04", b"\n")) or head[4:8] == b"TFL3"


class OnnxFrontend:
    """Reads ONNX models, opset 7 to 28 completely, older ones as far as their operators have a newer form."""

    name = "onnx"

    def sniff(self, path: Path, head: bytes) -> bool:
        """An ONNX file has no magic number: it begins with a protobuf tag of ModelProto, usually `ir_version`."""
        if path.suffix.lower() in (".onnx", ".ort_onnx") and not _begins_otherwise(head):
            return True
        if len(head) < 4 or head[0] != 0x08 or not 1 <= head[1] <= _NEWEST_IR_VERSION or head[2] not in _MODEL_TAGS:
            return False
        # A SavedModel begins alike, with a message where ONNX has the producer's name.
        return head[2] != _PRODUCER_TAG or head[4 : 4 + head[3]].decode("utf-8", "replace").isprintable()

    def inspect(self, path: Path) -> ModelFacts:
        """What the file holds and what would be refused. Raises ModelError."""
        load_ops()
        parsed = parse_model(path)
        _check_model(parsed)
        with _text_checked(parsed):
            return _facts(parsed)

    def expanded_operators(self) -> tuple[ExpandedOp, ...]:
        """The operators of other domains that are written in terms of the IR's."""
        return tuple(ExpandedOp(name, operator) for name, domain in DOMAINS.items() for operator in domain.operators())

    def load(self, path: Path, options: ImportOptions) -> Graph:
        """The file as a graph. Raises ModelError, UnsupportedError, UsageError."""
        load_ops()
        parsed = parse_model(path)
        _check_model(parsed)
        with _text_checked(parsed):
            return _load(parsed, options)


def _facts(parsed: ParsedModel) -> ModelFacts:
    model = parsed.proto
    nodes = list(all_nodes(model.graph.node))
    called = [node for function in model.functions for node in all_nodes(function.node)]
    constants = list(_all_tensors(model.graph, nodes))
    ops = Counter(_op_name(node) for node in nodes)
    initialisers = {tensor.name for tensor in model.graph.initializer}
    place = Where(str(parsed.path))
    return ModelFacts(
        file=str(parsed.path),
        format="onnx",
        producer=" ".join(text for text in (model.producer_name, model.producer_version) if text),
        versions={domain or "ai.onnx": version for domain, version in opset_versions(model).items()},
        inputs=tuple(_port(entry, place) for entry in model.graph.input if entry.name not in initialisers),
        outputs=tuple(_port(entry, place) for entry in model.graph.output),
        ops=dict(sorted(ops.items(), key=lambda item: (-item[1], item[0]))),
        parameters=sum(prod(tensor.dims) for tensor in constants),
        parameter_bytes=sum(_tensor_bytes(tensor) for tensor in constants),
        refused=refusals(parsed, [*nodes, *called]).listed(),
    )


@contextmanager
def _text_checked(parsed: ParsedModel) -> Generator[None]:
    """Turns what text that is not UTF-8 leads to (protobuf answers it as bytes) into a ModelError.

    Looking for such text first would cost every good model time.
    """
    try:
        yield
    except (TypeError, AttributeError):
        damaged = broken_text(parsed.proto)
        if damaged is None:
            raise
        raise ModelError(f"holds a name that is not text: {damaged!r}", Where(str(parsed.path))) from None


def _load(parsed: ParsedModel, options: ImportOptions) -> Graph:
    model, file = parsed.proto, str(parsed.path)
    if options.inputs or options.outputs:
        cut(model.graph, options, file)
    functions = Functions(model)
    if functions.unfolded(all_nodes(model.graph.node)) > MOST_NODES:
        raise ModelError(f"its functions unfold into more than {MOST_NODES} nodes", Where(file))
    importer = NodeImporter(TensorReader(parsed), functions, file)
    builder = GraphBuilder(model.graph.name or parsed.path.stem, file)
    scope = Scope(builder)
    _add_inputs(scope, model.graph, options, file)
    try:
        outputs = importer.graph(Frame(scope, opset_versions(model), {}), model.graph)
    except UnsupportedError:
        listed = refusals(parsed, _reachable_nodes(parsed))
        if importer.refusals and listed:
            raise listed.error() from None
        raise
    _check_outputs(model.graph, outputs, file)
    return builder.finish(outputs, [entry.name for entry in model.graph.output])


def _check_model(parsed: ParsedModel) -> None:
    """Raises ModelError for a file that parses but is no model, UnsupportedError for operator sets out of reach."""
    model, place = parsed.proto, Where(str(parsed.path))
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise ModelError("is not an ONNX model: it holds no graph", place)
    version = opset_versions(model).get(DEFAULT_DOMAIN)
    if version is None and any(not canonical_domain(node.domain) for node in model.graph.node):
        raise ModelError("does not say which operator set it uses", place)
    if version is not None and not _OLDEST_OPSET <= version <= _NEWEST_OPSET:
        raise UnsupportedError(
            f"uses operator set {version}; {_OLDEST_OPSET} to {_NEWEST_OPSET} are supported",
            place,
        )


# -- inputs and outputs -------------------------------------------------------------------------------------------


def _add_inputs(scope: Scope, graph: GraphProto, options: ImportOptions, file: str) -> None:
    """The graph's inputs as values; initialised ones are constants, those the user gives a value too."""
    place = Where(file)
    initialisers = {tensor.name for tensor in graph.initializer}
    initialisers |= {sparse.values.name for sparse in graph.sparse_initializer}
    entries = [entry for entry in graph.input if entry.name not in initialisers]
    tensors = [_declared(entry, place) for entry in entries if entry.type.WhichOneof("value") == "tensor_type"]
    open_inputs = [entry for entry in tensors if entry.name not in options.values]
    types = resolve_inputs(open_inputs, options, file, known_names=[entry.name for entry in tensors])
    declared = {entry.name: entry for entry in tensors}
    for entry in entries:
        if entry.name in options.values:
            contents = given_value(declared[entry.name], options, file)
            scope.bind(entry.name, scope.builder.constant(contents, entry.name, declared[entry.name].dtype), place)
        else:
            type = types.get(entry.name) or read_type(entry.type, place, entry.name)
            scope.bind(entry.name, scope.builder.input(entry.name, type), place)


def _declared(entry: ValueInfoProto, place: Where) -> DeclaredInput:
    proto = entry.type.tensor_type
    return DeclaredInput(entry.name, read_dtype(proto.elem_type, place), declared_dims(proto))


def _check_outputs(graph: GraphProto, outputs: Sequence[Value], file: str) -> None:
    """An output whose declared element type is not the computed one is a type clash. Raises ModelError."""
    for entry, value in zip(graph.output, outputs, strict=True):
        number = entry.type.tensor_type.elem_type
        if number and isinstance(value.type, TensorType) and value.type.dtype.onnx_number != number:
            declared = read_dtype(number, Where(file)).text
            raise ModelError(
                f"output {entry.name!r} is declared {declared} and computed as {value.type.dtype.text}", Where(file)
            )


def _port(entry: ValueInfoProto, place: Where) -> Port:
    type: Type | None = read_type(entry.type, place, entry.name) if entry.type.WhichOneof("value") else None
    return Port(entry.name, type)


# -- looking over the whole file ----------------------------------------------------------------------------------


def refusals(parsed: ParsedModel, nodes: Sequence[NodeProto]) -> Refusals:
    """All operators among these nodes that nothing implements."""
    functions = Functions(parsed.proto)
    versions = opset_versions(parsed.proto)
    found = Refusals(str(parsed.path))
    for node in nodes:
        if functions.local(node) is None and not _implemented(node, versions):
            reason = refusal(canonical_domain(node.domain), node.op_type)
            found.add(_op_name(node), node_name(node), reason)
    return found


def _implemented(node: NodeProto, versions: Mapping[str, int]) -> bool:
    domain = canonical_domain(node.domain)
    if (domain, node.op_type) in REGISTRY.by_onnx or expansion(domain, node.op_type) is not None:
        return True
    if domain == DEFAULT_DOMAIN and (node.op_type in _NATIVE or node.op_type in RULES):
        return True
    return standard_function_exists(node.op_type, versions.get(domain, 0), domain)


def _reachable_nodes(parsed: ParsedModel) -> list[NodeProto]:
    nodes = list(all_nodes(parsed.proto.graph.node))
    return [*nodes, *(node for function in parsed.proto.functions for node in all_nodes(function.node))]


def _all_tensors(graph: GraphProto, nodes: Sequence[NodeProto]) -> Iterator[TensorProto]:
    """Every constant tensor: initialisers of the graph and its nested graphs, tensors of Constant nodes."""
    yield from graph.initializer
    for node in nodes:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from attribute.g.initializer


def _tensor_bytes(tensor: TensorProto) -> int:
    try:
        return DType.from_onnx(tensor.data_type).bytes_for(prod(tensor.dims))
    except KeyError:
        return 0


def _op_name(node: NodeProto) -> str:
    domain = canonical_domain(node.domain)
    return f"{domain}.{node.op_type}" if domain else node.op_type
