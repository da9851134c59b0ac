"""Every sample of every op as a template: its operands are values of the graph wherever they can be made to fit."""

from __future__ import annotations

from functools import cache

import numpy as np

from halo_py.ir.graph import Value
from halo_py.ir.op import RuntimeValue, Sample
from halo_py.types import DType, Type
from tests.fuzz.draft import FLOATS, Draft, RejectedError, tensor_dtype
from tests.fuzz.templates.base import fit, template
from tests.ops.cases import cases


@cache
def usable_samples() -> dict[str, tuple[Sample, ...]]:
    """The samples by kind of op."""
    found: dict[str, list[Sample]] = {}
    for case in cases():
        found.setdefault(case.kind, []).append(case.sample)
    return {kind: tuple(samples) for kind, samples in found.items()}


@template("samples", 9)
def sample(draft: Draft) -> None:
    """One sample of one op; every op is as likely as any other. Random ops without a seed are refused as unstable."""
    table = usable_samples()
    given = draft.choose(table[draft.choose(sorted(table))])
    for attempt in (True, False):
        try:
            operands = [_operand(draft, given, number, attempt) for number in range(len(given.inputs))]
            draft.add(given.op, operands, given.outputs, given.bodies)
        except RejectedError:
            continue
        return


def _operand(draft: Draft, given: Sample, number: int, adapt: bool) -> Value | None:
    raw = given.inputs[number]
    contents = np.asarray(raw) if isinstance(raw, np.generic) else raw
    declared = given.input_types[number] if given.input_types else None
    if contents is None and declared is None:
        return None
    if isinstance(contents, np.ndarray) and number in given.constant:
        return draft.constant(contents)
    found = _of_the_pool(draft, contents, declared) if adapt else None
    if found is not None:
        return found
    if isinstance(contents, np.ndarray):
        return draft.given(contents)
    raise RejectedError("no such sequence here")


def _of_the_pool(draft: Draft, contents: RuntimeValue, declared: Type | None) -> Value | None:
    if declared is not None or not isinstance(contents, np.ndarray):
        fitting = [value for value in draft.pool if value.type == declared]
        return draft.choose(fitting) if fitting else None
    dtype = DType.from_numpy(contents.dtype)
    same = [v for v in draft.pool if tensor_dtype(v) is dtype and draft.shape(v) == contents.shape]
    if same and draft.chance(0.5):
        return draft.choose(same)
    if dtype not in (*FLOATS, DType.BOOL) or not draft.chance(0.75) or contents.size == 0:
        return None
    return fit(draft, draft.pick_float(), contents.shape, dtype)
