"""The ONNX frontend: opset 7 to the newest, weights memory-mapped."""

from halo_frontends.onnx.reader import OnnxFrontend

__all__ = ["OnnxFrontend"]
