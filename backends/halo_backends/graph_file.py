"""A graph as an executable's file: what devices save that compile a graph to nothing more than itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.archive import Archive, read_archive, to_json, write_archive
from halo_py.errors import ExecutableError, HaloError, Where
from halo_py.ir.encode import decode_graph, encode_graph
from halo_py.ops import load_ops
from halo_py.types import DType
from odla.driver import Port, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph

    Array = NDArray[np.generic]

FORMAT = 1


def save_graph(graph: Graph, path: Path, kind: str, note: str = "") -> None:
    """Write a graph with its constants, and a text that `read_note` reads. Raises OutputError."""
    encoded = encode_graph(graph)
    documents = {"graph.json": to_json(encoded.document)}
    arrays: dict[str, Array] = {}
    listed: list[dict[str, Any]] = []
    for number, contents in enumerate(encoded.contents):
        dtype = DType.from_numpy(contents.dtype)
        if dtype is DType.STRING:
            documents[f"constants/{number}.json"] = to_json([str(item) for item in contents.reshape(-1)])
        else:
            arrays[f"constants/{number}"] = contents
        listed.append({"dtype": dtype.text, "shape": list(contents.shape)})
    manifest: dict[str, Any] = {"kind": kind, "format": FORMAT, "constants": listed}
    write_archive(path, documents, arrays, manifest | ({"note": note} if note else {}))


def read_note(path: Path, kind: str) -> str:
    """The text that a graph was saved with. Raises ExecutableError."""
    note: object = read_archive(path, kind, FORMAT).manifest.get("note")
    return note if isinstance(note, str) else ""


def load_graph(path: Path, kind: str) -> Graph:
    """Read a graph back. Raises ExecutableError."""
    load_ops()
    archive = read_archive(path, kind, FORMAT)
    try:
        contents = [_contents(archive, number, entry) for number, entry in enumerate(archive.manifest["constants"])]
        return decode_graph(archive.json("graph.json"), contents)
    except ExecutableError:
        raise
    except (HaloError, KeyError, TypeError, ValueError) as error:
        raise ExecutableError(f"its contents do not fit together: {error}", Where(str(path))) from error


def _contents(archive: Archive, number: int, entry: dict[str, Any]) -> Array:
    dtype, shape = DType.from_text(entry["dtype"]), tuple(entry["shape"])
    if dtype is DType.STRING:
        texts: Sequence[str] = archive.json(f"constants/{number}.json")
        return np.array(texts, object).reshape(shape)
    return archive.array(f"constants/{number}", dtype.numpy, shape)


def graph_signature(graph: Graph) -> Signature:
    """A graph's inputs and outputs."""
    outputs = zip(graph.output_names, graph.outputs, strict=True)
    return Signature(
        tuple(Port(value.name, value.type) for value in graph.inputs),
        tuple(Port(name, value.type) for name, value in outputs),
    )
