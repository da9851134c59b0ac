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
from halo_py.ops.epilogue import apply, finish_form, result_type
from halo_py.ops.forms import EMPTY, has_no_elements
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel, partials_for
from halo_py.ops.scalar import ScalarProgram, ScalarStep
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
    """Sum of products over the labels that the result lacks.

    `epilogue`: its operand 0 is the sum, the others are the node's operands after the equation's.
    """

    equation: str
    epilogue: ScalarProgram | None = None

    @property
    def terms(self) -> int:
        """How many operands the equation has."""
        return self.equation.partition("->")[0].count(",") + 1

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        dtype = result_type(args.dtype(0), self.epilogue)
        shapes = [args.shape(number) for number in range(len(args) if self.epilogue is None else self.terms)]
        if any(shape is None for shape in shapes):
            return (TensorType(dtype, None),)
        known = [shape for shape in shapes if shape is not None]
        subscripts = parse(self.equation, tuple(len(shape) for shape in known))
        sizes: dict[str, Dim] = {}
        for labels, shape in zip(subscripts.operands, known, strict=True):
            for label, dim in zip(labels, shape, strict=True):
                sizes[label] = broadcast_dims(args, sizes.get(label, 1), dim)
        return (TensorType(dtype, tuple(sizes[label] for label in subscripts.result)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        arrays: list[NDArray[Any]] = [args.array(number) for number in range(self.terms)]
        extra = [args.array(number) for number in range(self.terms, len(args))]
        subscripts = parse(self.equation, tuple(array.ndim for array in arrays))
        made = apply(self.epilogue, _contracted(subscripts, [widened(array) for array in arrays]), extra)
        dtype = result_type(DType.from_numpy(arrays[0].dtype), self.epilogue)
        return (np.asarray(made).astype(dtype.numpy, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        types = [args.tensor(number) for number in range(self.terms)]
        subscripts = parse(self.equation, tuple(len(type.static_shape) for type in types))
        sizes = _sizes(subscripts, [type.static_shape for type in types])
        form = FormBuilder()
        terms = [_Term(form.input(type), labels) for type, labels in zip(types, subscripts.operands, strict=True)]
        extra = [form.input(args.tensor(number)) for number in range(self.terms, len(args.types))]
        inner = partials_for(types[0].dtype)
        left = terms.pop(0)
        while terms or left.labels != subscripts.result:
            right = terms.pop(0) if terms else None
            later = {label for term in terms for label in term.labels} | set(subscripts.result)
            present = dict.fromkeys((*left.labels, *(right.labels if right else ())))
            kept = tuple(label for label in present if label in later) if terms else subscripts.result
            dtype = inner if terms else types[0].dtype
            left = _contract(form, left, right, kept, sizes, dtype, args.partials_type)
        return finish_form(form, args, left.local, self.epilogue, extra)

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
        scaled = ScalarProgram(2, (ScalarStep("mul", (0, 1), DType.FLOAT32), ScalarStep("tanh", (2,), DType.FLOAT32)))
        yield Sample(cls("bqhd,bkhd->bhqk", scaled), (floats(2, 3, 4, 5), floats(2, 6, 4, 5), floats(3, 1)))
        yield Sample(cls("bhwc,ck->bkhw"), (floats(2, 3, 4, 5), floats(5, 6)))
        yield Sample(cls("ij,k->k"), (floats(3, 4), floats(5)))
        yield Sample(cls("ij,ij->i"), (floats(3, 7).astype(np.float16), floats(3, 7).astype(np.float16)))


@dataclass(frozen=True, slots=True)
class _Term:
    local: int
    labels: tuple[str, ...]


def _contracted(subscripts: Subscripts, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """The sum of products, by matrix products where there are two operands without repeated labels."""
    sizes = _sizes(subscripts, [array.shape for array in arrays])
    full = [
        np.broadcast_to(array, [sizes[label] for label in labels])
        for array, labels in zip(arrays, subscripts.operands, strict=True)
    ]
    if len(full) == 2 and all(len(set(labels)) == len(labels) for labels in subscripts.operands):
        return _product(subscripts, full[0], full[1], sizes)
    numbers = {label: number for number, label in enumerate(_all_labels(subscripts))}
    operands: list[Any] = []
    for array, labels in zip(full, subscripts.operands, strict=True):
        operands += [array, [numbers[label] for label in labels]]
    made: Any = np.einsum(*operands, [numbers[label] for label in subscripts.result], optimize=len(full) > 2)
    return np.asarray(made)


def _product(subscripts: Subscripts, left: NDArray[Any], right: NDArray[Any], sizes: dict[str, int]) -> NDArray[Any]:
    a, b = subscripts.operands
    result = subscripts.result
    batch = [label for label in a if label in b and label in result]
    depth = [label for label in a if label in b and label not in result]
    rows, columns = ([label for label in labels if label in result and label not in batch] for labels in (a, b))
    # A label of one operand that the result lacks is summed first.
    own_a, own_b = {*batch, *depth, *rows}, {*batch, *depth, *columns}
    left = left.sum(axis=tuple(n for n, label in enumerate(a) if label not in own_a), dtype=left.dtype)
    right = right.sum(axis=tuple(n for n, label in enumerate(b) if label not in own_b), dtype=right.dtype)
    kept_a = [label for label in a if label in own_a]
    kept_b = [label for label in b if label in own_b]

    def count(labels: list[str]) -> int:
        return int(np.prod([sizes[label] for label in labels], dtype=np.int64))

    left = left.transpose([kept_a.index(label) for label in (*batch, *rows, *depth)])
    right = right.transpose([kept_b.index(label) for label in (*batch, *depth, *columns)])
    made = np.matmul(
        left.reshape(count(batch), count(rows), count(depth)), right.reshape(count(batch), count(depth), count(columns))
    )
    order = [*batch, *rows, *columns]
    return made.reshape([sizes[label] for label in order]).transpose([order.index(label) for label in result])


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
