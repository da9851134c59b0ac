"""Einstein summation: parsed once, evaluated by NumPy, tiled as a chain of contractions of two operands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Axis, FormBuilder, Refusal, TileForm
from halo_py.ops.contraction import widened
from halo_py.ops.dims import broadcast_dims
from halo_py.ops.forms import EMPTY, has_no_elements
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel, partials_for
from halo_py.types import Dim, DType, TensorType, Type

ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class Subscripts:
    """One label per dimension of every operand and of the result; dimensions of an ellipsis are labelled '0', '1', ...

    counted from the right.
    """

    operands: tuple[tuple[str, ...], ...]
    result: tuple[str, ...]


@lru_cache(maxsize=256)
def parse(equation: str, ranks: tuple[int, ...]) -> Subscripts:
    """The equation for operands of these ranks. Raises ValueError if it is malformed."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"equation {equation!r} has {len(terms)} terms for {len(ranks)} operands")
    operands = tuple(_labels(term, rank, equation) for term, rank in zip(terms, ranks, strict=True))
    letters = [label for labels in operands for label in labels]
    wide = max((sum(label.isdigit() for label in labels) for labels in operands), default=0)
    hidden = tuple(str(number) for number in reversed(range(wide)))
    if not arrow:
        once = sorted(label for label in set(letters) if not label.isdigit() and letters.count(label) == 1)
        return Subscripts(operands, (*hidden, *once))
    if ELLIPSIS in right:
        before, _, after = right.partition(ELLIPSIS)
        result = (*before, *hidden, *after)
    else:
        result = tuple(right)
    known = set(letters)
    if len(set(result)) < len(result) or any(label not in known for label in result):
        raise ValueError(f"the result of equation {equation!r} has unknown or repeated labels")
    return Subscripts(operands, result)


def _labels(term: str, rank: int, equation: str) -> tuple[str, ...]:
    before, dots, after = term.partition(ELLIPSIS)
    hidden = rank - len(before) - len(after)
    if not all(label.isalpha() for label in before + after) or hidden < 0 or (hidden and not dots):
        raise ValueError(f"term {term!r} of equation {equation!r} does not fit an operand of rank {rank}")
    return (*before, *(str(number) for number in reversed(range(hidden))), *after)


