"""Eager mode: operators that run at once, on the thread's device. What was compiled for one call serves equal ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.archive import to_json
from halo_py.ir.encode import content_digest, encode_graph
from halo_py.types import DType
from odla.c.device import target_of
from odla.c.program import Target, compile_graph
from odla.c.values import Role, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph
    from halo_py.ir.graph import Value as Node
    from halo_py.types import TensorType
    from odla.c.scope import Scope
    from odla.handles import Executable

    Array = NDArray[Any]

ids: dict[str, Value] = {}
"""Eager values by id."""

_KEPT = 256
"""Compiled calls kept, those used last."""

_programs: OrderedDict[tuple[Target, bytes], Executable] = OrderedDict()
_lock = threading.Lock()


def remember(value: Value) -> Value:
    """Let an eager value be found by its id."""
    if value.id is not None:
        ids[value.id] = value
    return value


def zeros(shape: tuple[int, ...], dtype: DType) -> Array:
    """Contents of a variable at first."""
    return np.zeros(shape, dtype.numpy)


def run(scope: Scope, outputs: Sequence[Node]) -> list[Array]:
    """The contents of values of an eager scope. Raises HaloError."""
    names = [f"out{number}" for number in range(len(outputs))]
    graph = scope.builder.finish(outputs, names)
    executable = _compiled(graph, target_of(None, {}))
    arrays = [scope.eager_inputs[node] for node in graph.inputs]
    result = executable.driver.run(executable.artefact, executable.ordered(arrays))
    return [np.asarray(cast("Any", output)) for output in result.outputs]


def value_of(array: Array, id: str | None) -> Value:
    """An eager value that holds these contents."""
    from halo_py.types import TensorType

    type: TensorType = TensorType(DType.from_numpy(array.dtype), array.shape)
    return remember(Value(type, id, Role.EAGER, array=array))


def _compiled(graph: Graph, target: Target) -> Executable:
    encoded = encode_graph(graph)
    digests = "".join(content_digest(array) for array in encoded.contents)
    key = (target, to_json(encoded.document) + digests.encode())
    with _lock:
        found = _programs.get(key)
        if found is not None:
            _programs.move_to_end(key)
            return found
    made = compile_graph(graph, target, {})
    with _lock:
        _programs[key] = made
        if len(_programs) > _KEPT:
            _programs.popitem(last=False)
    return made
