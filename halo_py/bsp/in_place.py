"""Results that are written over the operand they are made of, so that both together take the memory of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from halo_py.ir.space import Kernel, KernelCall, Repeat, TileForm, View
from halo_py.tiling.plan import VECTOR_BITS, plain_axes


def overwritable(kernel: Kernel) -> tuple[int, ...]:
    """Operands, by number, that the kernel's only result may be written over, place by place.

    Every axis may be cut down to single elements (or the vectors of the machine), and operand and result are touched
    alike: so an element depends on nothing of that operand but the element in its own place.
    """
    if len(kernel.writes) != 1:
        return ()
    (write,), (written,) = kernel.writes, kernel.write_types
    axes = plain_axes(write, kernel)
    cut = {number for number, extent in enumerate(kernel.extents) if extent > 1}
    if axes is None or cut != {axis for axis in axes if axis is not None}:
        return ()
    if any(axis.role != "parallel" or axis.grain * written.bits > VECTOR_BITS for axis in kernel.axes):
        return ()
    return tuple(
        number
        for number, (read, dtype) in enumerate(zip(kernel.reads, kernel.read_types, strict=True))
        if read == write and dtype.bits == written.bits
    )


def read_once(form: TileForm) -> frozenset[int]:
    """Local values whose bytes one kernel writes (or the op's caller) and one kernel reads, both in or outside a loop.

    A value is meant together with its views and named by what they are views of. Results, and what a loop carries over,
    are needed later.
    """
    source: dict[int, int] = {}
    readers, writers = Counter[int](), Counter[int]()
    scopes: dict[int, set[int]] = {local: {0} for local in form.inputs if local is not None}
    for scope, step in _in_scopes(form):
        if isinstance(step, View):
            source[step.result] = source.get(step.source, step.source)
            continue
        read = {source.get(local, local) for local in step.inputs}
        readers.update(read)
        writers.update(step.outputs)
        for local in (*read, *step.outputs):
            scopes.setdefault(local, set()).add(scope)
    carried = [local for step in form.steps if isinstance(step, Repeat) for pair in step.carried for local in pair]
    needed = {source.get(local, local) for local in (*form.outputs, *carried)}
    return frozenset(
        local
        for local, count in readers.items()
        if count == 1 and writers[local] <= 1 and len(scopes[local]) == 1 and local not in needed
    )


def _in_scopes(form: TileForm) -> Iterator[tuple[int, KernelCall | View]]:
    """Every step with the number of the loop it stands in, 0 for none."""
    for number, step in enumerate(form.steps, 1):
        if isinstance(step, Repeat):
            for inner in step.body:
                yield number, inner
        else:
            yield 0, step
