"""Add an op from outside: one class with its shape rule, its meaning and its tile form.

An installed package names the module that declares the op in the entry-point group `halo.ops`; here importing this
file is enough. The op is the squared ReLU (So et al., 2021, "Primer"); ONNX files spell it `example.org.SquaredRelu`.

    python examples/02_new_op.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

import odla
from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, run_program
from halo_py.ops.scalar_op import map_form
from halo_py.types import DType, Type

DOMAIN = "example.org"


@op("squared_relu", onnx="SquaredRelu", domain=DOMAIN)
class SquaredRelu(Op):
    """max(x, 0) squared."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        if not args.dtype(0).is_float:
            raise args.error(f"the element type must be float, found {args.dtype(0).text}")
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x = args.array(0)
        return (run_program(_program(DType.from_numpy(x.dtype)), [x]),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return map_form(args, _program(args.output_types[0].dtype))


def _program(dtype: DType) -> ScalarProgram:
    """What a vertex does with every element: two functions whose cost each machine knows."""
    program = ProgramBuilder(1, dtype)
    positive = program.call("relu", 0)
    program.call("mul", positive, positive)
    return program.finish(dtype)


def write_model(path: Path) -> None:
    """Writes y = SquaredRelu(x W) as an ONNX file."""
    weight = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("SquaredRelu", ["product"], ["y"], domain=DOMAIN),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", (4, 16)), ("y", (4, 8)))
    ]
    weights = [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.tobytes(), raw=True)]
    graph = helper.make_graph(nodes, "squared", ports[:1], ports[1:], weights)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


def main() -> None:
    """Runs a model with the new op on three devices, which must agree."""
    x = np.random.default_rng(1).standard_normal((4, 16)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "squared.onnx"
        write_model(path)
        results = {
            device: odla.execute(path, {"x": x}, device=device)["y"] for device in ("reference", "cpu", "ipu-tiny")
        }
    for device, y in results.items():
        np.testing.assert_allclose(y, results["reference"], rtol=1e-3, atol=1e-4)
        print(f"{device:10} {y[0, :4]}")


if __name__ == "__main__":
    main()
