"""TorchScript files to graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.archive import Archive
from halo_frontends.torchscript.builders import read_record
from halo_frontends.torchscript.calls import RaisedError
from halo_frontends.torchscript.emitter import Emitter
from halo_frontends.torchscript.interpreter import Frame, Interpreter
from halo_frontends.torchscript.library import Library
from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.needs import NeedsIntegersError
from halo_frontends.torchscript.nesting import NestingGuard
from halo_frontends.torchscript.objects import ScriptObject, name_paths, stored_tensors
from halo_frontends.torchscript.operators import UnknownOperatorError
from halo_frontends.torchscript.signature import Inputs, Parameter, outputs_of, parameters_of, unique_names
from halo_frontends.torchscript.survey import Survey
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.frontend import ImportOptions, ModelFacts, Port
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ops import load_ops
from halo_py.types import DType, TensorType, Type, symbol

_ZIP_MAGIC = b"PK\x03\x04"
_NEEDED = ("data.pkl", "constants.pkl")
_MOST_TRIES = 8
_ENTRY = "forward"


class TorchScriptFrontend:
    """Reads scripted and traced modules (`torch.jit.save`), those for mobile included, without Torch."""

    name = "torchscript"

    def sniff(self, path: Path, head: bytes) -> bool:
        """A zip whose records lie in one folder and include pickles or code; the name of the file does not count."""
        if not head.startswith(_ZIP_MAGIC):
            return False
        if any(mark in head for mark in (b"/data.pkl", b"/constants.pkl", b"/code/__torch__")):
            return True
        try:
            names = list(Archive(path).names())
        except ModelError:
            return path.suffix.lower() in (".pt", ".pth", ".jit", ".ptl", ".ts", ".torchscript")
        return any(name in names for name in _NEEDED) or any(name.startswith("code/") for name in names)

    def inspect(self, path: Path) -> ModelFacts:
        """What the file holds and what would be refused. Raises ModelError."""
        load_ops()
        with NestingGuard(path):
            return _facts(_Program(path))

    def load(self, path: Path, options: ImportOptions) -> Graph:
        """The file as a graph. Raises ModelError, UnsupportedError, UsageError."""
        load_ops()
        with NestingGuard(path):
            return _load(_Program(path), options)


@dataclass
class _Program:
    """One file, opened."""

    path: Path

    def __post_init__(self) -> None:
        self.file = str(self.path)
        self.archive = Archive(self.path)
        self._check()
        self.library = Library(self.archive)

    def _check(self) -> None:
        """Raises ModelError for an archive that holds no program."""
        place = Where(self.file)
        if "data.pkl" in self.archive and "constants.pkl" not in self.archive:
            raise ModelError(
                "holds weights only, no program", place, "save the model with torch.jit.save(torch.jit.trace(...))"
            )
        for name in _NEEDED:
            if name not in self.archive:
                hint = "save it again with a newer Torch" if "model.json" in self.archive else None
                raise ModelError(f"is no TorchScript file: the record {name} is missing", place, hint)

    @cached_property
    def version(self) -> int:
        """The version of the file's operators."""
        name = next((name for name in (".data/version", "version") if name in self.archive), None)
        text = "" if name is None else self.archive.text(name).strip()
        if not text.isdigit():
            raise ModelError("does not state its version", Where(self.file))
        return int(text)

    @cached_property
    def root(self) -> ScriptObject:
        """The module. Its attributes are fresh for every program that is opened."""
        found = read_record(self.archive, "data")
        if not isinstance(found, ScriptObject):
            raise ModelError("holds no module", Where(self.file))
        name_paths(found)
        return found

    @cached_property
    def constants(self) -> list[Any]:
        found = read_record(self.archive, "constants")
        return list(cast("list[Any]", found)) if isinstance(found, (list, tuple)) else []

    @cached_property
    def entry(self) -> syntax.Function:
        """The method that is compiled."""
        found = self.library.method(self.root.class_name, _ENTRY)
        if found is None:
            raise ModelError(f"its module {self.root.class_name} has no method {_ENTRY!r}", Where(self.file))
        return found

    @cached_property
    def parameters(self) -> list[Parameter]:
        """The inputs, with the types that tracing stored."""
        traced: Any = None
        if "traced_inputs.pkl" in self.archive:
            stored: Any = read_record(self.archive, "traced_inputs", contents=False)
            traced = cast("dict[str, Any]", stored).get(_ENTRY) if isinstance(stored, dict) else None
        return parameters_of(self.entry, cast("list[Any]", traced) if isinstance(traced, list) else None)


# -- loading --------------------------------------------------------------------------------------------------------


def _load(program: _Program, options: ImportOptions) -> Graph:
    dtypes: dict[str, DType] = {}
    for _ in range(_MOST_TRIES):
        try:
            graph = _Import(program, options, dtypes).graph()
            found = [name for name in _cut_to_integers(program, graph) if name not in dtypes]
            if not found:
                return graph
            dtypes.update(dict.fromkeys(found, DType.INT64))
            program = _Program(program.path)
        except NeedsIntegersError as error:
            found = [name for name in _inputs_behind(error) if name not in dtypes]
            if not found:
                raise
            dtypes.update(dict.fromkeys(found, DType.INT64))
            program = _Program(program.path)
        except UnknownOperatorError as error:
            survey = Survey(program.library, program.file)
            survey.method(_Program(program.path).root, _ENTRY)
            listed = {refused.op for refused in survey.refusals.listed()}
            if error.where.op is not None and error.where.op not in listed:
                survey.refusals.add(error.where.op, error.where.node or "", "unknown operator")
            raise survey.refusals.error() from error
    raise ModelError("the types of its inputs do not settle", Where(program.file))


