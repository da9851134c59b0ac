"""Makes a failing graph small: fewer outputs, fewer nodes, smaller shapes, plainer contents and attributes.

A change is kept if the same route fails in the same way and the graph is still well-conditioned.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from halo_py.errors import HaloError
from halo_py.ir.graph import Node, Value
from halo_py.ir.op import Op
from halo_py.types import TensorType
from tests.fuzz.edits import Edit, Numbers, edited, with_body_value
from tests.fuzz.runner import Failure, NotApplicableError, Subject, run_route
from tests.fuzz.worlds import UnstableError, every_value

SECONDS = 60.0


def minimise(subject: Subject, failure: Failure, seconds: float = SECONDS) -> Subject:
    """The smallest subject found in this time that fails like the given one."""
    return _Minimiser(subject, failure, time.monotonic() + seconds).run()


class _Minimiser:
    def __init__(self, subject: Subject, failure: Failure, deadline: float) -> None:
        self.subject, self.failure, self.deadline = subject, failure, deadline

    def run(self) -> Subject:
        before = -1
        while before != self._size() and not self._late():
            before = self._size()
            self._drop_outputs()
            self._each(self._earlier_results)
            self._each(self._cuts)
            self._each(self._bypasses)
            self._each(self._smaller_bodies)
            self._each(self._shrinks)
            self._each(self._plainer_ops)
            self._each(self._plainer_contents)
        return self.subject

    def _late(self) -> bool:
        return time.monotonic() > self.deadline

    def _size(self) -> int:
        graph = self.subject.graph
        arrays = [*self.subject.inputs, *graph.constants.values()]
        elements = sum(array.size for array in arrays if isinstance(array, np.ndarray))
        return 1000 * len(list(graph.walk())) + elements

    def _try(self, edit: Edit) -> bool:
        """Keep the change if the failure stays."""
        try:
            found = edited(self.subject, edit)
            with np.errstate(all="ignore"):
                failure = run_route(found, self.failure.route)
        except (HaloError, UnstableError, NotApplicableError, ValueError, TypeError, IndexError, KeyError):
            return False
        if failure is None or failure.key != self.failure.key:
            return False
        self.subject = found
        return True

    def _each(self, edits: Any) -> None:
        """Try the edits of a kind; after one is kept, those of the new graph from the same place on."""
        tried = 0
        while not self._late():
            candidates = list(edits())[tried:]
            kept = False
            for number, edit in enumerate(candidates):
                if self._late():
                    return
                if self._try(edit):
                    tried += number
                    kept = True
                    break
            if not kept:
                return

    def _drop_outputs(self) -> None:
        count = len(self.subject.graph.outputs)
        for number in range(count):
            if count > 1 and self._try(Edit(outputs=(number,))):
                return
        number = count - 1
        while number >= 0 and len(self.subject.graph.outputs) > 1:
            kept = tuple(other for other in range(len(self.subject.graph.outputs)) if other != number)
            self._try(Edit(outputs=kept))
            number -= 1

    def _earlier_results(self) -> Iterator[Edit]:
        """A value inside as the only output, the first ones first: everything after it goes."""
        for node in self.subject.graph.nodes:
            for value in node.outputs:
                if value not in self.subject.graph.outputs:
                    yield Edit(result=value)

    def _cuts(self) -> Iterator[Edit]:
        """Results as inputs, the last ones first: everything before them goes."""
        try:
            contents, _ = every_value(self.subject.graph, self.subject.inputs, self.subject.limits)
        except (HaloError, UnstableError):
            return
        for node in reversed(self.subject.graph.nodes):
            for value in node.outputs:
                found = contents[value][0]
                if isinstance(found, np.ndarray) and isinstance(value.type, TensorType):
                    yield Edit(cut={value: found})

    def _bypasses(self) -> Iterator[Edit]:
        """A node's operand in place of its result."""
        for node in reversed(self.subject.graph.nodes):
            for operand in node.inputs:
                if operand is not None and operand.type == node.outputs[0].type:
                    yield Edit(instead={node.outputs[0]: operand})

    def _smaller_bodies(self) -> Iterator[Edit]:
        """The same inside nested graphs."""
        for node in self.subject.graph.nodes:
            for number, body in enumerate(node.bodies):
                for inner in reversed(body.nodes):
                    for value in (*inner.inputs, *body.inputs):
                        if value is not None and value.type == inner.outputs[0].type:
                            smaller = with_body_value(body, inner.outputs[0], value)
                            bodies = (*node.bodies[:number], smaller, *node.bodies[number + 1 :])
                            yield Edit(bodies={node: bodies})

    # -- shapes, contents, attributes ------------------------------------------------------------------------------

    def _given(self) -> dict[Value, Numbers]:
        """Inputs and constants that are tensors."""
        pairs = [*zip(self.subject.graph.inputs, self.subject.inputs, strict=True)]
        pairs += self.subject.graph.constants.items()
        return {value: contents for value, contents in pairs if isinstance(contents, np.ndarray)}

    def _shrinks(self) -> Iterator[Edit]:
        """One size made smaller wherever it occurs, then one dimension of one value; two places can still differ."""
        given = self._given()
        sizes = sorted({size for contents in given.values() for size in contents.shape if size > 2}, reverse=True)
        for size in sizes:
            for smaller in dict.fromkeys((2, size - 1)):
                yield Edit(contents=_resized(given, size, smaller))
        for value, contents in given.items():
            for axis, size in enumerate(contents.shape):
                if size > 2:
                    for smaller in dict.fromkeys((2, size - 1)):
                        yield Edit(contents={value: np.take(contents, range(smaller), axis)})

    def _plainer_contents(self) -> Iterator[Edit]:
        """Whole numbers, or multiples of 1/4: not zeros, by which a mended graph could no longer fail."""
        for value, contents in self._given().items():
            if contents.dtype.kind != "f":
                continue
            wide = contents.astype(np.float64)
            for found in (
                np.where(np.abs(wide) < 1.0, np.where(wide < 0.0, -1.0, 1.0), np.round(wide)),
                np.round(wide * 4) / 4,
            ):
                if np.array_equal(found, wide):
                    break
                yield Edit(contents={value: np.asarray(found).astype(contents.dtype)})

    def _plainer_ops(self) -> Iterator[Edit]:
        """Attributes at their defaults."""
        for node in self.subject.graph.nodes:
            for op in _with_defaults(node):
                yield Edit(ops={node: op})


def _with_defaults(node: Node) -> Iterator[Op]:
    for entry in dataclasses.fields(node.op):
        default = entry.default
        if default is not dataclasses.MISSING and getattr(node.op, entry.name) != default:
            yield dataclasses.replace(node.op, **{entry.name: default})


def _resized(given: dict[Value, Numbers], size: int, smaller: int) -> dict[Value, Numbers]:
    """All contents with dimensions of one size cut, and integers that say the size changed."""
    found: dict[Value, Numbers] = {}
    for value, contents in given.items():
        changed = contents
        for axis, extent in enumerate(contents.shape):
            if extent == size:
                changed = np.take(changed, range(smaller), axis)
        if contents.dtype == np.int64 and contents.ndim <= 1 and (contents == size).any():
            changed = np.where(contents == size, smaller, contents)
        if changed is not contents:
            found[value] = changed
    return found
