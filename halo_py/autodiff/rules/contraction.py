"""Matrix products and Einstein sums."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from string import ascii_letters

import numpy as np

from halo_py.autodiff.registry import Gradients, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term
from halo_py.ops.contraction import Gemm, MatMul
from halo_py.ops.einsum import Einsum, parse
from halo_py.ops.scalar import ScalarProgram


def refuse_epilogue(at: Backward, epilogue: ScalarProgram | None) -> None:
    """Fused functions are differentiated before they are fused. Raises UnsupportedError."""
    if epilogue is not None:
        raise at.error("gradients are taken before operators are fused into others")


@gradient(MatMul)
def _matmul(at: Backward, op: MatMul) -> Gradients:
    refuse_epilogue(at, op.epilogue)
    a, b, g = at.x(0), at.x(1), at.g()
    vectors = (a.rank == 1, b.rank == 1)
    rows = a.unsqueezed(0) if vectors[0] else a
    columns = b.unsqueezed(1) if vectors[1] else b
    wide = g.unsqueezed(g.rank) if vectors[1] else g
    if vectors[0]:
        wide = wide.unsqueezed(wide.rank - 1)

    def of_a() -> Term:
        found = (wide @ columns.swapped()).fitted(rows)
        return found.squeezed(0) if vectors[0] else found

    def of_b() -> Term:
        found = (rows.swapped() @ wide).fitted(columns)
        return found.squeezed(1) if vectors[1] else found

    return at.to(of_a, of_b)


@gradient(Gemm)
def _gemm(at: Backward, op: Gemm) -> Gradients:
    refuse_epilogue(at, op.epilogue)
    a, b, g = at.x(0), at.x(1), at.g()
    left = Gemm(alpha=op.alpha, transA=0, transB=1 - op.transB)
    right = Gemm(alpha=op.alpha, transA=1 - op.transA, transB=0)

    def of_a() -> Term:
        return b.apply(Gemm(op.alpha, 1.0, op.transB, 1), g) if op.transA else g.apply(left, b)

    def of_b() -> Term:
        return g.apply(Gemm(op.alpha, 1.0, 1, op.transA), a) if op.transB else a.apply(right, g)

    return at.to(of_a, of_b, lambda: g * op.beta if op.beta != 1.0 else g)


@gradient(Einsum)
def _einsum(at: Backward, op: Einsum) -> Gradients:
    """For every operand: its labels from those of the result and of all other operands."""
    refuse_epilogue(at, op.epilogue)
    terms = [at.x(index) for index in range(len(at))]
    subscripts = parse(op.equation, tuple(term.rank for term in terms))
    labels = [*subscripts.operands, subscripts.result]
    letters = _letters(labels)

    def of(index: int) -> Term:
        wanted = subscripts.operands[index]
        others = [number for number in range(len(terms)) if number != index]
        known = set(subscripts.result).union(*(subscripts.operands[number] for number in others))
        kept = [label for label in dict.fromkeys(wanted) if label in known]
        given = [subscripts.result, *(subscripts.operands[number] for number in others)]
        equation = ",".join("".join(letters[label] for label in part) for part in given)
        made = Einsum(f"{equation}->{''.join(letters[label] for label in kept)}")
        found = at.g().apply(made, *(terms[number] for number in others))
        return _placed(found, kept, wanted, terms[index])

    return at.to(*[partial(of, index) for index in range(len(at))])


def _letters(labels: Sequence[Sequence[str]]) -> dict[str, str]:
    """A letter for every label: those of an ellipsis are numbers."""
    used = {label for part in labels for label in part if label.isalpha()}
    free = iter(letter for letter in ascii_letters if letter not in used)
    return {label: label if label.isalpha() else next(free) for label in dict.fromkeys(chain.from_iterable(labels))}


def _placed(found: Term, kept: Sequence[str], wanted: Sequence[str], operand: Term) -> Term:
    """A gradient by its labels in the operand's dimensions: repeated along those that were summed alone, and on the
    diagonal of those that share a label.
    """
    first = {label: wanted.index(label) for label in wanted}
    missing = [axis for axis, label in enumerate(wanted) if label not in kept or axis != first[label]]
    placed = found.unsqueezed(*missing)
    for axis, label in enumerate(wanted):
        if axis != first[label]:
            equal = np.eye(operand.extents[axis])
            shape = [len(equal) if number in (axis, first[label]) else 1 for number in range(len(wanted))]
            mask = equal.reshape(shape).astype(operand.dtype.numpy)
            placed = placed * operand.writer.constant(mask, operand.dtype)
    return placed.expanded_like(operand)
