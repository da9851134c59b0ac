"""Which variable has which name in a checkpoint, told from the objects of the program that saved the model.

A SavedModel lists its objects and their parts, a checkpoint lists the same objects with the names of what it holds. A
function of the library knows which objects its last arguments are, and the main graph calls it with handles.
"""

from __future__ import annotations

from halo_frontends.tensorflow.graph import Body
from halo_frontends.tensorflow.proto import SavedObjectGraph, TrackableObjectGraph

_VALUE = "VARIABLE_VALUE"


def keys_of_objects(main: Body, saved: SavedObjectGraph, stored: TrackableObjectGraph | None) -> dict[str, str]:
    """Handle node of the main graph -> name in the checkpoint."""
    if stored is None or not saved.nodes or not stored.nodes:
        return {}
    names = _names(saved, stored)
    found: dict[str, str] = {}
    for node in main.nodes.values():
        for function in node.attributes.functions():
            if function not in saved.concrete_functions:
                continue
            bound = list(saved.concrete_functions[function].bound_inputs)
            if not 0 < len(bound) <= len(node.inputs):
                continue
            for ref, number in zip(node.inputs[-len(bound) :], bound, strict=True):
                if number in names:
                    found[ref.node] = names[number]
    return found


def _names(saved: SavedObjectGraph, stored: TrackableObjectGraph) -> dict[int, str]:
    """Object of the model -> name of its contents in the checkpoint: both lists are walked along equal parts."""
    found: dict[int, str] = {}
    waiting, seen = [(0, 0)], {0}
    while waiting:
        here, there = waiting.pop()
        for attribute in stored.nodes[there].attributes:
            if attribute.name == _VALUE:
                found[here] = attribute.checkpoint_key
        parts = {child.local_name: child.node_id for child in stored.nodes[there].children}
        for child in saved.nodes[here].children:
            other = parts.get(child.local_name)
            known = 0 <= child.node_id < len(saved.nodes) and other is not None and 0 <= other < len(stored.nodes)
            if known and other is not None and child.node_id not in seen:
                seen.add(child.node_id)
                waiting.append((child.node_id, other))
    return found
