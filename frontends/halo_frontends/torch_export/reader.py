"""Exported programs (`.pt2`) to graphs."""

from __future__ import annotations

from functools import cached_property
from math import prod
from pathlib import Path

from halo_frontends.torch_export.document import Element, read_document
from halo_frontends.torch_export.inputs import ProgramInput, make_inputs, program_inputs, tensor_input
from halo_frontends.torch_export.payloads import read_payloads
from halo_frontends.torch_export.program import NONE, RECORDS, Translator, variable
from halo_frontends.torch_export.structure import fields_of, labelled, result_expression
from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.archive import Archive
from halo_frontends.torchscript.emitter import Emitter
from halo_frontends.torchscript.interpreter import Interpreter
from halo_frontends.torchscript.library import Library
from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.nesting import NestingGuard
from halo_frontends.torchscript.objects import ScriptObject, StoredTensor
from halo_frontends.torchscript.operators import UnknownOperatorError
from halo_frontends.torchscript.signature import outputs_of, unique_names
from halo_frontends.torchscript.survey import Survey
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.frontend import ImportOptions, ModelFacts, Port
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ops import load_ops
from halo_py.types import TensorType, symbol

_ZIP_MAGIC = b"PK\x03\x04"
_MARKS = (b"/models/", b"/data/weights/", b"/archive_format")
_OLD_RECORD = "serialized_exported_program.json"
_SCHEMA = 8
_MOST_UNPACKED_BYTES = 4 << 20
"""Torch stores the records of these archives as they are; what is compressed may not unpack to more than this."""
_CLASS, _ENTRY = "ExportedProgram", "forward"


class TorchExportFrontend:
    """Reads what `torch.export.save` writes, without Torch."""

    name = "torch_export"

    def sniff(self, path: Path, head: bytes) -> bool:
        """A zip with the records of an exported program; the name of the file does not count."""
        if not head.startswith(_ZIP_MAGIC):
            return False
        try:
            names = list(Archive(path).names())
        except ModelError:
            return any(mark in head for mark in _MARKS) or path.suffix.lower() == ".pt2"
        return "archive_format" in names or _OLD_RECORD in names or any(map(_is_program, names))

    def inspect(self, path: Path) -> ModelFacts:
        """What the file holds and what would be refused. Raises ModelError."""
        load_ops()
        with NestingGuard(path):
            return _facts(_Program(path))

    def load(self, path: Path, options: ImportOptions) -> Graph:
        """The file as a graph. Raises ModelError, UnsupportedError, UsageError, ShapeError."""
        load_ops()
        with NestingGuard(path):
            return _load(_Program(path), options)


def _is_program(record: str) -> bool:
    return record.startswith(RECORDS) and record.endswith(".json")


