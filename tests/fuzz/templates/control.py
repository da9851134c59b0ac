"""Control flow: If, Loop and Scan whose bodies are grown by templates and read values of the graph around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from halo_py.ir.graph import Graph, Value
from halo_py.ops.control import If, Loop, Scan
from halo_py.ops.elementwise import Add, Clip, Mul, Tanh
from halo_py.ops.logic import Greater, Less
from halo_py.ops.reduction import ReduceMax, ReduceSum
from halo_py.ops.reshaping import Identity
from halo_py.types import DType, TensorType
from tests.fuzz.draft import Draft, RejectedError, dtype_of
from tests.fuzz.templates.base import TEMPLATES, fit, template
from tests.fuzz.worlds import Contents

INSIDE = ("elementwise", "movement", "contraction", "reduction", "patterns", "normalization", "integer", "cast")
_INT = TensorType(DType.INT64, ())
_FLAG = TensorType(DType.BOOL, ())


def _floats(draft: Draft) -> Value:
    value = draft.pick_float(0, 3, dtype=DType.FLOAT32)
    if not isinstance(value.type, TensorType) or not value.type.is_static:
        raise RejectedError("the carried value has no fixed shape")
    return value


def _grow(body: Draft, most: int) -> None:
    """A few random nodes."""
    choices = [entry for entry in TEMPLATES if entry.theme in INSIDE or (body.nesting < 2 and entry.theme == "control")]
    weights = [entry.weight for entry in choices]
    for _ in range(body.between(1, most)):
        try:
            body.random.choices(choices, weights)[0].grow(body)
        except RejectedError:
            continue


def _captures(draft: Draft) -> list[Value]:
    return list(dict.fromkeys(_floats(draft) for _ in range(draft.between(1, 2))))


def _formals(body: Draft, outer: Draft, values: Sequence[Value], prefix: str) -> list[Value]:
    return [body.formal(outer.contents[value], value.type, f"{prefix}{n}") for n, value in enumerate(values)]


def _kept_small(body: Draft, value: Value, like: Value, shape: tuple[int, ...]) -> Value:
    """A carried value's next contents: of the right type, and bounded however often it is updated."""
    found = fit(body, value, shape, dtype_of(like))
    if body.chance(0.5):
        return body.one(Tanh(), found)
    return body.one(Clip(), found, body.scalar(-2.0, found), body.scalar(2.0, found))


def _last_float(body: Draft) -> Value:
    return body.pick_float(0, 4, dtype=DType.FLOAT32)


def _finished(body: Draft, outputs: Sequence[Value]) -> Graph:
    """The body; results are values that it makes, since ONNX has no name for an input that is an output."""
    made = {value for value in body.pool if value not in body.inputs and value not in body.fixed}
    return body.builder.finish([value if value in made else body.one(Identity(), value) for value in outputs])


def _condition(draft: Draft) -> Value:
    """A flag that depends on data, or an input, or a constant."""
    if draft.chance(0.2):
        return draft.given(np.asarray(draft.chance(0.5)))
    if draft.chance(0.2):
        return draft.input(np.asarray([draft.chance(0.5)]))
    value = _floats(draft)
    found = draft.one(ReduceSum(keepdims=0), value)
    return draft.one(Greater(), found, draft.scalar(0.1, found))


@template("control", 1.5)
def branches(draft: Draft) -> None:
    """Two branches over captured values; sometimes of different shapes."""
    condition, captured = _condition(draft), _captures(draft)
    shape = draft.shape(captured[0])
    count = draft.between(1, 2)
    bodies: list[Graph] = []
    for name in ("then", "else"):
        body = draft.nested(name)
        formals = _formals(body, draft, captured, "outer")
        _grow(body, 4)
        results = [_last_float(body) for _ in range(count)]
        if draft.chance(0.85):
            results = [fit(body, value, shape, DType.FLOAT32) for value in results]
        assert formals
        bodies.append(_finished(body, results))
    draft.add(If(captured=len(captured)), (condition, *captured), count, bodies)


