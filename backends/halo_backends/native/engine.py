"""A graph on an ODLA library: the largest parts that the library takes in its process, the rest on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_backends.cpu.engine import CpuProgram, compile_graph
from halo_backends.cpu.segments import cut
from halo_backends.native.calls import GraphCalls, calls_of
from halo_backends.native.computation import NodeRefusedError, Runnable, computation
from halo_backends.native.failures import library_error
from halo_backends.native.handshake import connect
from halo_backends.native.library import CallFailedError, Library, Settings
from halo_backends.native.process import LibraryDiedError
from halo_backends.native.support import all_values, alone, distinct, refused_at_once, with_equals
from odla.driver import Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph, Node, Value
    from halo_py.ir.op import RuntimeValue

    Array = NDArray[Any]

_DEVICE_STATUSES = frozenset({4, 8, 10, 11, 12, 13})
"""Statuses that speak of the device and not of the computation: memory, time, resets."""

_ALONE_SECONDS = 20.0
"""How long a call may take while the node is looked for at which a library ended or hung."""


@dataclass(eq=False)
class _Part:
    """A part of the graph, and what runs it: the library (`calls` and `made`) or the CPU."""

    graph: Graph
    calls: GraphCalls | None = None
    library: Library | None = None
    made: Runnable | None = None
    cpu: CpuProgram | None = None


@dataclass(eq=False)
class _Culprits:
    """Nodes of a failed run that fail alone as well, and how the process ended at one of them."""

    refused: dict[Node, str] = field(default_factory=dict["Node", str])
    death: LibraryDiedError | None = None
    deadly: Node | None = None


class NativeProgram:
    """A graph for one library. Runs are one at a time; after a failure the next run begins with a new process."""

    def __init__(self, graph: Graph, path: Path, settings: Settings) -> None:
        self.graph = graph
        self.path = path
        self.settings = settings
        self._lock = threading.Lock()
        self._libraries: list[Library] = []
        self._parts: list[_Part] = []
        self._refused: dict[Node, str] = {}
        self._ready = False
        with self._lock:
            self._refused = self._at_once()
            self._prepare()

    @property
    def fallbacks(self) -> tuple[Refused, ...]:
        """The nodes that the CPU runs, each with its reason."""
        return tuple(
            Refused(node.where.node or node.name, node.op.declaration.onnx or node.op.kind, self._refused[node])
            for node in self.graph.nodes
            if node in self._refused
        )

    @property
    def ways(self) -> str:
        """How the library is driven."""
        return str(self._libraries[0].ways) if self._libraries else "not at all"

    def close(self) -> None:
        """End the library's processes."""
        with self._lock:
            self._drop()

    def run(self, inputs: Sequence[RuntimeValue]) -> list[RuntimeValue]:
        """Outputs in order. Raises DeviceError."""
        with self._lock:
            while True:
                if not self._ready:
                    self._prepare()
                refused = self._run(dict(zip(self.graph.inputs, inputs, strict=True)))
                if isinstance(refused, list):
                    return refused
                self._refuse(refused)

    # -- making ready -----------------------------------------------------------------------------------------------

    def _at_once(self) -> dict[Node, str]:
        library = self._library(0)
        try:
            return refused_at_once(self.graph, library)
        except LibraryDiedError as error:
            raise self._failed(error) from error

    def _library(self, number: int) -> Library:
        """The library for a part: the same process for all if several computations can live in it."""
        if self._libraries and self._libraries[0].ways.several:
            number = 0
        while len(self._libraries) <= number:
            self._libraries.append(connect(self.path, self.settings))
        return self._libraries[number]

    def _prepare(self) -> None:
        """Build every part, with ever more nodes on the CPU, until the library takes the rest."""
        while not self._ready:
            refused = self._build()
            if refused:
                self._refuse(refused)
            self._ready = not refused

    def _refuse(self, refused: Mapping[Node, str]) -> None:
        self._refused |= with_equals(refused, self.graph)
        self._drop()

    def _drop(self) -> None:
        self._ready = False
        self._parts = []
        for library in self._libraries:
            library.process.close()
        self._libraries = []

    def _build(self) -> Mapping[Node, str]:
        """Build the parts; answers nodes that the library refuses. Raises DeviceError."""
        segments = cut(self.graph, lambda node: node not in self._refused)
        self._parts = [_Part(segment.graph) for segment in segments]
        native = 0
        for segment, part in zip(segments, self._parts, strict=True):
            if not segment.native:
                part.cpu = compile_graph(segment.graph)
                continue
            refused = self._build_part(part, native)
            if refused:
                return refused
            native += 1
        return {}

    def _build_part(self, part: _Part, number: int) -> Mapping[Node, str]:
        part.calls = calls_of(part.graph)
        part.library = self._library(number)
        part.made = computation(part.library, part.calls)
        try:
            part.made.build()
        except NodeRefusedError as error:
            return error.reasons
        except CallFailedError as error:
            if error.failure.status in _DEVICE_STATUSES:
                raise self._failed(error) from error
            return dict.fromkeys(part.graph.nodes, f"the library refuses the nodes together: {error}")
        except LibraryDiedError as error:
            raise self._failed(error, part.graph.nodes) from error
        return {}

    # -- running ----------------------------------------------------------------------------------------------------

    def _run(self, inputs: Mapping[Value, RuntimeValue]) -> list[RuntimeValue] | Mapping[Node, str]:
        """Outputs, or the nodes that turn out to be refused."""
        known: dict[Value, Any] = dict(self.graph.constants)
        known.update(inputs)
        for part in self._parts:
            given = [known[value] for value in part.graph.inputs]
            if part.cpu is not None:
                results: Sequence[Any] = part.cpu.run(given)
            else:
                found = self._run_part(part, given)
                if not isinstance(found, list):
                    return found
                results = found
            known.update(zip(part.graph.outputs, results, strict=True))
        return [known[value] for value in self.graph.outputs]

    def _run_part(self, part: _Part, given: list[Array]) -> list[Array] | Mapping[Node, str]:
        assert part.made is not None
        try:
            return part.made.run(given)
        except NodeRefusedError as error:
            return error.reasons
        except LibraryDiedError as error:
            culprit = None if error.label else self._culprits(part, given).deadly
            raise self._failed(error, part.graph.nodes, culprit) from error
        except CallFailedError as error:
            if error.failure.status is None or error.failure.status in _DEVICE_STATUSES:
                raise self._failed(error) from error
            culprits = self._culprits(part, given)
            if culprits.death is not None:
                raise self._failed(culprits.death, (), culprits.deadly) from error
            together = f"the library refuses the nodes together: {error}"
            return culprits.refused or dict.fromkeys(part.graph.nodes, together)

    def _failed(
        self, error: LibraryDiedError | CallFailedError, nodes: Sequence[Node] = (), culprit: Node | None = None
    ) -> Exception:
        self._drop()
        return library_error(str(self.path), error, nodes, culprit)

    def _culprits(self, part: _Part, given: Sequence[Array]) -> _Culprits:
        """Which nodes fail when they run alone, up to the first that ends the process."""
        assert part.calls is not None
        found = _Culprits()
        settings = replace(self.settings, seconds=min(self.settings.seconds, _ALONE_SECONDS))
        known = all_values(part.graph, given)
        for node in distinct(part.calls):
            graph = alone(node, part.graph)
            library = connect(self.path, settings)
            try:
                single = computation(library, calls_of(graph))
                single.build()
                single.run([np.asarray(known[value]) for value in graph.inputs])
            except (NodeRefusedError, CallFailedError) as error:
                found.refused[node] = str(error)
            except LibraryDiedError as error:
                found.death, found.deadly = error, node
                break
            finally:
                library.process.close()
        return found
