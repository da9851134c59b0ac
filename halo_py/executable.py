"""An executable: the compiled program with all it needs to run, and its file, `.halo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from halo_py.archive import read_archive, to_json, write_archive
from halo_py.errors import ExecutableError, HaloError, Where
from halo_py.types import TensorType, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_py.bsp.program import Program
    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue
    from halo_py.targets import System

    Array = NDArray[np.generic]

KIND = "halo-executable"
FORMAT = 1
"""Raised whenever a `.halo` file of the version before could be misread."""

Precision = Literal["fp32", "fp16", "mixed"]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: `type` is that of one micro-batch, `batch_axis` the dimension along which requests grow."""

    name: str
    type: Type
    batch_axis: int | None

    def request_type(self, parts: int) -> Type:
        """Its type in a request of `parts` micro-batches over all replicas."""
        if self.batch_axis is None or not isinstance(self.type, TensorType):
            return self.type
        shape = list(self.type.static_shape)
        shape[self.batch_axis] *= parts
        return TensorType(self.type.dtype, tuple(shape))

    def part(self, contents: RuntimeValue, number: int) -> RuntimeValue:
        """What micro-batch `number` gets of a request's contents."""
        if self.batch_axis is None or not isinstance(self.type, TensorType):
            return contents
        assert contents is not None
        assert not isinstance(contents, list)
        size = self.type.static_shape[self.batch_axis]
        before = (slice(None),) * self.batch_axis
        return contents[(*before, slice(number * size, (number + 1) * size))]


@dataclass(frozen=True, slots=True)
class Fallback:
    """A node that runs on the host, and why."""

    node: str
    op: str
    reason: str


@dataclass(frozen=True, slots=True)
class Considered:
    """A plan the search looked at: its text, nominal items per second and request latency, whether it fits."""

    plan: str
    items_per_second: float
    latency_seconds: float
    fits: bool
    chosen: bool


@dataclass(frozen=True, slots=True, eq=False)
class Executable:
    """A model compiled for a system. `graph` is the optimised graph of one micro-batch; `program` says how it runs."""

    model: str
    """File name of the user's model."""
    system: System
    precision: Precision
    objective: str
    graph: Graph
    program: Program
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    values: Mapping[str, Any]
    """Inputs that were fixed when compiling: one value for every element, or nested lists of contents."""
    parameters: int
    fallbacks: tuple[Fallback, ...] = ()
    considered: tuple[Considered, ...] = ()
    notes: tuple[str, ...] = ()
    compile_seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Wall-clock seconds by phase; not part of the file, which is the same for the same input."""

    @property
    def batch_size(self) -> int:
        """Items of one request over all replicas."""
        program = self.program
        return program.replicas * program.micro_batches * program.micro_batch

    @property
    def parts(self) -> int:
        """Micro-batches of one request over all replicas."""
        return self.program.replicas * self.program.micro_batches

    @property
    def weight_bytes(self) -> int:
        """Bytes of the model's weights in the compiled precision."""
        return self.graph.constant_bytes()

    def save(self, path: str | Path) -> Path:
        """Write it to `path`, completely or not at all. Raises OutputError."""
        from halo_py.bsp.encode import encode_program
        from halo_py.ir.encode import encode_graph
        from halo_py.ir.text import print_graph
        from halo_py.targets.encode import encode_system

        encoded = encode_graph(self.graph)
        facts: dict[str, Any] = {
            "system": encode_system(self.system),
            "inputs": [_encode_port(port) for port in self.inputs],
            "outputs": [_encode_port(port) for port in self.outputs],
            "values": dict(self.values),
            "fallbacks": [[entry.node, entry.op, entry.reason] for entry in self.fallbacks],
            "considered": [
                [entry.plan, entry.items_per_second, entry.latency_seconds, entry.fits, entry.chosen]
                for entry in self.considered
            ],
            "notes": list(self.notes),
            "parameters": self.parameters,
        }
        documents = {
            "facts.json": to_json(facts),
            "graph.json": to_json(encoded.document),
            "program.json": to_json(encode_program(self.program, self.graph)),
            "debug/graph.ir": print_graph(self.graph).encode(),
        }
        arrays: dict[str, Array] = {}
        members: list[dict[str, Any]] = []
        for number, contents in enumerate(encoded.contents):
            members.append(_member(number, contents, documents, arrays))
        manifest = {
            "kind": KIND,
            "format": FORMAT,
            "halo": halo_version(),
            "model": self.model,
            "target": self.system.name,
            "precision": self.precision,
            "objective": self.objective,
            "constants": members,
        }
        target = Path(path)
        write_archive(target, documents, arrays, manifest)
        return target

    @staticmethod
    def load(path: str | Path) -> Executable:
        """Read an executable. Raises ExecutableError if it is damaged, was changed or has another format version."""
        from halo_py.bsp.encode import decode_program
        from halo_py.ir.encode import decode_graph
        from halo_py.ops import load_ops
        from halo_py.targets.encode import decode_system

        load_ops()
        archive = read_archive(Path(path), KIND, FORMAT)
        manifest = archive.manifest
        try:
            facts = archive.json("facts.json")
            contents = [_contents(archive, number, entry) for number, entry in enumerate(manifest["constants"])]
            graph = decode_graph(archive.json("graph.json"), contents)
            system = decode_system(facts["system"])
            return Executable(
                manifest["model"],
                system,
                manifest["precision"],
                manifest["objective"],
                graph,
                decode_program(archive.json("program.json"), graph, system),
                tuple(_decode_port(port) for port in facts["inputs"]),
                tuple(_decode_port(port) for port in facts["outputs"]),
                facts["values"],
                facts["parameters"],
                tuple(Fallback(*entry) for entry in facts["fallbacks"]),
                tuple(Considered(*entry) for entry in facts["considered"]),
                tuple(facts["notes"]),
            )
        except ExecutableError:
            raise
        except (HaloError, KeyError, TypeError, ValueError, IndexError) as error:
            hint = "compile the model again with this version"
            raise ExecutableError(f"its contents do not fit together: {error}", Where(str(path)), hint) from error


def halo_version() -> str:
    """The installed version of HALO."""
    try:
        return version("halo-py")
    except PackageNotFoundError:
        return "unknown"


def _encode_port(port: Port) -> list[Any]:
    from halo_py.ir.encode import encode_type

    return [port.name, encode_type(port.type), port.batch_axis]


def _decode_port(data: list[Any]) -> Port:
    from halo_py.ir.encode import decode_type

    return Port(data[0], decode_type(data[1]), data[2])


def _member(number: int, contents: Array, documents: dict[str, bytes], arrays: dict[str, Array]) -> dict[str, Any]:
    """Put a constant's contents among the members and answer how to read them back."""
    from halo_py.types import DType

    dtype = DType.from_numpy(contents.dtype)
    if dtype is DType.STRING:
        documents[f"constants/{number}.json"] = to_json([str(item) for item in contents.reshape(-1)])
    else:
        arrays[f"constants/{number}"] = contents
    return {"dtype": dtype.text, "shape": list(contents.shape)}


def _contents(archive: Any, number: int, entry: Mapping[str, Any]) -> Array:
    import numpy as np

    from halo_py.types import DType

    dtype, shape = DType.from_text(entry["dtype"]), tuple(entry["shape"])
    if dtype is DType.STRING:
        return np.array(archive.json(f"constants/{number}.json"), object).reshape(shape)
    return archive.array(f"constants/{number}", dtype.numpy, shape)
