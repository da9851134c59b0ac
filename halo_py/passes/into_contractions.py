"""Transposes around a contraction become part of it: it can read and write its operands in any order of axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from halo_py.ir.graph import Node, Value
from halo_py.ir.pattern import onnx_op, static_shape
from halo_py.ir.rewrite import Rewriter, Rule, kind_of
from halo_py.ops.scalar_op import Elementwise
from halo_py.passes.layout import permutation, transposed

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def flag_of_gemm(rewriter: Rewriter, node: Node) -> bool:
    """Gemm with a transposed operand -> flag of Gemm."""
    op: Any = node.op
    for index, flag in enumerate(("transA", "transB")):
        item = transposed(rewriter, node.inputs[index])
        if item is None or item[0] != (1, 0):
            continue
        operands = [*node.inputs]
        operands[index] = item[1]
        changed = replace(op, **{flag: 1 - getattr(op, flag)})
        rewriter.update(node, op=changed, inputs=tuple(operands), where=node.where.merge(item[2].where))
        return True
    return False


def matrix_product(rewriter: Rewriter, node: Node) -> bool:
    """MatMul with a transposed operand -> Gemm (two matrices) or Einsum."""
    if len(node.inputs) != 2 or node.op.attributes().get("epilogue") is not None:
        return False
    found = [transposed(rewriter, value) for value in node.inputs]
    absorbed = [item[2] for item in found if item is not None]
    ranks = [len(static_shape(value) or ()) for value in node.inputs]
    if not absorbed or min(ranks) < 2:
        return False
    operands = [item[1] if item else value for item, value in zip(found, node.inputs, strict=True)]
    if ranks == [2, 2]:
        op = onnx_op("Gemm", transA=int(found[0] is not None), transB=int(found[1] is not None))
    else:
        labels = product_labels(*ranks)
        terms = [_before(labels[index], item[0]) if item else labels[index] for index, item in enumerate(found)]
        op = onnx_op("Einsum", equation=f"{terms[0]},{terms[1]}->{labels[2]}")
    rewriter.replace_with(node, op, operands, absorbed)
    return True


def product_labels(left: int, right: int) -> tuple[str, str, str]:
    """One letter per dimension of the operands and the result of a MatMul of these ranks."""
    batch = _LETTERS[: max(left, right) - 2]
    rows, depth, columns = _LETTERS[len(batch) : len(batch) + 3]
    return (
        batch[len(batch) - (left - 2) :] + rows + depth,
        batch[len(batch) - (right - 2) :] + depth + columns,
        batch + rows + columns,
    )


def _before(labels: str, perm: tuple[int, ...]) -> str:
    """Letters of x where those of Transpose(x, perm) are `labels`."""
    found = [""] * len(perm)
    for position, axis in enumerate(perm):
        found[axis] = labels[position]
    return "".join(found)


def _plain_equation(node: Node) -> tuple[list[str], str] | None:
    """Terms and result of a MatMul or of an Einsum that spells out its dimensions and has no epilogue yet."""
    fields = node.op.attributes()
    if fields.get("epilogue") is not None:
        return None
    if kind_of(node) == "MatMul":
        ranks = [len(static_shape(value) or ()) for value in node.inputs]
        if len(ranks) != 2 or min(ranks) < 2:
            return None
        left, right, result = product_labels(*ranks)
        return [left, right], result
    if kind_of(node) != "Einsum":
        return None
    equation: str = fields["equation"]
    terms, arrow, result = equation.replace(" ", "").partition("->")
    return (terms.split(","), result) if arrow and "..." not in equation else None


def operand_of_einsum(rewriter: Rewriter, node: Node) -> bool:
    """Einsum with a transposed operand -> Einsum that reads it as it lies."""
    plain = _plain_equation(node)
    if plain is None:
        return False
    terms, result = plain
    for index, term in enumerate(terms):
        item = transposed(rewriter, node.inputs[index])
        if item is None:
            continue
        terms[index] = _before(term, item[0])
        operands = [*node.inputs]
        operands[index] = item[1]
        op = onnx_op("Einsum", equation=f"{','.join(terms)}->{result}")
        rewriter.replace_with(node, op, operands, (item[2],))
        return True
    return False


def transposed_result(rewriter: Rewriter, node: Node) -> bool:
    """Transpose(MatMul or Einsum), which nothing else reads -> Einsum that writes it so."""
    product, perm = rewriter.producer(node.inputs[0]), permutation(node)
    if product is None or perm is None or not rewriter.has_one_use(product.outputs[0]):
        return False
    plain = _plain_equation(product)
    if plain is None:
        return False
    terms, result = plain
    op = onnx_op("Einsum", equation=f"{','.join(terms)}->{''.join(result[axis] for axis in perm)}")
    rewriter.replace_with(node, op, product.inputs, (product,))
    return True


def transposed_chain(rewriter: Rewriter, node: Node) -> bool:
    """Transpose(f(product, constants)) -> f(Transpose(product), turned constants): the product then takes it up."""
    chain, perm = rewriter.producer(node.inputs[0]), permutation(node)
    if chain is None or perm is None:
        return False
    index = _towards_product(rewriter, chain, len(perm))
    if index is None:
        return False
    operands: list[Value | None] = []
    for position, value in enumerate(chain.inputs):
        shape = static_shape(value)
        if position == index or value is None or shape is None:
            operands.append(value)
            continue
        contents = rewriter.contents(value)
        assert contents is not None
        wide = contents.reshape((1,) * (len(perm) - len(shape)) + shape)
        operands.append(value if contents.size == 1 else rewriter.constant(np.transpose(wide, perm), value.name))
    operands[index] = rewriter.apply(onnx_op("Transpose", perm=perm), (chain.inputs[index],), node)
    rewriter.replace_with(node, chain.op, operands, (chain,))
    return True


def _towards_product(rewriter: Rewriter, node: Node, rank: int) -> int | None:
    """Which operand of an element-wise node leads to a product, through nodes that nothing else reads."""
    shape = static_shape(node.outputs[0])
    if not isinstance(node.op, Elementwise) or not rewriter.has_one_use(node.outputs[0]) or len(shape or ()) != rank:
        return None
    found: list[int] = []
    for index, value in enumerate(node.inputs):
        if value is not None and rewriter.contents(value) is None:
            found.append(index)
        elif len(static_shape(value) or ()) > rank:
            return None
    if len(found) != 1 or static_shape(node.inputs[found[0]]) != shape:
        return None
    maker = rewriter.producer(node.inputs[found[0]])
    if maker is None:
        return None
    if _plain_equation(maker) is not None and rewriter.has_one_use(maker.outputs[0]):
        return found[0]
    return found[0] if _towards_product(rewriter, maker, rank) is not None else None


INTO_CONTRACTIONS: dict[str, list[Rule]] = {
    "Gemm": [flag_of_gemm],
    "MatMul": [matrix_product],
    "Einsum": [operand_of_einsum],
    "Transpose": [transposed_result, transposed_chain],
}