class _Program:
    """One file, opened: its function, its tensors and its inputs."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, str(path)
        self.archive = Archive(path, _MOST_UNPACKED_BYTES)
        self.record = self._found()
        self.document = read_document(self.archive.record(self.record), self.record, self.archive.place)
        version = self.document["schema_version"]["major"].integer
        if version != _SCHEMA:
            raise ModelError(f"is of version {version} of the format, known is {_SCHEMA}", Where(self.file))
        self.module = self.document["graph_module"]

    def _found(self) -> str:
        """The record of the only program. Raises ModelError if there is none or several."""
        place = Where(self.file)
        found = [name for name in self.archive.names() if _is_program(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ModelError(f"holds {len(found)} programs ({', '.join(found)}): which one is not known", place)
        if _OLD_RECORD in self.archive:
            hint = "load it with torch.export.load and save it again with Torch 2.8 or newer"
            raise ModelError("is an exported program of an older format", place, hint)
        raise ModelError("holds no exported program", place, "write it with torch.export.save(program, file)")

    @cached_property
    def opset(self) -> int:
        """The version of ATen that the program is written in."""
        entry = self.document["opset_version"].get("aten")
        return 0 if entry is None else entry.integer

    @cached_property
    def payloads(self) -> dict[str, StoredTensor | None]:
        """Weights and constants by name."""
        return read_payloads(self.archive, self.record.removeprefix(RECORDS).removesuffix(".json"))

    @cached_property
    def inputs(self) -> list[ProgramInput]:
        """What the program takes."""
        specs = [dict(spec.items()) for spec in self.module["signature"]["input_specs"]]
        return program_inputs(self.module["graph"], [spec["user_input"] for spec in specs if "user_input" in spec])

    @cached_property
    def function(self) -> syntax.Function:
        """The program as a method of an object that holds its tensors."""
        body = [*self._stored(), *Translator().graph(self.module["graph"], ""), syntax.Return(self.result, 0)]
        given = [syntax.Parameter(variable(entry.variable).text, None, None) for entry in self.inputs]
        parameters = (syntax.Parameter("self", None, None), *given)
        return syntax.Function(_ENTRY, parameters, None, tuple(body), 0, self.record)

    @cached_property
    def result(self) -> syntax.Expression:
        """What the program answers; what it writes into buffers or inputs is none of it."""
        translator = Translator()
        leaves = [
            translator.argument(entry["arg"], "")
            for spec in self.module["signature"]["output_specs"]
            for kind, entry in [spec.variant()]
            if kind in ("user_output", "loss_output")
        ]
        fields = fields_of(self.module.get("treespec_namedtuple_fields"))
        return result_expression(self._result_spec(), leaves, fields)

    def _stored(self) -> list[syntax.Statement]:
        """Values that the file holds as variables."""
        found: list[syntax.Statement] = []
        for spec in self.module["signature"]["input_specs"]:
            kind, entry = spec.variant()
            name_field = _STORED.get(kind)
            if name_field is not None:
                stored = syntax.Name(("self", self._checked(entry[name_field])), 0)
                found.append(syntax.Assign((variable(entry["arg"]["name"].text),), False, stored, 0))
        return found

    def _checked(self, entry: Element) -> str:
        if entry.text not in self.payloads:
            raise entry.wrong(f"is {entry.text!r}, which the file does not hold")
        return entry.text

    def _result_spec(self) -> str | None:
        """How the results are nested."""
        for entry in self.module["module_call_graph"]:
            signature = entry.get("signature")
            if entry["fqn"].text == "" and signature is not None:
                return signature["out_spec"].text
        return None

    @cached_property
    def root(self) -> ScriptObject:
        """The object that holds the tensors."""
        return ScriptObject(_CLASS, dict(self.payloads))

    @cached_property
    def library(self) -> Library:
        """The only class, with the only method."""
        return Library.of({_CLASS: syntax.Class(_CLASS, (), {_ENTRY: self.function})})

    def survey(self) -> Survey:
        """A look over the program's ops."""
        survey = Survey(self.library, self.file)
        survey.method(self.root, _ENTRY)
        return survey


_STORED = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
    "custom_obj": "custom_obj_name",
}


def _load(program: _Program, options: ImportOptions) -> Graph:
    builder = GraphBuilder(program.path.stem, program.file)
    maker = Maker(Emitter(builder), program.opset)
    interpreter = Interpreter(program.library, [], maker)
    arguments = make_inputs(maker.emitter, program.inputs, options, program.file)
    try:
        result = interpreter.method(program.root, _ENTRY, arguments)
    except UnknownOperatorError as error:
        refusals = program.survey().refusals
        raise refusals.error() if refusals else error from error
    outputs = outputs_of(maker, result)
    if not outputs:
        raise UnsupportedError("its result holds no tensors", Where(program.file))
    return builder.finish([value for _, value in outputs], unique_names([label for label, _ in outputs]))


def _facts(program: _Program) -> ModelFacts:
    tensors = [tensor for tensor in program.payloads.values() if tensor is not None]
    survey = program.survey()
    torch_version = program.document.get("torch_version")
    return ModelFacts(
        file=program.file,
        format="torch_export",
        producer="torch" if torch_version is None else f"torch {torch_version.text}",
        versions={"aten": program.opset, "schema": _SCHEMA},
        inputs=tuple(_port(entry) for entry in program.inputs),
        outputs=tuple(_outputs(program)),
        ops=dict(sorted(survey.ops.items(), key=lambda item: (-item[1], item[0]))),
        parameters=sum(prod(tensor.array.shape) for tensor in tensors),
        parameter_bytes=sum(tensor.dtype.bytes_for(prod(tensor.array.shape)) for tensor in tensors),
        refused=survey.refusals.listed(),
    )


def _port(entry: ProgramInput) -> Port:
    dims = entry.declared.dims or ()
    shape = tuple(dim if isinstance(dim, int) else symbol(dim or "any") for dim in dims)
    return Port(entry.declared.name, TensorType(entry.declared.dtype, shape))


def _outputs(program: _Program) -> list[Port]:
    """One port per tensor or number of the result."""
    types = {variable(name).text: entry for name, entry in program.module["graph"]["tensor_values"].items()}
    found = [(label, leaf) for label, leaf in labelled(program.result) if leaf != NONE]
    names = unique_names([label for label, _ in found])
    ports: list[Port] = []
    for name, (_, leaf) in zip(names, found, strict=True):
        entry = types.get(leaf.text) if isinstance(leaf, syntax.Name) else None
        ports.append(Port(name, None) if entry is None else _port(tensor_input(name, entry)))
    return ports