@dataclass
class _Import:
    """One attempt to import a program, with what is known of its inputs' types."""

    program: _Program
    options: ImportOptions
    dtypes: Mapping[str, DType]

    def graph(self) -> Graph:
        """The graph of `forward`. Raises HaloError."""
        program = self.program
        name = program.root.class_name.rpartition(".")[2] or program.path.stem
        builder = GraphBuilder(name, program.file)
        maker = Maker(Emitter(builder), program.version)
        interpreter = Interpreter(program.library, program.constants, maker)
        frame = Frame(program.entry, {}, "", 0)
        interpreter.restore(program.root)
        inputs = Inputs(program.parameters, self.options, self.dtypes, program.file)
        arguments = inputs.items(maker.emitter, partial(interpreter.evaluate, frame))
        try:
            result = interpreter.method(program.root, _ENTRY, arguments)
        except NeedsIntegersError as error:
            error.graph = builder.finish([error.value])
            raise
        except RaisedError as error:
            raise ModelError(f"the model itself raises an exception: {error.message}", Where(program.file)) from None
        outputs = outputs_of(maker, result)
        if not outputs:
            raise UnsupportedError("its result holds no tensors", Where(program.file))
        return builder.finish([value for _, value in outputs], unique_names([label for label, _ in outputs]))


def _cut_to_integers(program: _Program, graph: Graph) -> list[str]:
    """Inputs of no stated type that are taken for floats although the program only reads them as int64."""
    untyped = {entry.name for parameter in program.parameters for entry in parameter.tensors if entry.dims is None}
    found: list[str] = []
    for value in graph.inputs:
        if value.name in untyped and value not in graph.outputs:
            readers = [node for node in graph.nodes if value in node.inputs]
            if readers and all(map(_casts_to_int64, readers)):
                found.append(value.name)
    return found


def _casts_to_int64(node: Node) -> bool:
    type = node.outputs[0].type
    return node.op.kind == "cast" and isinstance(type, TensorType) and type.dtype is DType.INT64


def _inputs_behind(error: NeedsIntegersError) -> list[str]:
    """The float inputs that a value is computed from."""
    if error.graph is None:
        return []
    producers = error.graph.producers()
    waiting: list[Value] = list(error.graph.outputs)
    seen: set[Value] = set()
    while waiting:
        value = waiting.pop()
        if value not in seen:
            seen.add(value)
            node = producers.get(value)
            waiting.extend(operand for operand in (node.inputs if node else ()) if operand is not None)
    return [
        value.name
        for value in error.graph.inputs
        if value in seen and isinstance(value.type, TensorType) and value.type.dtype.is_float
    ]


# -- inspecting -----------------------------------------------------------------------------------------------------


def _facts(program: _Program) -> ModelFacts:
    tensors = stored_tensors(program.root)
    survey = Survey(program.library, program.file)
    survey.method(program.root, _ENTRY)
    return ModelFacts(
        file=program.file,
        format="torchscript",
        producer=program.root.class_name,
        versions={"torchscript": program.version},
        inputs=tuple(_ports(program.parameters)),
        outputs=tuple(_outputs(program.entry.result)),
        ops=dict(sorted(survey.ops.items(), key=lambda item: (-item[1], item[0]))),
        parameters=sum(int(np.prod(tensor.array.shape)) for tensor in tensors),
        parameter_bytes=sum(tensor.dtype.bytes_for(int(np.prod(tensor.array.shape))) for tensor in tensors),
        refused=survey.refusals.listed(),
    )


def _ports(parameters: list[Parameter]) -> list[Port]:
    found: list[Port] = []
    for parameter in parameters:
        if not parameter.tensors:
            dtype = {"int": DType.INT64, "float": DType.FLOAT32, "bool": DType.BOOL}.get(parameter.kind)
            found.append(Port(parameter.name, None if dtype is None else TensorType(dtype, ())))
        for entry in parameter.tensors:
            dims = entry.dims
            shape = None if dims is None else tuple(dim if isinstance(dim, int) else symbol(str(dim)) for dim in dims)
            type: Type | None = None if shape is None else TensorType(entry.dtype, shape)
            found.append(Port(entry.name, type))
    return found


def _outputs(result: syntax.Expression | None) -> list[Port]:
    """One port per tensor of the declared result, as far as its type says how many there are."""
    if isinstance(result, syntax.Subscript) and isinstance(result.base, syntax.Name) and result.base.text == "Tuple":
        parts = result.index.items if isinstance(result.index, syntax.TupleOf) else (result.index,)
        return [Port(f"output_{number}", None) for number in range(len(parts))]
    return [Port("output", None)]
