"""ONNX's protobuf classes, loaded without the rest of the `onnx` package (which would cost 70 ms at every start)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import (
        AttributeProto,
        FunctionProto,
        GraphProto,
        ModelProto,
        NodeProto,
        SparseTensorProto,
        TensorProto,
        TensorShapeProto,
        TypeProto,
        ValueInfoProto,
    )
else:

    def _generated():
        import importlib.util
        import sys
        from pathlib import Path

        loaded = sys.modules.get("onnx.onnx_ml_pb2")
        if loaded is not None:
            return loaded
        package = importlib.util.find_spec("onnx")
        if package is None or package.origin is None:
            raise ImportError("the package 'onnx' is not installed")
        # Only this one file: importing a submodule by name would run the package's `__init__` first. Protobuf's
        # descriptor pool answers the same classes if the whole package is imported later.
        path = Path(package.origin).parent / "onnx_ml_pb2.py"
        spec = importlib.util.spec_from_file_location("halo_frontends.onnx._onnx_ml_pb2", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    _module = _generated()
    AttributeProto = _module.AttributeProto
    FunctionProto = _module.FunctionProto
    GraphProto = _module.GraphProto
    ModelProto = _module.ModelProto
    NodeProto = _module.NodeProto
    SparseTensorProto = _module.SparseTensorProto
    TensorProto = _module.TensorProto
    TensorShapeProto = _module.TensorShapeProto
    TypeProto = _module.TypeProto
    ValueInfoProto = _module.ValueInfoProto

__all__ = [
    "AttributeProto",
    "FunctionProto",
    "GraphProto",
    "ModelProto",
    "NodeProto",
    "SparseTensorProto",
    "TensorProto",
    "TensorShapeProto",
    "TypeProto",
    "ValueInfoProto",
]