@op("einsum", onnx="Einsum", since=28)
class Einsum(Op):
    """Sum of products over the labels that the result lacks."""

    equation: str

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shapes = [args.shape(number) for number in range(len(args))]
        if any(shape is None for shape in shapes):
            return (TensorType(args.dtype(0), None),)
        known = [shape for shape in shapes if shape is not None]
        subscripts = parse(self.equation, tuple(len(shape) for shape in known))
        sizes: dict[str, Dim] = {}
        for labels, shape in zip(subscripts.operands, known, strict=True):
            for label, dim in zip(labels, shape, strict=True):
                sizes[label] = broadcast_dims(args, sizes.get(label, 1), dim)
        return (TensorType(args.dtype(0), tuple(sizes[label] for label in subscripts.result)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        arrays: list[NDArray[Any]] = [args.array(number) for number in range(len(args))]
        subscripts = parse(self.equation, tuple(array.ndim for array in arrays))
        numbers = {label: number for number, label in enumerate(_all_labels(subscripts))}
        sizes = _sizes(subscripts, [array.shape for array in arrays])
        operands: list[Any] = []
        for array, labels in zip(arrays, subscripts.operands, strict=True):
            full = np.broadcast_to(widened(array), [sizes[label] for label in labels])
            operands += [full, [numbers[label] for label in labels]]
        made = np.einsum(*operands, [numbers[label] for label in subscripts.result], optimize=len(arrays) > 2)
        return (np.asarray(made).astype(arrays[0].dtype, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        types = [args.tensor(number) for number in range(len(args.types))]
        subscripts = parse(self.equation, tuple(len(type.static_shape) for type in types))
        sizes = _sizes(subscripts, [type.static_shape for type in types])
        form = FormBuilder()
        terms = [_Term(form.input(type), labels) for type, labels in zip(types, subscripts.operands, strict=True)]
        inner = partials_for(types[0].dtype)
        left = terms.pop(0)
        while terms or left.labels != subscripts.result:
            right = terms.pop(0) if terms else None
            later = {label for term in terms for label in term.labels} | set(subscripts.result)
            present = dict.fromkeys((*left.labels, *(right.labels if right else ())))
            kept = tuple(label for label in present if label in later) if terms else subscripts.result
            dtype = inner if terms else types[0].dtype
            left = _contract(form, left, right, kept, sizes, dtype, args.partials_type)
        return form.finish(left.local)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        random = np.random.default_rng(4)

        def floats(*shape: int) -> NDArray[Any]:
            return random.standard_normal(shape).astype(np.float32)

        yield Sample(cls("bij,bjk->bik"), (floats(3, 4, 5), floats(3, 5, 2)))
        yield Sample(cls("bhqd,bkhd->bhqk"), (floats(2, 3, 4, 5), floats(2, 6, 3, 5)))
        yield Sample(cls("i,j"), (floats(4), floats(3)))
        yield Sample(cls("...ii->...i"), (floats(3, 5, 5),))
        yield Sample(cls("ij->ji"), (floats(3, 5),))
        yield Sample(cls("ij->"), (floats(3, 5),))
        yield Sample(cls("... ij, jk -> ... ik"), (floats(2, 3, 4, 5), floats(5, 2)))
        yield Sample(cls("ij,jk,kl->il"), (floats(3, 4), floats(4, 5), floats(5, 2)))
        yield Sample(cls("bn,anm,bm->ba"), (floats(2, 5), floats(3, 5, 7), floats(2, 7)), tolerance=2)
        yield Sample(cls("a...,b...->...ab"), (floats(2, 1, 4), floats(3, 5, 1)))
        yield Sample(cls("ij,k->k"), (floats(3, 4), floats(5)))
        yield Sample(cls("ij,ij->i"), (floats(3, 7).astype(np.float16), floats(3, 7).astype(np.float16)))


@dataclass(frozen=True, slots=True)
class _Term:
    local: int
    labels: tuple[str, ...]


def _all_labels(subscripts: Subscripts) -> list[str]:
    return list(dict.fromkeys(label for labels in subscripts.operands for label in labels))


def _sizes(subscripts: Subscripts, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for labels, shape in zip(subscripts.operands, shapes, strict=True):
        for label, size in zip(labels, shape, strict=True):
            sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
    return sizes


def _contract(
    form: FormBuilder,
    left: _Term,
    right: _Term | None,
    kept: tuple[str, ...],
    sizes: dict[str, int],
    dtype: DType,
    partials_type: DType,
) -> _Term:
    """One contraction of two terms (or the sum, diagonal or transposition of one) to the labels `kept`."""
    labels = list(dict.fromkeys((*kept, *left.labels, *(right.labels if right else ()))))
    axes = tuple(
        Axis(label, sizes[label], "parallel" if number < len(kept) else "reduce") for number, label in enumerate(labels)
    ) or (Axis("one", 1),)
    terms = (left, right) if right else (left,)

    def operand(term: _Term) -> ContractOperand:
        type = form.type(term.local)
        shape = type.static_shape
        numbers = tuple(
            None if size == 1 and sizes[label] > 1 else labels.index(label)
            for label, size in zip(term.labels, shape, strict=True)
        )
        return ContractOperand(shape, numbers, type.dtype)

    result_shape = tuple(sizes[label] for label in kept)
    result = form.value(dtype, result_shape)
    kernel = contract_kernel(
        axes,
        operand(left),
        operand(right) if right else None,
        ContractOperand(result_shape, tuple(range(len(kept))), dtype),
        partials_type=partials_type,
    )
    form.call(kernel, tuple(term.local for term in terms), (result,))
    return _Term(result, kept)
