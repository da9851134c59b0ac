"""Small steps that many tile forms share: declaring operands, refusing empty tensors."""

from __future__ import annotations

from collections.abc import Collection

from halo_py.ir.op import TileArgs
from halo_py.ir.space import FormBuilder, Refusal

EMPTY = Refusal("a tensor without elements stays on the host")


def has_no_elements(args: TileArgs) -> bool:
    """Whether an operand or a result is empty: nothing for tiles to do."""
    return any(type is not None and type.elements == 0 for type in (*args.types, *args.output_types))


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
