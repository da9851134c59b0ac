"""BERT, ViT and RoFormerV2 at their published sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto

from benchmarks.full_size.layers import Layers
from benchmarks.full_size.writer import GraphWriter

_BERT_VOCABULARY = 30522
_BERT_POSITIONS = 512
_BERT_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Size:
    """Depth and width of an encoder."""

    layers: int
    hidden: int
    heads: int


BERT_BASE = Size(layers=12, hidden=768, heads=12)
BERT_LARGE = Size(layers=24, hidden=1024, heads=16)
VIT_BASE = Size(layers=12, hidden=768, heads=12)
ROFORMER_SMALL = Size(layers=6, hidden=384, heads=6)


def write_bert(path: Path, size: Size, sequence: int, *, external_weights: bool, fast_gelu: bool = False) -> None:
    """BERT (Devlin et al., 2018) with the question-answering head of its published benchmarks.

    Inputs `input_ids`, `attention_mask`, `token_type_ids`, int64 [batch, sequence]; outputs `start_logits` and
    `end_logits` [batch, sequence].
    """
    with GraphWriter(path, seed=size.layers, external_weights=external_weights) as graph:
        shape = ("batch", sequence)
        ids, mask, types = (
            graph.input(name, shape, TensorProto.INT64) for name in ("input_ids", "attention_mask", "token_type_ids")
        )
        layers = Layers(graph, size.hidden, size.heads, fast_gelu)
        additive = layers.additive_mask(mask)
        x = layers.layer_norm("embeddings.norm", _bert_embeddings(layers, ids, types, sequence), _BERT_EPSILON)
        for index in range(size.layers):
            name = f"layer.{index}"
            attended = layers.self_attention(f"{name}.attention", x, additive)
            x = layers.layer_norm(f"{name}.attention.norm", graph.add("Add", attended, x), _BERT_EPSILON)
            x = layers.layer_norm(f"{name}.norm", graph.add("Add", layers.feed_forward(name, x), x), _BERT_EPSILON)
        start, end = graph.add_split(layers.dense("qa_outputs", x, size.hidden, 2), axis=-1, sizes=[1, 1])
        for name, logits in (("start_logits", start), ("end_logits", end)):
            graph.add("Squeeze", logits, graph.constant([-1]), result=name)
            graph.output(name, shape)


def _bert_embeddings(layers: Layers, ids: str, types: str, sequence: int) -> str:
    graph, hidden = layers.graph, layers.hidden
    words = graph.add("Gather", graph.normal("embeddings.word", (_BERT_VOCABULARY, hidden), 1.0), ids)
    kinds = graph.add("Gather", graph.normal("embeddings.type", (2, hidden), 1.0), types)
    numbers = graph.constant(np.arange(sequence)[None])
    places = graph.add("Gather", graph.normal("embeddings.position", (_BERT_POSITIONS, hidden), 1.0), numbers)
    return graph.add("Add", graph.add("Add", words, kinds), places)


def write_vit(path: Path, size: Size, *, image: int = 224, patch: int = 16, classes: int = 1000) -> None:
    """ViT (Dosovitskiy et al., 2020): input `pixel_values` [batch, 3, 224, 224], output `logits` [batch, 1000]."""
    with GraphWriter(path, seed=16) as graph:
        pixels = graph.input("pixel_values", ("batch", 3, image, image))
        layers = Layers(graph, size.hidden, size.heads)
        x = _patch_embeddings(layers, pixels, image // patch, patch)
        for index in range(size.layers):
            name = f"layer.{index}"
            normal = layers.layer_norm(f"{name}.norm_before", x, 1e-12)
            x = graph.add("Add", layers.self_attention(f"{name}.attention", normal, None), x)
            normal = layers.layer_norm(f"{name}.norm_after", x, 1e-12)
            x = graph.add("Add", layers.feed_forward(name, normal), x)
        x = graph.add("Gather", layers.layer_norm("norm", x, 1e-12), graph.constant(0), axis=1)
        weight = graph.normal("classifier.weight", (classes, size.hidden), size.hidden**-0.5)
        graph.add("Gemm", x, weight, graph.normal("classifier.bias", (classes,), 0.1), result="logits", transB=1)
        graph.output("logits", ("batch", classes))


def _patch_embeddings(layers: Layers, pixels: str, side: int, patch: int) -> str:
    graph, hidden = layers.graph, layers.hidden
    kernel = graph.normal("embeddings.patch.weight", (hidden, 3, patch, patch), (3 * patch**2) ** -0.5)
    bias = graph.normal("embeddings.patch.bias", (hidden,), 0.1)
    x = graph.add("Conv", pixels, kernel, bias, kernel_shape=[patch] * 2, strides=[patch] * 2)
    sizes = [layers.leading_size(x, 0), graph.constant([hidden]), graph.constant([-1])]
    x = graph.add("Transpose", graph.add("Reshape", x, graph.add("Concat", *sizes, axis=0)), perm=[0, 2, 1])
    wanted = [layers.leading_size(pixels, 0), graph.constant([1]), graph.constant([hidden])]
    token = graph.normal("embeddings.token", (1, 1, hidden), 1.0)
    first = graph.add("Expand", token, graph.add("Concat", *wanted, axis=0))
    place = graph.normal("embeddings.position", (1, side**2 + 1, hidden), 0.5)
    return graph.add("Add", graph.add("Concat", first, x, axis=1), place)


_ROFORMER_VOCABULARY = 12000


def write_roformer(path: Path, size: Size, sequence: int, *, classes: int = 2) -> None:
    """RoFormerV2 (Su et al., "RoFormer", 2021, second version): rotary positions, no biases, unscaled RMS norms.

    Inputs `input_ids`, `token_type_ids`, `attention_mask`, int64 [batch, sequence]; output `output` [batch, 2].
    """
    with GraphWriter(path, seed=size.hidden) as graph:
        shape = ("batch", sequence)
        ids, types, mask = (
            graph.input(name, shape, TensorProto.INT64) for name in ("input_ids", "token_type_ids", "attention_mask")
        )
        layers = Layers(graph, size.hidden, size.heads)
        additive = layers.additive_mask(mask)
        words = graph.add("Gather", graph.normal("embeddings.word", (_ROFORMER_VOCABULARY, size.hidden), 1.0), ids)
        kinds = graph.add("Gather", graph.normal("embeddings.type", (2, size.hidden), 1.0), types)
        x = _rms_norm(graph, graph.add("Add", words, kinds))
        for index in range(size.layers):
            attended = _rotary_attention(layers, f"layer.{index}.attention", x, additive, sequence)
            x = _rms_norm(graph, graph.add("Add", attended, x))
            x = _rms_norm(graph, graph.add("Add", layers.feed_forward(f"layer.{index}", x, bias=False), x))
        pooled = layers.dense("pooler", graph.add("Gather", x, graph.constant(0), axis=1), size.hidden, size.hidden)
        weight = graph.normal("classifier.weight", (classes, size.hidden), size.hidden**-0.5)
        graph.add("Gemm", pooled, weight, graph.normal("classifier.bias", (classes,), 0.1), result="output", transB=1)
        graph.output("output", ("batch", classes))


def _rms_norm(graph: GraphWriter, x: str) -> str:
    square = graph.add("ReduceMean", graph.add("Pow", x, graph.constant(2.0)), axes=[-1])
    return graph.add("Div", x, graph.add("Sqrt", graph.add("Add", square, graph.constant(1e-12))))


def _rotary_attention(layers: Layers, name: str, x: str, mask: str, sequence: int) -> str:
    hidden = layers.hidden
    query, key, value = (
        layers.split_heads(layers.dense(f"{name}.{part}", x, hidden, hidden, bias=False))
        for part in ("query", "key", "value")
    )
    joined = layers.attention(_rotate(layers, query, sequence), _rotate(layers, key, sequence), value, mask)
    return layers.dense(f"{name}.output", joined, hidden, hidden, bias=False)


def _rotate(layers: Layers, x: str, sequence: int) -> str:
    """Each pair of neighbours (a, b) turned by its position's angle: x cos + (-b, a) sin."""
    graph, size = layers.graph, layers.hidden // layers.heads
    rates = 10000.0 ** (-np.arange(0, size, 2, dtype=np.float64) / size)
    angles = np.repeat(np.arange(sequence)[:, None] * rates, 2, axis=1)[None, :, None, :]
    even, odd = (
        graph.add("Slice", x, graph.constant([start]), graph.constant([size]), graph.constant([3]), graph.constant([2]))
        for start in (0, 1)
    )
    last = graph.constant([4])
    pairs = graph.add(
        "Concat", graph.add("Unsqueeze", graph.add("Neg", odd), last), graph.add("Unsqueeze", even, last), axis=-1
    )
    turned = layers.reshape_from(pairs, layers.heads, size)
    return graph.add(
        "Add",
        graph.add("Mul", x, graph.constant(np.cos(angles))),
        graph.add("Mul", turned, graph.constant(np.sin(angles))),
    )
