"""The frontend for programs that `torch.export.save` writes (`.pt2`)."""

from halo_frontends.torch_export.reader import TorchExportFrontend

__all__ = ["TorchExportFrontend"]
