"""Traces and exports a network of about 100 MB: ResNet-50 as transformers has it, with random weights.

Run by `made.py` in a virtual environment that holds torch and transformers:

    python make_large.py FOLDER

writes `resnet50.pt` and `resnet50.pt2`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

torch: Any = importlib.import_module("torch")
transformers: Any = importlib.import_module("transformers")


def main(folder: Path) -> None:
    """Make both files."""
    torch.manual_seed(0)
    network = transformers.ResNetForImageClassification(transformers.ResNetConfig(return_dict=False)).eval()
    image = (torch.randn(1, 3, 224, 224),)
    with torch.no_grad():
        torch.jit.save(torch.jit.trace(network, image, check_trace=False), str(folder / "resnet50.pt"))
        torch.export.save(torch.export.export(network, image), str(folder / "resnet50.pt2"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
