"""Frozen graphs and SavedModel folders as parsed files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from halo_frontends.mapped import map_file
from halo_frontends.tensorflow.checkpoint import Checkpoint
from halo_frontends.tensorflow.descriptors import SPAN_FIELD
from halo_frontends.tensorflow.graph import Body, Library, graph_body
from halo_frontends.tensorflow.objects import keys_of_objects
from halo_frontends.tensorflow.proto import (
    DecodeError,
    GraphDef,
    MetaGraphDef,
    SavedObjectGraph,
    SignatureDef,
    parse_graph,
    parse_saved_model,
)
from halo_frontends.tensorflow.tensors import TensorReader
from halo_frontends.tensorflow.variables import variable_keys
from halo_frontends.wire import Kind, MalformedError, cut, varint
from halo_py.errors import ModelError, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAVED_MODEL = "saved_model.pb"

_TENSOR = Kind(raw_field=4)
_ATTRIBUTE = Kind({8: _TENSOR})
_ENTRY = Kind({2: _ATTRIBUTE})
_NODE = Kind({5: _ENTRY})
_LIBRARY = Kind({1: Kind({3: _NODE})})
_GRAPH = Kind({1: _NODE, 2: _LIBRARY})
_SAVED_MODEL = Kind({2: Kind({2: _GRAPH})})


@dataclass(frozen=True)
class TensorflowFile:
    """A parsed model: its main graph, its functions, how to read constants; of a SavedModel also its signatures."""

    path: Path
    graph: GraphDef
    body: Body
    library: Library
    tensors: TensorReader
    signatures: Mapping[str, SignatureDef]
    producer: str
    restore: str = ""
    """The node that restores the variables."""
    objects: SavedObjectGraph | None = None

    @property
    def place(self) -> Where:
        """The file, for messages."""
        return Where(str(self.path))

    def checkpoint(self) -> Checkpoint | None:
        """The variables beside a SavedModel, if there are any. Raises ModelError."""
        prefix = self.path.parent / "variables" / "variables"
        return Checkpoint(prefix) if self.signatures and prefix.with_name("variables.index").exists() else None

    def keys(self) -> dict[str, str]:
        """Node of a variable -> its name in the checkpoint. Raises ModelError."""
        found = variable_keys(self.body, self.restore, self.library, self.tensors, str(self.path))
        checkpoint = self.checkpoint() if self.objects is not None else None
        if checkpoint is None or self.objects is None:
            return found
        return {**keys_of_objects(self.body, self.objects, checkpoint.objects()), **found}


def saved_model_file(path: Path) -> Path | None:
    """The file that describes a SavedModel, given its folder or the file itself; None if it is none."""
    if path.is_dir():
        return path / SAVED_MODEL if (path / SAVED_MODEL).is_file() else None
    return path if path.name == SAVED_MODEL else None


def parse_file(path: Path) -> TensorflowFile:
    """A frozen graph or a SavedModel. Raises ModelError."""
    saved = saved_model_file(path)
    try:
        contents = map_file(saved or path)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", Where(str(saved or path))) from error
    try:
        return _saved_model(saved, contents) if saved is not None else _frozen_graph(path, contents)
    except (MalformedError, DecodeError):
        kind = "SavedModel" if saved else "TensorFlow graph"
        place = Where(str(saved or path))
        raise ModelError(f"is not a complete {kind}: the file is truncated or damaged", place) from None


def _stand_in(number: int) -> bytes:
    """The field that stands for a span; 0 is its default, so numbers begin with 1."""
    return varint(SPAN_FIELD << 3) + varint(number + 1)


def _frozen_graph(path: Path, contents: NDArray[np.uint8]) -> TensorflowFile:
    skeleton, spans = cut(contents, _GRAPH, _stand_in)
    graph = parse_graph(skeleton)
    if not graph.node:
        raise ModelError("is not a TensorFlow graph: it holds no nodes", Where(str(path)))
    file = str(path)
    reader = TensorReader(contents, spans)
    library = Library(graph.library.function, file)
    return TensorflowFile(path, graph, graph_body(graph, file), library, reader, {}, "")


def _saved_model(path: Path, contents: NDArray[np.uint8]) -> TensorflowFile:
    skeleton, spans = cut(contents, _SAVED_MODEL, _stand_in)
    model, file = parse_saved_model(skeleton), str(path)
    if not model.meta_graphs:
        raise ModelError("is not a SavedModel: it holds no graph", Where(file))
    meta = next((entry for entry in model.meta_graphs if "serve" in entry.meta_info_def.tags), model.meta_graphs[0])
    graph = meta.graph_def
    return TensorflowFile(
        path,
        graph,
        graph_body(graph, file),
        Library(graph.library.function, file),
        TensorReader(contents, spans),
        _signatures(meta),
        meta.meta_info_def.tensorflow_version,
        meta.saver_def.restore_op_name.split(":")[0],
        meta.object_graph_def,
    )


def _signatures(meta: MetaGraphDef) -> dict[str, SignatureDef]:
    """Those that compute something."""
    return {name: entry for name, entry in sorted(meta.signature_def.items()) if entry.outputs and name[:2] != "__"}
