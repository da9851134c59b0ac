"""ONNX models whose products of bytes are exact on every processor.

On x86-64 processors without dot products of bytes (AVX2 only), ONNX Runtime adds pairs of uint8 x int8 products in 16
bits, which saturate: 2·255·127 becomes 32,767 (its quantization guide says so under "when and why reduce range").
uint8 x uint8 products are summed in 32 bits. So there weights of int8 become uint8, with zero points that are as much
larger: (w + 128) - (z + 128) = w - z.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HALF = 128
_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True)
class _Product:
    """Positions of a node's operands: data (None: quantised to uint8 by the node itself), its zero point, and weights
    with their zero points.
    """

    data: int | None
    data_zero: int | None
    weights: tuple[tuple[int, int], ...]


_PRODUCTS: Mapping[tuple[str, str], _Product] = {
    ("", "MatMulInteger"): _Product(0, 2, ((1, 3),)),
    ("", "ConvInteger"): _Product(0, 2, ((1, 3),)),
    ("", "QLinearMatMul"): _Product(0, 2, ((3, 5),)),
    ("", "QLinearConv"): _Product(0, 2, ((3, 5),)),
    (_MICROSOFT, "QLinearConv"): _Product(0, 2, ((3, 5),)),
    (_MICROSOFT, "QGemm"): _Product(0, 2, ((3, 5),)),
    (_MICROSOFT, "MatMulIntegerToFloat"): _Product(0, 4, ((1, 5),)),
    (_MICROSOFT, "QAttention"): _Product(0, 6, ((1, 7),)),
    (_MICROSOFT, "DynamicQuantizeMatMul"): _Product(None, None, ((1, 3),)),
    (_MICROSOFT, "DynamicQuantizeLSTM"): _Product(None, None, ((1, 9), (2, 11))),
}


def with_exact_byte_products(model: ModelProto) -> bool:
    """Give the model unsigned weights if this processor's products with signed ones saturate; whether it was changed.

    Works in place. Results stay what ONNX says they are.
    """
    nodes = [node for graph in _graphs(model.graph) for node in graph.node]
    if not any((_domain(node), node.op_type) in _PRODUCTS for node in nodes) or not bytes_saturate():
        return False
    rewriter = _Rewriter(_element_types(model))
    rewriter.rewrite(model.graph)
    model.graph.initializer.extend(rewriter.constants)
    return bool(rewriter.constants)


def exact_source(source: Path | bytes) -> str | bytes:
    """What ONNX Runtime is given for a model: its path or bytes, or bytes with unsigned weights where it needs them."""
    if bytes_saturate():
        model = _parsed(source.read_bytes() if isinstance(source, Path) else source)
        if with_exact_byte_products(model):
            if isinstance(source, Path):
                load_external_data_for_model(model, str(source.parent))
            return model.SerializeToString()
    return str(source) if isinstance(source, Path) else source


def _parsed(contents: bytes) -> ModelProto:
    model = ModelProto()
    model.ParseFromString(contents)
    return model


@cache
def bytes_saturate() -> bool:
    """Whether ONNX Runtime's sums of uint8 x int8 products saturate on this processor: tried, not looked up."""
    ports = [
        helper.make_tensor_value_info("a", TensorProto.UINT8, [1, 4]),
        helper.make_tensor_value_info("b", TensorProto.INT8, [4, 1]),
    ]
    total = helper.make_tensor_value_info("total", TensorProto.INT32, [1, 1])
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["total"])], "probe", ports, [total])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {"a": np.full((1, 4), 255, np.uint8), "b": np.full((4, 1), 127, np.int8)}
    (found,) = session.run(None, feeds)
    return int(found[0, 0]) != 4 * 255 * 127


def _domain(node: NodeProto) -> str:
    return "" if node.domain == "ai.onnx" else node.domain


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and those nested in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from _graphs(inner)


def _element_types(model: ModelProto) -> dict[str, int]:
    """ONNX's numbers of the element types that are stated or follow, by value name."""
    from onnx.shape_inference import infer_shapes

    try:
        inferred = infer_shapes(model)
    except Exception:  # noqa: BLE001 - what cannot be inferred stays unknown, and such nodes stay as they are
        inferred = model
    found: dict[str, int] = {}
    for graph in _graphs(inferred.graph):
        for port in (*graph.input, *graph.value_info, *graph.output):
            if port.type.HasField("tensor_type"):
                found[port.name] = port.type.tensor_type.elem_type
        found.update((tensor.name, tensor.data_type) for tensor in graph.initializer)
    return found


@dataclass(slots=True)
class _Rewriter:
    """Shifts weights of int8 by 128. Each graph shifts for itself, before the first node that reads the weights."""

    types: Mapping[str, int]
    constants: list[TensorProto] = field(default_factory=list[TensorProto])
    _made: int = 0

    def rewrite(self, graph: GraphProto) -> None:
        """A graph and its nested ones, in place."""
        shifted: dict[str, str] = {}
        nodes: list[NodeProto] = []
        for original in graph.node:
            node = NodeProto()
            node.CopyFrom(original)
            for attribute in node.attribute:
                for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                    self.rewrite(inner)
            nodes += self._unsigned(node, shifted)
            nodes.append(node)
        del graph.node[:]
        graph.node.extend(nodes)

    def _unsigned(self, node: NodeProto, shifted: dict[str, str]) -> list[NodeProto]:
        """Make the node read unsigned weights; the nodes that shift them."""
        product = _PRODUCTS.get((_domain(node), node.op_type))
        if product is None or not self._takes_unsigned_data(node, product):
            return []
        added: list[NodeProto] = []
        for weights, zero in product.weights:
            if self._type(node, weights) != TensorProto.INT8:
                continue
            node.input.extend([""] * (zero + 1 - len(node.input)))
            for place in (weights, zero):
                name = node.input[place]
                if name not in shifted:
                    shifted[name] = self._shift(name, added) if name else self._constant(np.asarray(_HALF, np.uint8))
                node.input[place] = shifted[name]
        return added

    def _takes_unsigned_data(self, node: NodeProto, product: _Product) -> bool:
        places = (product.data, product.data_zero)
        return product.data is None or TensorProto.UINT8 in [self._type(node, place) for place in places]

    def _type(self, node: NodeProto, place: int | None) -> int | None:
        return self.types.get(node.input[place]) if place is not None and place < len(node.input) else None

    def _shift(self, name: str, added: list[NodeProto]) -> str:
        """The name of a value plus 128, as uint8."""
        half = self._constant(np.asarray(_HALF, np.int32))
        wide, moved, made = (self._name() for _ in range(3))
        added.append(helper.make_node("Cast", [name], [wide], wide, to=TensorProto.INT32))
        added.append(helper.make_node("Add", [wide, half], [moved], moved))
        added.append(helper.make_node("Cast", [moved], [made], made, to=TensorProto.UINT8))
        return made

    def _constant(self, contents: NDArray[Any]) -> str:
        name = self._name()
        self.constants.append(numpy_helper.from_array(contents, name))
        return name

    def _name(self) -> str:
        self._made += 1
        return f"halo.unsigned.{self._made}"