def _until(draft: Draft) -> Callable[[Draft, Value, Value, Value], Value]:
    """How a loop's body decides whether to go on, from the trip, the condition and a carried value."""

    def always(body: Draft, _trip: Value, going: Value, _carried: Value) -> Value:
        return body.one(Identity(), going)

    def early(body: Draft, trip: Value, _going: Value, _carried: Value) -> Value:
        return body.one(Less(), trip, body.constant(np.asarray(2, np.int64)))

    def by_data(body: Draft, _trip: Value, _going: Value, carried: Value) -> Value:
        largest = body.one(ReduceMax(keepdims=0), carried)
        return body.one(Less(), largest, body.scalar(1.2, largest))

    return draft.choose((always, always, early, by_data))


@template("control")
def counted_loop(draft: Draft) -> None:
    """Carried values, captured values, stacked results; counts known and unknown."""
    carried, captured = [_floats(draft) for _ in range(draft.between(1, 2))], _captures(draft)
    trips = np.asarray(draft.between(1, 4), np.int64)
    most = draft.given(trips)
    first = draft.given(np.asarray(True)) if draft.chance(0.6) else None
    body = draft.nested("body")
    count = body.limits.worlds
    trip = body.formal((np.asarray(0, np.int64),) * count, _INT, "trip")
    going = body.formal((np.asarray(True),) * count, _FLAG, "going")
    inside = _formals(body, draft, carried, "carried")
    _formals(body, draft, captured, "outer")
    _grow(body, 4)
    after = [_kept_small(body, _last_float(body), old, draft.shape(old)) for old in inside_pairs(inside, carried)]
    stacked = [_last_float(body) for _ in range(draft.below(3))]
    still = _until(draft)(body, trip, going, after[0])
    graph = _finished(body, (still, *after, *stacked))
    operands = (most, first, *carried, *captured)
    draft.add(Loop(captured=len(captured)), operands, len(carried) + len(stacked), (graph,))


def inside_pairs(inside: Sequence[Value], outside: Sequence[Value]) -> Sequence[Value]:
    """The outer values whose type each carried value keeps."""
    assert len(inside) == len(outside)
    return outside


def _row(draft: Draft, value: Value, axis: int, backwards: bool) -> Contents:
    place = -1 if backwards else 0
    return tuple(np.take(np.asarray(world), place, axis) for world in draft.contents[value])


@template("control")
def scanning(draft: Draft) -> None:
    """Scan over one or two values along any axis in either direction, with and without a state."""
    scanned = [_floats(draft)]
    if not draft.shape(scanned[0]) or 0 in draft.shape(scanned[0]):
        raise RejectedError("nothing to scan")
    if draft.chance(0.3):
        scanned.append(draft.one(Mul(), scanned[0], draft.scalar(0.5, scanned[0])))
    rank = len(draft.shape(scanned[0]))
    axis, backwards = draft.below(rank), draft.below(2)
    states, captured = [_floats(draft)][: draft.between(0, 1)], _captures(draft)
    body = draft.nested("body")
    inside = _formals(body, draft, states, "state")
    kept = draft.shape(scanned[0])[:axis] + draft.shape(scanned[0])[axis + 1 :]
    rows = [
        body.formal(_row(draft, value, axis, bool(backwards)), TensorType(DType.FLOAT32, kept), f"row{number}")
        for number, value in enumerate(scanned)
    ]
    _formals(body, draft, captured, "outer")
    _grow(body, 3)
    after = [_kept_small(body, _last_float(body), old, draft.shape(old)) for old in inside_pairs(inside, states)]
    mixed = body.one(Add(), rows[0], fit(body, _last_float(body), kept, DType.FLOAT32))
    stacked = [mixed, *(_last_float(body) for _ in range(draft.below(2)))]
    graph = _finished(body, (*after, *stacked))
    op = Scan(
        len(scanned),
        (axis,) * len(scanned) if axis or draft.chance(0.3) else None,
        (backwards,) * len(scanned) if backwards or draft.chance(0.3) else None,
        tuple(draft.choose((0, 0, -1)) for _ in stacked) if draft.chance(0.5) else None,
        tuple(draft.below(2) for _ in stacked) if draft.chance(0.5) else None,
        captured=len(captured),
    )
    draft.add(op, (*states, *scanned, *captured), len(states) + len(stacked), (graph,))
