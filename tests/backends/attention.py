"""A small attention block built by hand: gather, matmuls, softmax, normalisation, concat."""

from __future__ import annotations

from typing import Any

import numpy as np

from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import REGISTRY, Op
from halo_py.ops import load_ops
from halo_py.types import DType, tensor

LENGTH, WIDTH, VOCABULARY = 12, 32, 50

Numbers = np.ndarray[Any, Any]


def onnx_op(name: str, **attributes: Any) -> Op:
    """The op of this ONNX name."""
    load_ops()
    return REGISTRY.by_onnx["", name](**attributes)


def attention_inputs() -> dict[str, Numbers]:
    """Seeded inputs of the block."""
    random = np.random.default_rng(5)
    return {
        "ids": random.integers(0, VOCABULARY, (1, LENGTH)),
        "x": random.normal(size=(1, LENGTH, WIDTH)).astype(np.float32),
    }


def attention_block() -> Graph:
    """Embedding plus input, one head of attention, a residual, a normalisation, and a concatenation."""
    random = np.random.default_rng(4)
    builder = GraphBuilder("attention")

    def weights(*shape: int) -> Value:
        scale = (2 / shape[0]) ** 0.5
        return builder.constant((random.normal(size=shape) * scale).astype(np.float32), "w")

    def add(name: str, *operands: Value, **attributes: Any) -> Value:
        return builder.add(onnx_op(name, **attributes), operands, name=name.lower())[0]

    ids = builder.input("ids", tensor(DType.INT64, 1, LENGTH))
    x = builder.input("x", tensor(DType.FLOAT32, 1, LENGTH, WIDTH))
    h = add("Add", add("Gather", weights(VOCABULARY, WIDTH), ids), x)
    q, k, v = (add("MatMul", h, weights(WIDTH, WIDTH)) for _ in range(3))
    scores = add("MatMul", q, add("Transpose", k, perm=(0, 2, 1)))
    mixed = add("MatMul", add("Softmax", scores, axis=-1), v)
    scale, shift = weights(WIDTH), weights(WIDTH)
    normal = add("LayerNormalization", add("Add", mixed, h), scale, shift, axis=-1)
    both = add("Concat", normal, add("Tanh", h), axis=2)
    return builder.finish([add("MatMul", both, weights(2 * WIDTH, 10))], ["y"])
