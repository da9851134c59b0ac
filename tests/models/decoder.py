"""A decoder with caches in the form that ONNX Runtime GenAI's model builder gives language models, with seeded weights.

Per layer: root mean square normalisation, one product for queries, keys and values, GroupQueryAttention with rotary
tables and caches, a gated feed-forward part. The number of valid tokens is the sum of the attention mask.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.models.onnx_files import save_model

TOKENS, HIDDEN, INNER, LAYERS, HEADS, GROUPS, SIZE, LONGEST = 100, 64, 96, 2, 4, 2, 16, 32
CACHES = tuple(f"{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value"))
"""Names of the caches, without what says whether they are past or present."""

_EPSILON = 1e-5
_SEED = 11


@dataclass(slots=True)
class _Writer:
    """Nodes and weights, one after another."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(_SEED))
    nodes: list[NodeProto] = field(default_factory=list[NodeProto])
    weights: list[TensorProto] = field(default_factory=list[TensorProto])

    def weight(self, name: str, contents: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(contents, name))
        return name

    def matrix(self, name: str, rows: int, columns: int) -> str:
        contents = self.random.standard_normal((rows, columns)) * rows**-0.5
        return self.weight(name, contents.astype(np.float32))

    def scale(self, name: str) -> str:
        return self.weight(name, self.random.uniform(0.8, 1.2, HIDDEN).astype(np.float32))

    def node(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, outputs, outputs[0], domain=domain, **attributes))
        return outputs[0]

    def contrib(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        return self.node(op, inputs, outputs, "com.microsoft", **attributes)


def _lengths(write: _Writer) -> tuple[str, str]:
    """Valid tokens less 1 per batch entry, and the greatest number of tokens."""
    one, axes = write.weight("one", np.asarray(1, np.int64)), write.weight("axes", np.asarray([1], np.int64))
    total = write.node("ReduceSum", ["attention_mask", axes], ["mask_sum"], keepdims=0)
    last = write.node("Sub", [total, one], ["mask_sum_less_one"])
    lengths = write.node("Cast", [last], ["seqlens_k"], to=TensorProto.INT32)
    shape = write.node("Shape", ["attention_mask"], ["mask_shape"])
    extent = write.node("Gather", [shape, one], ["mask_extent"], axis=0)
    return lengths, write.node("Cast", [extent], ["total_sequence_length"], to=TensorProto.INT32)


def _tables(write: _Writer) -> tuple[str, str]:
    angles = np.arange(LONGEST)[:, None] * 10000.0 ** (-np.arange(SIZE // 2) / (SIZE // 2))
    return write.weight("cos", np.cos(angles).astype(np.float32)), write.weight(
        "sin", np.sin(angles).astype(np.float32)
    )


def _layer(write: _Writer, number: int, normal: str, residual: str, shared: list[str]) -> tuple[str, str]:
    """One layer: its normalised input and the residual in, those of the next one out."""
    name = f"layers.{number}"
    width = (HEADS + 2 * GROUPS) * SIZE
    packed = write.node("MatMul", [normal, write.matrix(f"{name}.qkv", HIDDEN, width)], [f"{name}.packed"])
    caches = [f"past_key_values.{number}.{part}" for part in ("key", "value")]
    results = [f"{name}.attended", *(f"present.{number}.{part}" for part in ("key", "value"))]
    attended = write.contrib(
        "GroupQueryAttention", [packed, "", "", *caches, *shared], results,
        num_heads=HEADS, kv_num_heads=GROUPS, do_rotary=1, local_window_size=6 if number else -1,
    )  # fmt: skip
    projected = write.node("MatMul", [attended, write.matrix(f"{name}.out", HEADS * SIZE, HIDDEN)], [f"{name}.mixed"])
    middle = [f"{name}.middle", "", "", f"{name}.residual"]
    write.contrib(
        "SkipSimplifiedLayerNormalization", [residual, projected, write.scale(f"{name}.post")], middle, epsilon=_EPSILON
    )
    gate = write.node("MatMul", [middle[0], write.matrix(f"{name}.gate", HIDDEN, INNER)], [f"{name}.gated"])
    up = write.node("MatMul", [middle[0], write.matrix(f"{name}.up", HIDDEN, INNER)], [f"{name}.upper"])
    inner = write.node("Mul", [write.contrib("QuickGelu", [gate], [f"{name}.silu"], alpha=1.0), up], [f"{name}.inner"])
    down = write.node("MatMul", [inner, write.matrix(f"{name}.down", INNER, HIDDEN)], [f"{name}.lower"])
    last = [f"{name}.output", "", "", f"{name}.sum"]
    write.contrib(
        "SkipSimplifiedLayerNormalization", [middle[3], down, write.scale(f"{name}.next")], last, epsilon=_EPSILON
    )
    return last[0], last[3]


def save_decoder(path: Path) -> None:
    """Writes the model: ids, mask and caches in, logits and caches out; batch and lengths are free."""
    write = _Writer()
    shared = [*_lengths(write), *_tables(write)]
    rows = write.weight("embeddings", write.random.standard_normal((TOKENS, HIDDEN)).astype(np.float32))
    residual = write.node("Gather", [rows, "input_ids"], ["embedded"])
    normal = write.node(
        "SimplifiedLayerNormalization", [residual, write.scale("first")], ["normal"], axis=-1, epsilon=_EPSILON
    )
    for number in range(LAYERS):
        normal, residual = _layer(write, number, normal, residual, shared)
    write.node("MatMul", [normal, write.matrix("head", HIDDEN, TOKENS)], ["logits"])

    def port(name: str, kind: int, *dims: int | str) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, list(dims))

    inputs = [
        port("input_ids", TensorProto.INT64, "batch", "steps"),
        port("attention_mask", TensorProto.INT64, "batch", "total"),
        *(port(f"past_key_values.{cache}", TensorProto.FLOAT, "batch", GROUPS, "past", SIZE) for cache in CACHES),
    ]
    outputs = [
        port("logits", TensorProto.FLOAT, "batch", "steps", TOKENS),
        *(port(f"present.{cache}", TensorProto.FLOAT, "batch", GROUPS, "total", SIZE) for cache in CACHES),
    ]
    graph = helper.make_graph(write.nodes, "decoder", inputs, outputs, write.weights)
    versions = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    save_model(helper.make_model(graph, opset_imports=versions, ir_version=10), path)
