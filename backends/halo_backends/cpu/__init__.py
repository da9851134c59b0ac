"""The CPU backend: ONNX Runtime, with NumPy for what it lacks."""

from halo_backends.cpu.driver import CpuBackend

__all__ = ["CpuBackend"]
