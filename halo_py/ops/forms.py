"""Small steps that many tile forms share: what no tile can hold, declaring operands, forms of one kernel."""

from __future__ import annotations

from collections.abc import Collection

from halo_py.ir.op import TileArgs
from halo_py.ir.space import FormBuilder, Kernel, Refusal, TileForm
from halo_py.types import DType, TensorType

EMPTY = Refusal("a tensor without elements stays on the host")
STRINGS = Refusal("strings stay on the host")


def has_no_elements(args: TileArgs) -> bool:
    """Whether an operand or a result is empty: nothing for tiles to do."""
    return any(type is not None and type.elements == 0 for type in (*args.types, *args.output_types))


def untileable(args: TileArgs) -> Refusal | None:
    """Why no tile can hold these operands and results, if so: strings, or no elements."""
    if any(type is not None and type.dtype is DType.STRING for type in (*args.types, *args.output_types)):
        return STRINGS
    return EMPTY if any(type.elements == 0 for type in args.output_types) else None


def declare_operands(form: FormBuilder, args: TileArgs, skipped: Collection[int] = ()) -> list[int | None]:
    """Declare every operand; None for omitted ones and for those of which only the constant contents matter."""
    found: list[int | None] = []
    for number, type in enumerate(args.types):
        if type is None or number in skipped:
            form.skip()
            found.append(None)
        else:
            found.append(form.input(type))
    return found


def given(locals_: list[int | None]) -> tuple[int, ...]:
    """The local numbers of operands that are there."""
    return tuple(local for local in locals_ if local is not None)


def result(form: FormBuilder, type: TensorType) -> int:
    """A new local value of this type."""
    return form.value(type.dtype, type.static_shape)


def one_kernel(args: TileArgs, kernel: Kernel, skipped: Collection[int] = ()) -> TileForm:
    """The form that is one kernel, which reads the operands that are given and not skipped, in order."""
    form = FormBuilder()
    locals_ = given(declare_operands(form, args, skipped))
    made = tuple(result(form, type) for type in args.output_types)
    form.call(kernel, locals_, made)
    return form.finish(*made)


def first_as_view(args: TileArgs) -> TileForm:
    """The form of an op whose result is its first operand with another shape."""
    form = FormBuilder()
    locals_ = declare_operands(form, args, range(1, len(args.types)))
    source = locals_[0]
    assert source is not None
    return form.finish(form.view(source, args.output_types[0].static_shape))
