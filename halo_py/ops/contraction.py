"""Matrix products: MatMul, Gemm and their integer forms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Axis, FormBuilder, Kernel, Refusal, TileForm
from halo_py.ops.dims import broadcast_dims, broadcast_shapes
from halo_py.ops.epilogue import apply, chain, finish_form, result_type
from halo_py.ops.forms import EMPTY, declare_operands, given, has_no_elements
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel
from halo_py.ops.scalar import ScalarProgram, ScalarStep, constant_step
from halo_py.types import DType, Shape, TensorType, Type

Numbers = NDArray[Any]


def widened(array: Numbers) -> Numbers:
    """The array in the type sums are kept in: float32 for narrower floats, the own type otherwise."""
    dtype = DType.from_numpy(array.dtype)
    return array.astype(np.float32) if dtype.is_float and dtype.bits < 32 else array


def infer_matmul(args: InferArgs, left: int = 0, right: int = 1) -> Shape | None:
    """Shape of the NumPy matrix product of two operands. Raises ShapeError."""
    a, b = args.shape(left), args.shape(right)
    if a is None or b is None:
        return None
    if not a or not b:
        raise args.error("a matrix product of scalars does not exist", "use Mul")
    depth = b[max(len(b) - 2, 0)]
    if isinstance(a[-1], int) and isinstance(depth, int) and a[-1] != depth:
        raise args.error(f"the inner dimensions {a[-1]} and {depth} differ")
    batch = broadcast_shapes(args, a[:-2], b[:-2])
    assert batch is not None
    return batch + a[-2:-1] + (b[-1:] if len(b) > 1 else ())


def _zero_axes(shape: tuple[int, ...], like: ContractOperand, kept: int) -> ContractOperand | None:
    """A zero point beside operand `like` (its dimension `kept` is a row of left or a column of right)."""
    if int(np.prod(shape)) == 1:
        return ContractOperand((), (), DType.INT8)
    if len(shape) == 1:
        return ContractOperand(shape, (like.axes[kept],), DType.INT8)
    axes = tuple(None if size == 1 else axis for size, axis in zip(shape, like.axes, strict=True))
    return ContractOperand(shape, axes, DType.INT8)


def matmul_kernel(
    left: TensorType,
    right: TensorType,
    result: TensorType,
    *,
    transpose: tuple[bool, bool] = (False, False),
    zeros: tuple[TensorType | None, TensorType | None] = (None, None),
    partials_type: DType = DType.FLOAT32,
) -> Kernel:
    """The kernel of a matrix product with NumPy's batch broadcasting; the last two dimensions may be transposed.

    `zeros` are the zero points of the operands (they are the kernel's operands after left and right).
    """
    a, b, out = left.static_shape, right.static_shape, result.static_shape
    matrix = (len(a) > 1) + (len(b) > 1)
    batch = out[: len(out) - matrix]
    m, n, k = len(batch), len(batch) + 1, len(batch) + 2
    rows = a[-1 if transpose[0] else -2] if len(a) > 1 else 1
    depth = a[-2 if transpose[0] else -1]
    columns = (b[-2 if transpose[1] else -1]) if len(b) > 1 else 1
    axes = (
        *(Axis(f"b{number}", size) for number, size in enumerate(batch)),
        Axis("m", rows),
        Axis("n", columns),
        Axis("k", depth, "reduce"),
    )

    def batch_axes(shape: tuple[int, ...]) -> tuple[int | None, ...]:
        leading = shape[:-2]
        return tuple(None if size == 1 else len(batch) - len(leading) + number for number, size in enumerate(leading))

    left_axes = (*batch_axes(a), *((k, m) if transpose[0] else (m, k))) if len(a) > 1 else (k,)
    right_axes = (*batch_axes(b), *((n, k) if transpose[1] else (k, n))) if len(b) > 1 else (k,)
    out_axes = (*range(len(batch)), *((m,) if len(a) > 1 else ()), *((n,) if len(b) > 1 else ()))
    operands = (ContractOperand(a, left_axes, left.dtype), ContractOperand(b, right_axes, right.dtype))
    zero_operands: list[ContractOperand | None] = [None, None]
    for side, zero in enumerate(zeros):
        if zero is not None:
            found = _zero_axes(zero.static_shape, operands[side], -1 if side else -2)
            zero_operands[side] = found and ContractOperand(found.shape, found.axes, zero.dtype)
    return contract_kernel(
        axes,
        *operands,
        ContractOperand(out, out_axes, result.dtype),
        partials_type=partials_type,
        left_zero=zero_operands[0],
        right_zero=zero_operands[1],
    )


@op("matmul", onnx="MatMul", since=13, odla="odla_BatchMatMul")
class MatMul(Op):
    """Matrix product over the last two axes; leading axes broadcast, vectors are rows (left) or columns (right).

    `epilogue`: its operand 0 is the product, the others are the node's operands after B.
    """

    epilogue: ScalarProgram | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(result_type(args.dtype(0), self.epilogue), infer_matmul(args)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        a, b = args.array(0), args.array(1)
        extra = [args.array(number) for number in range(2, len(args))]
        made = apply(self.epilogue, np.matmul(widened(a), widened(b)), extra)
        dtype = result_type(DType.from_numpy(a.dtype), self.epilogue)
        return (np.asarray(made).astype(dtype.numpy, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        locals_ = given(declare_operands(form, args))
        out = args.output_types[0]
        product_type = TensorType(args.tensor(0).dtype, out.shape)
        made = form.value(product_type.dtype, out.static_shape)
        kernel = matmul_kernel(args.tensor(0), args.tensor(1), product_type, partials_type=args.partials_type)
        form.call(kernel, (locals_[0], locals_[1]), (made,))
        return finish_form(form, args, made, self.epilogue, locals_[2:])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        random = np.random.default_rng(1)

        def floats(*shape: int) -> Numbers:
            return random.standard_normal(shape).astype(np.float32)

        for a, b in (
            ((5, 7), (7, 3)),
            ((2, 3, 4, 5), (3, 5, 6)),
            ((4, 1, 3, 8), (5, 8, 2)),
            ((7,), (7, 3)),
            ((2, 5, 7), (7,)),
            ((9,), (9,)),
        ):
            yield Sample(cls(), (floats(*a), floats(*b)))
        yield Sample(cls(), (floats(6, 11).astype(np.float16), floats(11, 4).astype(np.float16)))
        yield Sample(cls(), (random.integers(-9, 9, (3, 5)), random.integers(-9, 9, (5, 2))))
        relu = ScalarProgram(2, (ScalarStep("add", (0, 1), DType.FLOAT32), ScalarStep("relu", (2,), DType.FLOAT32)))
        yield Sample(cls(relu), (floats(2, 3, 5), floats(5, 4), floats(4)))


@op("gemm", onnx="Gemm", since=13, odla="odla_Gemm")
class Gemm(Op):
    """alpha * A' B' + beta * C, with A' and B' transposed on demand; C broadcasts. `epilogue` as in MatMul."""

    alpha: float = 1.0
    beta: float = 1.0
    transA: int = 0  # noqa: N815 - ONNX names it so
    transB: int = 0  # noqa: N815
    epilogue: ScalarProgram | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        dtype = result_type(args.dtype(0), self.epilogue)
        a, b = args.shape(0), args.shape(1)
        if a is None or b is None:
            return (TensorType(dtype, None),)
        if len(a) != 2 or len(b) != 2:
            raise args.error(f"A and B must be matrices, found ranks {len(a)} and {len(b)}")
        rows, depth = (a[1], a[0]) if self.transA else (a[0], a[1])
        other, columns = (b[1], b[0]) if self.transB else (b[0], b[1])
        if isinstance(depth, int) and isinstance(other, int) and depth != other:
            raise args.error(f"the inner dimensions {depth} and {other} differ")
        shape: Shape = (rows, columns)
        if args.has(2):
            self._check_c(args, shape)
        return (TensorType(dtype, shape),)

    def _check_c(self, args: InferArgs, shape: Shape) -> None:
        c = args.shape(2)
        if c is None:
            return
        if len(c) > 2:
            raise args.error(f"C of rank {len(c)} does not broadcast to a matrix")
        for have, want in zip(reversed(c), reversed(shape), strict=False):
            if isinstance(want, int) and broadcast_dims(args, have, want) != want:
                raise args.error(f"C of shape {c} does not broadcast to {shape}")

    def _program(self, dtype: DType, has_c: bool) -> ScalarProgram | None:
        """Scaled product plus scaled C: alpha * product + beta * C."""
        steps: list[ScalarStep] = []
        inputs = 2 if has_c else 1

        def scaled(operand: int, factor: float) -> int:
            if factor == 1.0:
                return operand
            steps.append(constant_step(factor, dtype))
            steps.append(ScalarStep("mul", (operand, inputs + len(steps) - 1), dtype))
            return inputs + len(steps) - 1

        product = scaled(0, self.alpha)
        if has_c:
            c = scaled(1, self.beta)
            steps.append(ScalarStep("add", (product, c), dtype))
        return ScalarProgram(inputs, tuple(steps)) if steps else None

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        a, b, c = args.array(0), args.array(1), args.optional(2)
        dtype = DType.from_numpy(a.dtype)
        made = np.matmul(widened(a.T if self.transA else a), widened(b.T if self.transB else b))
        program = chain(self._program(dtype, c is not None), self.epilogue)
        extra = [args.array(number) for number in range(3, len(args))]
        made = apply(program, made, extra if c is None else [c, *extra])
        return (np.asarray(made).astype(result_type(dtype, self.epilogue).numpy, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        locals_ = given(declare_operands(form, args))
        out, dtype = args.output_types[0], args.tensor(0).dtype
        made = form.value(dtype, out.static_shape)
        kernel = matmul_kernel(
            args.tensor(0),
            args.tensor(1),
            TensorType(dtype, out.shape),
            transpose=(bool(self.transA), bool(self.transB)),
            partials_type=args.partials_type,
        )
        form.call(kernel, (locals_[0], locals_[1]), (made,))
        program = chain(self._program(dtype, args.has(2)), self.epilogue)
        return finish_form(form, args, made, program, locals_[2:])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        random = np.random.default_rng(2)

        def floats(*shape: int) -> Numbers:
            return random.standard_normal(shape).astype(np.float32)

        yield Sample(cls(), (floats(5, 7), floats(7, 3), floats(3)))
        yield Sample(cls(), (floats(5, 7), floats(7, 3)))
        yield Sample(cls(alpha=0.5, beta=2.0, transA=1), (floats(7, 5), floats(7, 3), floats(5, 1)))
        yield Sample(cls(alpha=0.25, transB=1), (floats(5, 7), floats(3, 7), None))
        yield Sample(cls(beta=0.5, transA=1, transB=1), (floats(7, 5), floats(3, 7), floats(1, 3)))
        yield Sample(cls(beta=0.0), (floats(4, 2), floats(2, 6), floats(4, 6)))
        yield Sample(cls(), tuple(floats(*shape).astype(np.float16) for shape in ((3, 9), (9, 5), (5,))))
        tanh = ScalarProgram(1, (ScalarStep("tanh", (0,), DType.FLOAT32),))
        yield Sample(cls(epilogue=tanh), (floats(5, 7), floats(7, 3), floats(3)))


def _row_zero(zero: Numbers | None, array: Numbers, kept: int) -> Numbers:
    """Integers of `array` less its zero point: a scalar, one per row (kept = -2) or column (-1), or broadcast."""
    wide = array.astype(np.int32)
    if zero is None:
        return wide
    if zero.ndim == 1 and zero.size > 1 and kept == -2 and array.ndim > 1:
        zero = zero[:, np.newaxis]
    elif zero.size == 1:
        zero = zero.reshape(())
    return wide - zero.astype(np.int32)


@op("matmul_integer", onnx="MatMulInteger", since=10)
class MatMulInteger(Op):
    """int32 product of (A - a_zero_point) and (B - b_zero_point), 8-bit integers."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(DType.INT32, infer_matmul(args)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        left = _row_zero(args.optional(2), args.array(0), -2)
        right = _row_zero(args.optional(3), args.array(1), -1)
        return (np.asarray(np.matmul(left, right)),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        form = FormBuilder()
        locals_ = given(declare_operands(form, args))
        out = args.output_types[0]
        zeros = tuple(args.tensor(number) if args.has(number) else None for number in (2, 3))
        made = form.value(out.dtype, out.static_shape)
        kernel = matmul_kernel(args.tensor(0), args.tensor(1), out, zeros=(zeros[0], zeros[1]))
        form.call(kernel, locals_, (made,))
        return form.finish(made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        random = np.random.default_rng(3)
        a = random.integers(0, 256, (2, 5, 7)).astype(np.uint8)
        b = random.integers(-128, 128, (7, 3)).astype(np.int8)
        yield Sample(cls(), (a, b))
        yield Sample(cls(), (a, b, np.asarray(12, np.uint8), np.asarray([3, -4, 5], np.int8)))
        yield Sample(cls(), (a[0], b, np.arange(5).astype(np.uint8).reshape(5, 1), None))
        yield Sample(cls(), (a, b, np.arange(10).astype(np.uint8).reshape(2, 5, 1), np.asarray([7], np.int8)))
