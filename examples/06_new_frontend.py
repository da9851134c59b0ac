"""Add a model format from outside: a frontend that reads lines like `y = relu(add(mul(x, 2), 1))`.

An installed package names the class in the entry-point group `halo.frontends`; here `register_frontend` does it.

    python examples/06_new_frontend.py
"""

from __future__ import annotations

import ast
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import odla
from halo_py.errors import ModelError, Where
from halo_py.frontend import ImportOptions, ModelFacts, Port, register_frontend
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import REGISTRY
from halo_py.ops import load_ops
from halo_py.types import DType, TensorType

MAGIC = "#!formula "
EXAMPLE = """#!formula x:8
scaled = add(mul(x, 2.0), 1.0)
y = relu(scaled)
"""


class FormulaFrontend:
    """Reads a first line `#!formula NAME:LENGTH` (the input) and assignments; the last one is the output."""

    name = "formula"

    def sniff(self, path: Path, head: bytes) -> bool:
        return head.startswith(MAGIC.encode())

    def inspect(self, path: Path) -> ModelFacts:
        graph = self.load(path, ImportOptions())
        ops = Counter(node.op.kind for node in graph.nodes)
        inputs = tuple(Port(value.name, value.type) for value in graph.inputs)
        outputs = tuple(Port(name, value.type) for name, value in zip(graph.output_names, graph.outputs, strict=True))
        return ModelFacts(str(path), self.name, "by hand", {}, inputs, outputs, ops, 0, 0)

    def load(self, path: Path, options: ImportOptions) -> Graph:
        load_ops()
        header, _, body = path.read_text(encoding="utf-8").partition("\n")
        name, _, length = header.removeprefix(MAGIC).partition(":")
        if not length.isdecimal():
            raise ModelError(f"the input must be NAME:LENGTH, found {header!r}", Where(str(path)))
        reader = _Reader(GraphBuilder(path.stem, str(path)), str(path))
        reader.names[name] = reader.builder.input(name, TensorType(DType.FLOAT32, (int(length),)))
        return reader.graph(body)


@dataclass(slots=True)
class _Reader:
    builder: GraphBuilder
    file: str
    names: dict[str, Value] = field(default_factory=dict[str, Value])

    def graph(self, text: str) -> Graph:
        target = ""
        for statement in self._parsed(text).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=target)], value=expression):
                    self.names[target] = self._value(expression)
                case _:
                    raise self._error(statement, "only assignments are allowed")
        return self.builder.finish([self.names[target]], [target])

    def _parsed(self, text: str) -> ast.Module:
        try:
            return ast.parse(text)
        except SyntaxError as error:
            raise ModelError(f"line {(error.lineno or 0) + 1}: {error.msg}", Where(self.file)) from error

    def _value(self, expression: ast.expr) -> Value:
        match expression:
            case ast.Constant(value=float(number)):
                return self.builder.constant(np.asarray(number, np.float32))
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Call(func=ast.Name(id=kind), args=operands, keywords=[]) if kind in REGISTRY.by_name:
                op = REGISTRY.by_name[kind]()
                return self.builder.add(
                    op, [self._value(operand) for operand in operands], where=self._where(expression)
                )[0]
            case _:
                raise self._error(expression, f"cannot read {ast.unparse(expression)!r}")

    def _where(self, part: ast.expr | ast.stmt) -> Where:
        return Where(self.file, f"line {part.lineno + 1}")

    def _error(self, part: ast.expr | ast.stmt, message: str) -> ModelError:
        return ModelError(message, self._where(part))


def main() -> None:
    """Runs a formula on two devices."""
    register_frontend(FormulaFrontend())
    x = np.linspace(-2, 2, 8, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.formula"
        path.write_text(EXAMPLE, encoding="utf-8")
        for device in ("cpu", "ipu-tiny"):
            y = odla.execute(path, {"x": x}, device=device)["y"]
            np.testing.assert_allclose(y, np.maximum(2 * x + 1, 0), rtol=1e-5)
            print(f"{device:10} {y}")


if __name__ == "__main__":
    main()
