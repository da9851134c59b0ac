"""The TorchScript frontend: scripted and traced modules, read without Torch."""

from halo_frontends.torchscript.reader import TorchScriptFrontend

__all__ = ["TorchScriptFrontend"]
