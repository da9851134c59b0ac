"""Fusion: what is done to every element of a result is done where the result lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.pattern import static_shape
from halo_py.ir.rewrite import Rewriter, Rule, kind_of, rewrite_graph
from halo_py.ops.einsum import Einsum
from halo_py.ops.fused import FusedMap
from halo_py.ops.scalar import ScalarProgram, ScalarStep, constant_step
from halo_py.ops.scalar_op import Elementwise, scalar_contents
from halo_py.passes.base import Pass, PassContext
from halo_py.types import DType, TensorType

_EPILOGUE_FROM = {"Conv": 3, "ConvTranspose": 3, "Gemm": 3, "MatMul": 2}
"""Number of the first epilogue operand; that of Einsum follows from its equation."""


@dataclass(frozen=True)
class Fuse(Pass):
    """Fuses element-wise ops: into the convolution or product whose result they take, else with each other.

    A fused program takes at most `operands` operands and has at most `steps` steps.
    """

    name: ClassVar[str] = "fuse"

    operands: int = 8
    steps: int = 24

    def run(self, graph: Graph, context: PassContext) -> Graph:
        def epilogue(rewriter: Rewriter, node: Node) -> bool:
            return fuse_epilogue(rewriter, node, self)

        def chain(rewriter: Rewriter, node: Node) -> bool:
            return fuse_chain(rewriter, node, self)

        # Contractions first: a chain that starts at one belongs to it.
        first: dict[str, list[Rule]] = {"*": [epilogue]}
        second: dict[str, list[Rule]] = {"*": [chain]}
        return rewrite_graph(rewrite_graph(graph, first), second)


@dataclass(frozen=True, slots=True)
class Mapped:
    """An element-wise node as a scalar program over its distinct operands that are not numbers."""

    program: ScalarProgram
    operands: tuple[Value, ...]


def is_mappable(node: Node) -> bool:
    """Whether a node is element-wise, on types a scalar program may hold."""
    if not isinstance(node.op, Elementwise | FusedMap):
        return False
    if len(node.outputs) != 1 or static_shape(node.outputs[0]) is None:
        return False
    values = [value for value in (*node.inputs, *node.outputs) if value is not None]
    return all(_holds(value) for value in values)


def _holds(value: Value) -> bool:
    type = value.type
    if not isinstance(type, TensorType) or not type.is_static:
        return False
    return type.elements > 0 and type.dtype is not DType.STRING and not type.dtype.is_complex


def mapped(rewriter: Rewriter, node: Node) -> Mapped:
    """The node as a scalar program; constants of one element become steps."""
    given = [value for value in node.inputs if value is not None]
    operands = tuple(dict.fromkeys(value for value in given if not _is_number(rewriter, node, value)))
    if not operands:
        operands = (given[0],)
    steps: list[ScalarStep] = []
    numbers: dict[Value, int] = {value: index for index, value in enumerate(operands)}
    for value in given:
        if value not in numbers:
            numbers[value] = len(operands) + len(steps)
            steps.append(_constant_step(rewriter, value))
    slots = [None if value is None else numbers[value] for value in node.inputs]
    if isinstance(node.op, Elementwise):
        type = node.outputs[0].type
        assert isinstance(type, TensorType)
        steps.append(node.op.step(slots, type.dtype))
    else:
        assert isinstance(node.op, FusedMap)
        places = [slot for slot in slots if slot is not None]
        steps.extend(renumbered(node.op.program, places, len(operands) + len(steps)))
    return Mapped(ScalarProgram(len(operands), tuple(steps)), operands)


def _is_number(rewriter: Rewriter, node: Node, value: Value) -> bool:
    shape, result = static_shape(value), static_shape(node.outputs[0])
    contents = rewriter.contents(value)
    if contents is None or contents.size != 1 or shape is None or result is None:
        return False
    # A constant that raises the rank of the result must stay an operand.
    return len(shape) <= max(
        (len(static_shape(other) or ()) for other in node.inputs if other not in (None, value)), default=0
    )


def _constant_step(rewriter: Rewriter, value: Value) -> ScalarStep:
    contents = rewriter.contents(value)
    assert contents is not None
    assert isinstance(value.type, TensorType)
    return constant_step(scalar_contents(contents), value.type.dtype)


def renumbered(program: ScalarProgram, inputs: Sequence[int], first: int) -> list[ScalarStep]:
    """Steps of a program whose inputs are numbered `inputs` and whose first step gets number `first`."""

    def number(operand: int) -> int:
        return inputs[operand] if operand < program.inputs else operand - program.inputs + first

    return [replace(step, operands=tuple(map(number, step.operands))) for step in program.steps]


def compose(outer: Mapped, at: Value, inner: Mapped) -> Mapped:
    """`outer` with its operand `at` computed by `inner`."""
    operands = tuple(dict.fromkeys((*inner.operands, *(value for value in outer.operands if value is not at))))
    numbers = {value: index for index, value in enumerate(operands)}
    steps = renumbered(inner.program, [numbers[value] for value in inner.operands], len(operands))
    result = len(operands) + len(steps) - 1
    places = [result if value is at else numbers[value] for value in outer.operands]
    steps += renumbered(outer.program, places, len(operands) + len(steps))
    return Mapped(ScalarProgram(len(operands), tuple(steps)), operands)


def fuse_epilogue(rewriter: Rewriter, node: Node, limits: Fuse) -> bool:
    """Element-wise op on the result of a contraction that nothing else reads -> epilogue of the contraction."""
    if not is_mappable(node):
        return False
    for value in dict.fromkeys(node.inputs):
        maker = rewriter.producer(value)
        if maker is None or value is None or not _takes_epilogue(rewriter, maker, node):
            continue
        outer = mapped(rewriter, node)
        first = _epilogue_from(maker)
        assert first is not None
        made, old = _epilogue_of(maker, first)
        # In the old epilogue `value` names the bare result of the contraction, in `outer` what the epilogue made of it.
        whole = _with_first(outer, value) if old is None else compose(outer, value, Mapped(old, (value, *made)))
        if len(whole.operands) > limits.operands or len(whole.program.steps) > limits.steps:
            continue
        heads = (*maker.inputs[:first], *(None,) * (first - len(maker.inputs)))
        op = replace(maker.op, epilogue=whole.program)
        rewriter.replace_with(node, op, (*heads, *whole.operands[1:]), (maker,))
        return True
    return False


def _takes_epilogue(rewriter: Rewriter, maker: Node, node: Node) -> bool:
    if _epilogue_from(maker) is None or "epilogue" not in maker.op.attributes():
        return False
    made, result = maker.outputs[0], node.outputs[0]
    alone = len(rewriter.users(made)) == 1 and not rewriter.is_result(made)
    return alone and static_shape(made) == static_shape(result) and _holds(made)


def _epilogue_from(maker: Node) -> int | None:
    return maker.op.terms if isinstance(maker.op, Einsum) else _EPILOGUE_FROM.get(kind_of(maker))


def _epilogue_of(maker: Node, first: int) -> tuple[tuple[Value, ...], ScalarProgram | None]:
    old: Any = maker.op.attributes()["epilogue"]
    extra = tuple(value for value in maker.inputs[first:] if value is not None)
    return extra, old if isinstance(old, ScalarProgram) else None


def _with_first(program: Mapped, value: Value) -> Mapped:
    """The same program with `value` as its first operand."""
    operands = (value, *(other for other in program.operands if other is not value))
    places = [operands.index(other) for other in program.operands]
    steps = renumbered(program.program, places, len(operands))
    return Mapped(ScalarProgram(len(operands), tuple(steps)), operands)


def fuse_chain(rewriter: Rewriter, node: Node, limits: Fuse) -> bool:
    """Element-wise op on the result of another that nothing else reads, of the same shape -> one fused_map."""
    if not is_mappable(node):
        return False
    for value in dict.fromkeys(node.inputs):
        maker = rewriter.producer(value)
        if maker is None or value is None or not is_mappable(maker):
            continue
        if len(rewriter.users(value)) != 1 or rewriter.is_result(value):
            continue
        if static_shape(value) != static_shape(node.outputs[0]):
            continue
        whole = compose(mapped(rewriter, node), value, mapped(rewriter, maker))
        if len(whole.operands) > limits.operands or len(whole.program.steps) > limits.steps:
            continue
        op = FusedMap(whole.program)
        rewriter.replace_with(node, op, whole.operands, (maker,))
        return True
    return False
