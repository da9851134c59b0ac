"""The nine light nets of the `onnx` package with real-looking weights.

The package ships the topologies of well-known networks with every weight a ConstantOfShape, so each output is
one repeated number and a compiler could break every convolution unseen. Here each such weight becomes a
seeded one, scaled after He et al. (2015, "Delving deep into rectifiers"); the final softmax is taken off, so
that outputs are logits, and five inner tensors become outputs too.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from tests.models.cache import cache_root, locked, whole_file
from tests.models.onnx_files import light_net_folder, load_model, save_checked_model

# Raise when the made files change, so that no cache keeps the old ones.
_RECIPE = 3
_INNER_OUTPUTS = 5

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Use:
    """Where a weight goes: the op and the operand position."""

    node: NodeProto
    position: int


def light_net(name: str) -> Path:
    """The light net `name` (the package's file name without `light_`), made on first use."""
    target = cache_root() / "light" / f"{name}-{_RECIPE}.onnx"
    if not target.exists():
        with locked(f"light-{name}"):
            if not target.exists():
                _make(name, target)
    return target


def _make(name: str, target: Path) -> None:
    model = load_model(light_net_folder() / f"light_{name}.onnx")
    _replace_weights(model.graph)
    _drop_final_softmax(model)
    _expose_inner_tensors(model)
    with whole_file(target) as part:
        save_checked_model(model, part)


def _replace_weights(graph: GraphProto) -> None:
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    uses = _weight_uses(graph)
    fills = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    made = {node.output[0]: tuple(int(size) for size in shapes[node.input[0]]) for node in fills}
    gone = {node.input[0] for node in fills}
    kept_nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    kept_weights = [tensor for tensor in graph.initializer if tensor.name not in gone]
    kept_inputs = [value for value in graph.input if value.name not in gone]
    for name, shape in made.items():
        kept_weights.append(numpy_helper.from_array(_weight(name, shape, uses), name))
        # These files have IR version 3, in which every initialiser is a graph input too.
        kept_inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(kept_nodes)
    graph.initializer.extend(kept_weights)
    graph.input.extend(kept_inputs)


def _weight_uses(graph: GraphProto) -> Mapping[str, list[Use]]:
    """Every use of a tensor; a weight that is only unsqueezed is used where the result is."""
    uses: dict[str, list[Use]] = defaultdict(list)
    for node in reversed(graph.node):
        for position, name in enumerate(node.input):
            uses[name].extend(uses[node.output[0]] if node.op_type == "Unsqueeze" else [Use(node, position)])
    return uses


def _weight(name: str, shape: tuple[int, ...], uses: Mapping[str, Sequence[Use]]) -> Array:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    use = uses[name][0]
    match use.node.op_type, use.position:
        case "Conv", 1:
            return _normal(rng, shape, fan_in=int(np.prod(shape[1:])))
        case "Gemm", 1:
            return _normal(rng, shape, fan_in=shape[1] if _attribute(use.node, "transB") else shape[0])
        case "BatchNormalization", 1 if _is_added(use.node, uses):
            return rng.uniform(0.1, 0.3, shape).astype(np.float32)
        case ("BatchNormalization", 1 | 4) | ("Mul", _):
            return rng.uniform(0.5, 1.0, shape).astype(np.float32)
        case _:
            return (rng.standard_normal(shape, np.float32) * np.float32(0.1)).astype(np.float32)


def _is_added(node: NodeProto, uses: Mapping[str, Sequence[Use]]) -> bool:
    """Whether the result is a branch of a residual sum; unscaled, the sums would double at every block."""
    return any(use.node.op_type == "Sum" for use in uses[node.output[0]])


def _normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Array:
    return rng.standard_normal(shape, np.float32) * np.float32((2.0 / fan_in) ** 0.5)


def _attribute(node: NodeProto, name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)


def _drop_final_softmax(model: ModelProto) -> None:
    graph = model.graph
    last = graph.node[-1]
    if last.op_type != "Softmax":
        return
    shape = [dim.dim_value for dim in graph.output[0].type.tensor_type.shape.dim]
    del graph.node[-1]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(last.input[0], TensorProto.FLOAT, shape))


def _expose_inner_tensors(model: ModelProto) -> None:
    """Makes five activations, spread evenly over the depth, outputs beside the logits."""
    inferred = {value.name: value for value in shape_inference.infer_shapes(model).graph.value_info}
    weights = {tensor.name for tensor in model.graph.initializer}
    active: set[str] = {value.name for value in model.graph.input} - weights
    activations: list[str] = []
    for node in model.graph.node:
        if active.intersection(node.input):
            active.add(node.output[0])
            activations.append(node.output[0])
    inner = [name for name in activations[:-1] if name in inferred]
    for index in range(_INNER_OUTPUTS):
        name = inner[(index + 1) * len(inner) // (_INNER_OUTPUTS + 1)]
        model.graph.output.append(inferred[name])
