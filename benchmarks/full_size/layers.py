"""Transformer layers spelled out the way PyTorch's exporter spells them at opset 17 and below."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onnx import TensorProto

from benchmarks.full_size.writer import GraphWriter


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers of width `hidden` over tensors of shape [batch, sequence, hidden], added to `graph`.

    `fast_gelu` takes the tanh approximation of GELU.
    """

    graph: GraphWriter
    hidden: int
    heads: int
    fast_gelu: bool = False

    def dense(self, name: str, x: str, inner: int, outer: int, *, bias: bool = True) -> str:
        """MatMul, then the bias as a separate Add."""
        y = self.graph.add("MatMul", x, self.graph.normal(f"{name}.weight", (inner, outer), inner**-0.5))
        return self.graph.add("Add", self.graph.normal(f"{name}.bias", (outer,), 0.1), y) if bias else y

    def layer_norm(self, name: str, x: str, epsilon: float) -> str:
        """Layer normalisation as nine primitive nodes."""
        add, constant = self.graph.add, self.graph.constant
        centred = add("Sub", x, add("ReduceMean", x, axes=[-1]))
        variance = add("ReduceMean", add("Pow", centred, constant(2.0)), axes=[-1])
        unit = add("Div", centred, add("Sqrt", add("Add", variance, constant(epsilon))))
        scaled = add("Mul", unit, self.graph.normal(f"{name}.weight", (self.hidden,), 0.1, mean=1.0))
        return add("Add", scaled, self.graph.normal(f"{name}.bias", (self.hidden,), 0.1))

    def gelu(self, x: str) -> str:
        """GELU in primitive nodes: x/2 (1 + erf(x/sqrt 2)), or x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
        add, constant = self.graph.add, self.graph.constant
        if self.fast_gelu:
            cubed = add("Mul", add("Pow", x, constant(3.0)), constant(0.044715))
            inner = add("Mul", add("Add", x, cubed), constant(math.sqrt(2.0 / math.pi)))
            return add("Mul", add("Mul", x, constant(0.5)), add("Add", add("Tanh", inner), constant(1.0)))
        shifted = add("Add", add("Erf", add("Div", x, constant(math.sqrt(2.0)))), constant(1.0))
        return add("Mul", add("Mul", x, shifted), constant(0.5))

    def leading_size(self, x: str, axis: int) -> str:
        """The size of an axis as a tensor of one element, by the exporter's chain of three nodes."""
        size = self.graph.add("Gather", self.graph.add("Shape", x), self.graph.constant(axis), axis=0)
        return self.graph.add("Unsqueeze", size, self.graph.constant([0]))

    def reshape_from(self, x: str, *tail: int) -> str:
        """[batch, sequence, ...] reshaped to [batch, sequence, *tail], both sizes read from the tensor."""
        sizes = [self.leading_size(x, 0), self.leading_size(x, 1), *(self.graph.constant([size]) for size in tail)]
        return self.graph.add("Reshape", x, self.graph.add("Concat", *sizes, axis=0))

    def split_heads(self, x: str) -> str:
        """[batch, sequence, hidden] to [batch, sequence, heads, hidden / heads]."""
        return self.reshape_from(x, self.heads, self.hidden // self.heads)

    def attention(self, query: str, key: str, value: str, mask: str | None) -> str:
        """Softmax attention over heads; operands are [batch, sequence, heads, size], the result is joined."""
        add = self.graph.add
        q, v = (add("Transpose", operand, perm=[0, 2, 1, 3]) for operand in (query, value))
        k = add("Transpose", key, perm=[0, 2, 3, 1])
        scores = add("Div", add("MatMul", q, k), self.graph.constant(math.sqrt(self.hidden / self.heads)))
        if mask is not None:
            scores = add("Add", scores, mask)
        mixed = add("MatMul", add("Softmax", scores, axis=-1), v)
        return self.reshape_from(add("Transpose", mixed, perm=[0, 2, 1, 3]), self.hidden)

    def self_attention(self, name: str, x: str, mask: str | None) -> str:
        """Multi-head self-attention with its output projection."""
        query, key, value = (
            self.split_heads(self.dense(f"{name}.{part}", x, self.hidden, self.hidden))
            for part in ("query", "key", "value")
        )
        return self.dense(f"{name}.output", self.attention(query, key, value, mask), self.hidden, self.hidden)

    def feed_forward(self, name: str, x: str, *, bias: bool = True) -> str:
        """Two dense layers of inner width 4 x hidden with a GELU between."""
        inner = 4 * self.hidden
        y = self.gelu(self.dense(f"{name}.intermediate", x, self.hidden, inner, bias=bias))
        return self.dense(f"{name}.output", y, inner, self.hidden, bias=bias)

    def additive_mask(self, attention_mask: str) -> str:
        """[batch, sequence] of 1 and 0 as [batch, 1, 1, sequence] of 0 and a large negative number."""
        add, constant = self.graph.add, self.graph.constant
        widened = add("Unsqueeze", add("Unsqueeze", attention_mask, constant([1])), constant([2]))
        inverted = add("Sub", constant(1.0), add("Cast", widened, to=TensorProto.FLOAT))
        return add("Mul", inverted, constant(-10000.0))
