"""Inputs and outputs of a TensorFlow model: of its signature, of a frozen graph, or those that the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from halo_frontends.importer import DeclaredInput
from halo_frontends.tensorflow.dtypes import find_dtype
from halo_frontends.tensorflow.files import TensorflowFile
from halo_frontends.tensorflow.graph import Body, NodeInfo, Ref, Users, read_ref
from halo_frontends.tensorflow.proto import SignatureDef, TensorInfo
from halo_frontends.tensorflow.tensors import shape_of
from halo_py.errors import ModelError, UsageError, Where
from halo_py.frontend import ImportOptions
from halo_py.types import DType

_USUAL_SIGNATURE = "serving_default"
_INPUTS = frozenset({"Placeholder", "PlaceholderV2"})
_NO_RESULTS = frozenset({"Const", "NoOp", "Assert", "Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
_ENTERS, _EXITS = frozenset({"Enter", "RefEnter"}), frozenset({"Exit", "RefExit"})
_TYPE_ATTRIBUTES = ("dtype", "T", "DstT", "out_type", "output_type")


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An input: the name the user knows, the result it stands for, its type as far as the file states it."""

    ref: Ref
    declared: DeclaredInput


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """An output: its name, the result it is, its type as far as the file states it."""

    name: str
    ref: Ref
    declared: DeclaredInput | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a model begins and ends."""

    inputs: tuple[ModelInput, ...]
    outputs: tuple[ModelOutput, ...]


def find_ports(file: TensorflowFile, options: ImportOptions) -> Ports:
    """The inputs and outputs to import. Raises ModelError, UsageError for names the model does not have."""
    signature = _signature(file, options)
    own = _of_graph(file) if signature is None else _of_signature(file, signature)
    chosen = options.outputs if not (signature and _names_signature(file, options)) else ()
    outputs = tuple(_named_output(file, name, own.outputs) for name in chosen) or own.outputs
    cuts = tuple(_named_input(file, name) for name in options.inputs)
    replaced = {entry.ref.node for entry in cuts}
    reached = _reached(file.body, [entry.ref for entry in outputs], replaced)
    kept = tuple(entry for entry in own.inputs if entry.ref.node in reached and entry.ref.node not in replaced)
    # Without cuts, an input that nothing reads is still an input of the signature.
    return Ports((*cuts, *(kept if cuts or chosen or signature is None else own.inputs)), outputs)


# -- signatures ---------------------------------------------------------------------------------------------------


def _names_signature(file: TensorflowFile, options: ImportOptions) -> bool:
    return len(options.outputs) == 1 and options.outputs[0] in file.signatures


def _signature(file: TensorflowFile, options: ImportOptions) -> SignatureDef | None:
    """The signature to import: the one that `--outputs` names, the usual one, or the only one."""
    if not file.signatures:
        return None
    if _names_signature(file, options):
        return file.signatures[options.outputs[0]]
    if _USUAL_SIGNATURE in file.signatures:
        return file.signatures[_USUAL_SIGNATURE]
    if len(file.signatures) > 1:
        names = ", ".join(file.signatures)
        raise UsageError(f"the model has several signatures: {names}", file.place, "choose one with --outputs NAME")
    return next(iter(file.signatures.values()))


def _of_signature(file: TensorflowFile, signature: SignatureDef) -> Ports:
    inputs: list[ModelInput] = []
    for name, info in sorted(signature.inputs.items()):
        dtype = find_dtype(info.dtype)
        if dtype is None:
            raise ModelError(f"input {name!r} is no tensor", file.place)
        declared = DeclaredInput(name, dtype, shape_of(info.tensor_shape))
        inputs.append(ModelInput(read_ref(info.name, file.place, in_function=False), declared))
    return Ports(
        tuple(inputs), tuple(_output(name, info, file.place) for name, info in sorted(signature.outputs.items()))
    )


def _output(name: str, info: TensorInfo, place: Where) -> ModelOutput:
    dtype = find_dtype(info.dtype)
    stated = None if dtype is None else DeclaredInput(name, dtype, shape_of(info.tensor_shape))
    return ModelOutput(name, read_ref(info.name, place, in_function=False), stated)


# -- frozen graphs ------------------------------------------------------------------------------------------------


def _of_graph(file: TensorflowFile) -> Ports:
    """Placeholders are inputs, nodes that nobody reads are outputs. Raises ModelError if there are none."""
    ends = _ends(file.body)
    if not ends:
        raise ModelError("has no node that could be its output", file.place, "name one with --outputs")
    reached = _reached(file.body, [Ref(node.name) for node in ends], set())
    inputs = [
        ModelInput(Ref(node.name), DeclaredInput(node.name, _dtype(node), _shape(node)))
        for node in file.body.nodes.values()
        if node.op in _INPUTS and node.name in reached
    ]
    return Ports(tuple(inputs), tuple(ModelOutput(node.name, Ref(node.name)) for node in ends))


def _ends(body: Body) -> list[NodeInfo]:
    """Nodes that nobody reads and that lie in no loop.

    Those that depend on an input, if there are any, and of these not the loop variables that nobody wanted.
    """
    users = Users.of(body)
    fed = _behind(body, users, _INPUTS, frozenset())
    looping = _behind(body, users, _ENTERS, _EXITS)
    ends = [
        node
        for node in body.nodes.values()
        if node.name not in users.by_node and node.op not in _NO_RESULTS and node.name not in looping
    ]
    ends = [node for node in ends if node.name in fed] or ends
    return [node for node in ends if node.op not in _EXITS] or ends


def _behind(body: Body, users: Users, first: frozenset[str], last: frozenset[str]) -> set[str]:
    """Nodes that depend on operators of the kinds in `first`, up to those in `last`."""
    waiting = [node.name for node in body.nodes.values() if node.op in first]
    found = set(waiting)
    while waiting:
        for user in users.by_node.get(waiting.pop(), ()):
            if user.name not in found and user.op not in last:
                found.add(user.name)
                waiting.append(user.name)
    return found


def _dtype(node: NodeInfo) -> DType:
    for name in _TYPE_ATTRIBUTES:
        value = node.attributes.found.get(name) if name in node.attributes.found else None
        found = find_dtype(value.type) if value is not None and value.WhichOneof("value") == "type" else None
        if found is not None:
            return found
    return DType.FLOAT32


def _shape(node: NodeInfo, port: int = 0) -> tuple[int | None, ...] | None:
    stated = node.attributes.shape("shape") if node.op in _INPUTS else None
    return node.attributes.output_shape(port) if stated is None else stated


def _reached(body: Body, refs: Sequence[Ref], ends: set[str]) -> set[str]:
    """Nodes that these results depend on, as far back as `ends`."""
    waiting, found = [ref.node for ref in refs], set[str]()
    while waiting:
        name = waiting.pop()
        node = body.nodes.get(name)
        if name in found or name in ends or node is None:
            continue
        found.add(name)
        waiting.extend(ref.node for ref in node.inputs)
    return found


# -- cuts ---------------------------------------------------------------------------------------------------------


def _named_output(file: TensorflowFile, name: str, own: Sequence[ModelOutput]) -> ModelOutput:
    found = next((entry for entry in own if entry.name == name), None)
    return found or ModelOutput(name, _named(file, name, "--outputs"))


def _named_input(file: TensorflowFile, name: str) -> ModelInput:
    ref = _named(file, name, "--inputs")
    node = file.body.nodes[ref.node]
    return ModelInput(ref, DeclaredInput(name, _dtype(node), _shape(node, ref.port)))


def _named(file: TensorflowFile, name: str, flag: str) -> Ref:
    ref = read_ref(name, file.place, in_function=False)
    if ref.node not in file.body.nodes:
        close = get_close_matches(ref.node, file.body.nodes, 3)
        hint = f"did you mean {', '.join(close)}?" if close else "halo inspect lists what the model holds"
        raise UsageError(f"{flag}: the model has no node {ref.node!r}", file.place, hint)
    return ref


def declared(ports: Ports) -> Mapping[str, DeclaredInput]:
    """The inputs by name."""
    return {entry.declared.name: entry.declared for entry in ports.inputs}


def check_names(ports: Ports, place: Where) -> None:
    """Raises ModelError if two inputs or two outputs have one name."""
    for names in ([entry.declared.name for entry in ports.inputs], [entry.name for entry in ports.outputs]):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ModelError(f"two inputs or outputs have the name {twice!r}", place)
