"""A minimal failing graph as text that people can read and a test replays.

    // cpu: values: out/0: at (0,): 1.0 instead of 2.0
    // seed 17
    // half
    // xfail cpu: why it is not mended yet
    graph "inputs" () { ... }
    graph "fuzz" (...) { ... }

The first graph holds the contents of the second one's inputs as constants, in order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from halo_py.ir.builder import GraphBuilder
from halo_py.ir.op import RuntimeValue
from halo_py.ir.parse import parse_graph
from halo_py.ir.text import TextOptions, elided_contents, print_graph
from halo_py.ops import load_ops
from tests.fuzz.runner import Subject
from tests.fuzz.worlds import Limits

EVERY_ELEMENT = 1 << 30
_XFAIL = re.compile(r"xfail ([^:]+): (.+)")


@dataclass(frozen=True)
class CaseFile:
    """A subject, what was wrong with it, and on which routes it still is."""

    subject: Subject
    found: str
    origin: str
    xfail: Mapping[str, str] = field(default_factory=dict[str, str])


class NotWritableError(Exception):
    """Some contents have no text."""


def write_case(path: Path, case: CaseFile) -> None:
    """Write the file. Raises NotWritableError."""
    subject = case.subject
    options = TextOptions(inline_elements=EVERY_ELEMENT)
    builder = GraphBuilder("inputs")
    given = [
        builder.constant(np.asarray(contents), value.name)
        for value, contents in zip(subject.graph.inputs, subject.inputs, strict=True)
    ]
    inputs = builder.finish(given)
    if elided_contents(inputs, EVERY_ELEMENT) or elided_contents(subject.graph, EVERY_ELEMENT):
        raise NotWritableError("contents that have no text")
    head = [case.found.split("\n")[0][:160], case.origin, *(["half"] if subject.limits.half else [])]
    head += [f"xfail {route}: {reason}" for route, reason in case.xfail.items()]
    lines = "".join(f"// {line}\n" for line in head)
    text = print_graph(subject.graph, options)
    path.write_text(lines + print_graph(inputs, options) + text[text.index("graph ") :], encoding="utf-8")


def read_case(path: Path) -> CaseFile:
    """The case of a file. Raises ModelError."""
    load_ops()
    text = path.read_text(encoding="utf-8")
    head = [line[2:].strip() for line in text.splitlines() if line.startswith("//")]
    begin = [match.start() for match in re.finditer(r"^graph ", text, re.MULTILINE)]
    inputs = parse_graph(text[begin[0] : begin[1]])
    graph = parse_graph(text[begin[1] :])
    contents = tuple(cast("RuntimeValue", inputs.constants[value]) for value in inputs.outputs)
    found = [match for line in head if (match := _XFAIL.fullmatch(line))]
    xfail = {match.group(1): match.group(2) for match in found}
    subject = Subject(graph, contents, Limits(half="half" in head))
    return CaseFile(subject, head[0], head[1] if len(head) > 1 else "", xfail)
