"""What a model file holds, as a document and as tables."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from halo_py.frontend import ModelFacts, Port
from halo_py.ir.op import REGISTRY, Op
from halo_py.report.format import bytes_text, plain_table

Document = dict[str, Any]

ON_TILES = "tiles"
_OWN_FORMAT = "onnx"
"""The format whose operators are those of the IR: of others it is only known after importing where they run."""


def model_document(facts: ModelFacts) -> Document:
    """The facts as a JSON-able document; each operator with where it would run. The registry must be loaded."""
    return {
        "file": facts.file,
        "format": facts.format,
        "producer": facts.producer,
        "versions": dict(facts.versions),
        "inputs": [_port(port) for port in facts.inputs],
        "outputs": [_port(port) for port in facts.outputs],
        "parameters": facts.parameters,
        "parameter_bytes": facts.parameter_bytes,
        "ops": [
            {"op": name, "nodes": count, "runs_on": _runs_on(name) if facts.format == _OWN_FORMAT else ""}
            for name, count in facts.ops.items()
        ],
        "refused": [{"op": entry.op, "reason": entry.reason, "nodes": list(entry.nodes)} for entry in facts.refused],
    }


def runs_on(cls: type[Op]) -> str:
    """'tiles', or 'host' with the reason."""
    if cls.declaration.host_only is not None:
        return f"host: {cls.declaration.host_only}"
    return ON_TILES if cls.tile_form is not Op.tile_form else "host: it has no tile form"


def _runs_on(name: str) -> str:
    domain, _, plain = name.rpartition(".")
    if name == "Constant":
        return "nowhere: it is data"
    cls = REGISTRY.by_onnx.get((domain, plain)) or REGISTRY.by_onnx.get(("", name))
    return "" if cls is None else runs_on(cls)


def _port(port: Port) -> Document:
    return {"name": port.name, "type": "unknown" if port.type is None else str(port.type)}


def print_model(document: Document, console: Console) -> None:
    """Print a model's document as tables."""
    versions = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in document["versions"].items())
    producer = f", made by {document['producer']}" if document["producer"] else ""
    kind = f"{document['format']}, opset {versions}" if document["format"] == _OWN_FORMAT else versions
    console.print(Text(document["file"], style="bold").append(f": {kind}{producer}"))
    console.print(f"{document['parameters']:,} parameters in {bytes_text(document['parameter_bytes'])}\n", markup=False)
    _print_ports("inputs", document["inputs"], console)
    _print_ports("outputs", document["outputs"], console)
    refused = {entry["op"] for entry in document["refused"]}
    table = plain_table("operators", "operator", "nodes", "runs on")
    table.columns[2].justify = "left"
    for entry in document["ops"]:
        place = Text("refused", style="red") if entry["op"] in refused else Text(entry["runs_on"])
        table.add_row(entry["op"], f"{entry['nodes']:,}", place)
    console.print(table)
    if document["refused"]:
        console.print()
        _print_refused(document, console)


def _print_ports(title: str, ports: list[Document], console: Console) -> None:
    table = plain_table(title, "name", "type")
    table.columns[1].justify = "left"
    for port in ports:
        table.add_row(Text(port["name"]), Text(port["type"]))
    console.print(table)
    console.print()


def _print_refused(document: Document, console: Console) -> None:
    table = plain_table("refused", "operator", "nodes", "reason", "for example")
    for column in table.columns[2:]:
        column.justify = "left"
    for entry in document["refused"]:
        nodes = entry["nodes"]
        table.add_row(entry["op"], f"{len(nodes):,}", Text(entry["reason"]), Text(", ".join(nodes[:3])))
    console.print(table)
