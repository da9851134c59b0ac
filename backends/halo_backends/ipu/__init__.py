"""The simulated IPU: values and cycles from one run of a compiled program."""

from halo_backends.ipu.driver import IpuBackend

__all__ = ["IpuBackend"]
