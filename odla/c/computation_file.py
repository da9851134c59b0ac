"""A computation as a file: its graph, and what the C side knows beyond it. Model files can be loaded too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.archive import read_archive, to_json, write_archive
from halo_py.errors import ExecutableError, HaloError, Where
from halo_py.frontend import HEAD_BYTES, ImportOptions, load_model
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.encode import decode_graph, encode_graph
from halo_py.types import DType, TensorType
from odla.c.computation import Computation
from odla.c.element_types import ElementType, element_of
from odla.c.items import Item
from odla.c.values import Role, Value
from odla.driver import archive_kind

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph
    from halo_py.ir.graph import Value as Node

_KIND = "odla-computation"
_FORMAT = 1


def save_computation(computation: Computation, path: Path) -> None:
    """Write a computation. Raises UsageError if it has no output, OutputError."""
    snapshot = computation.snapshot()
    assert snapshot.graph is not None
    encoded = encode_graph(snapshot.graph)
    documents = {"graph.json": to_json(encoded.document)}
    arrays: dict[str, Any] = {}
    listed = [_keep(array, f"constants/{number}", documents, arrays) for number, array in enumerate(encoded.contents)]
    inputs = [
        {"id": value.id, "element": int(value.element), "variable": value.role is Role.VARIABLE}
        for value in snapshot.inputs
    ]
    variables = [
        _keep(value.contents(), f"variables/{number}", documents, arrays)
        for number, value in enumerate(value for value in snapshot.inputs if value.role is Role.VARIABLE)
    ]
    outputs = [{"id": value.id, "element": int(value.element)} for value in snapshot.outputs]
    updates = [[snapshot.inputs.index(variable), number] for variable, number in snapshot.updates]
    manifest = {
        "kind": _KIND,
        "format": _FORMAT,
        "constants": listed,
        "inputs": inputs,
        "variables": variables,
        "outputs": outputs,
        "marked": len(computation.outputs),
        "updates": updates,
        "items": {str(int(item)): value for item, value in computation.items.items() if isinstance(value, int | str)},
    }
    write_archive(path, documents, arrays, manifest)


def _keep(array: Any, name: str, documents: dict[str, bytes], arrays: dict[str, Any]) -> dict[str, Any]:
    dtype = DType.from_numpy(array.dtype)
    if dtype is DType.STRING:
        documents[f"{name}.json"] = to_json([str(text) for text in array.reshape(-1)])
    else:
        arrays[name] = array
    return {"dtype": dtype.text, "shape": list(array.shape)}


def load_computation(path: Path) -> Computation:
    """Read a computation, or any model that a frontend reads. Raises HaloError."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if archive_kind(path, head) != _KIND:
        return of_graph(load_model(path, ImportOptions(keep_symbolic=True)))
    archive = read_archive(path, _KIND, _FORMAT)
    manifest = archive.manifest

    def contents(name: str, entry: dict[str, Any]) -> Any:
        dtype, shape = DType.from_text(entry["dtype"]), tuple(entry["shape"])
        if dtype is DType.STRING:
            return np.array(archive.json(f"{name}.json"), object).reshape(shape)
        return archive.array(name, dtype.numpy, shape)

    try:
        constants = [contents(f"constants/{n}", entry) for n, entry in enumerate(manifest["constants"])]
        graph = decode_graph(archive.json("graph.json"), constants)
        variables = [contents(f"variables/{n}", entry) for n, entry in enumerate(manifest["variables"])]
        return _restored(graph, manifest, variables)
    except ExecutableError:
        raise
    except (HaloError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ExecutableError(f"its contents do not fit together: {error}", Where(str(path))) from error


def of_graph(graph: Graph) -> Computation:
    """A computation that is this graph: arguments and outputs have the graph's names as ids."""
    computation = _empty(graph)
    for node in graph.inputs:
        type = _tensor(node)
        value = Value(type, node.name, Role.ARGUMENT, node=node, scope=computation.root)
        computation.arguments.append(computation.remember(value))
    for node, name in zip(graph.outputs, graph.output_names, strict=True):
        _tensor(node)
        computation.outputs.append(computation.remember(computation.root.value(node, name)))
    return computation


def _restored(graph: Graph, manifest: dict[str, Any], contents: list[Any]) -> Computation:
    computation = _empty(graph)
    inputs: list[Value] = []
    for node, entry in zip(graph.inputs, manifest["inputs"], strict=True):
        role = Role.VARIABLE if entry["variable"] else Role.ARGUMENT
        element = ElementType(entry["element"])
        value = Value(_tensor(node), _id(entry), role, node=node, scope=computation.root, element=element)
        if role is Role.VARIABLE:
            value.array = np.array(contents[len(computation.variables)])
        (computation.variables if role is Role.VARIABLE else computation.arguments).append(value)
        inputs.append(computation.remember(value))
    known = {value.node: value for value in inputs}
    outputs: list[Value] = []
    for node, entry in zip(graph.outputs, manifest["outputs"], strict=True):
        value = known.get(node) or computation.root.value(node, _id(entry))
        value.element = ElementType(entry["element"])
        outputs.append(computation.remember(value))
    computation.outputs.extend(outputs[: int(manifest["marked"])])
    computation.updates = {inputs[place]: outputs[number] for place, number in manifest["updates"]}
    computation.items = {Item(int(number)): value for number, value in manifest["items"].items()}
    return computation


def _id(entry: dict[str, Any]) -> str | None:
    return None if entry["id"] is None else str(entry["id"])


def _empty(graph: Graph) -> Computation:
    computation = Computation(graph.name)
    computation.root.builder = GraphBuilder.reopen(graph)
    return computation


def _tensor(node: Node) -> TensorType:
    if not isinstance(node.type, TensorType):
        raise ExecutableError(f"{node.name!r} is {node.type}: ODLA values are tensors")
    element_of(node.type.dtype)
    return node.type
