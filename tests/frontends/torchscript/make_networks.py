"""Traces whole networks: Hugging Face ones with seeded weights, the face detectors of facenet-pytorch; runs silero-vad.

Run by `made.py` in a virtual environment that holds torch and transformers:

    python make_networks.py FOLDER SILERO MTCNN [WEIGHTS...]

SILERO is silero_vad.jit, MTCNN the file mtcnn.py of facenet-pytorch, whose weights lie beside it. Each network gives
`NAME.pt` (traced), `NAME.pt2` (exported), and `NAME.npz` with inputs `in__0`, ... and Torch's outputs `out__0`, ... .
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "models"))
torch: Any = importlib.import_module("torch")
exporter: Any = importlib.import_module("make_torch_models")

FACE_SHAPES = {"PNet": (1, 3, 64, 64), "RNet": (2, 3, 24, 24), "ONet": (2, 3, 48, 48)}
SAMPLE_RATES = {16000: 512, 8000: 256}


def _save(folder: Path, name: str, inputs: list[Any], outputs: list[Any]) -> None:
    arrays = {f"in__{n}": tensor.numpy() for n, tensor in enumerate(inputs)}
    arrays |= {f"out__{n}": tensor.detach().numpy() for n, tensor in enumerate(outputs)}
    np.savez(folder / f"{name}.npz", **arrays)


def _trace(folder: Path, name: str, network: Any, inputs: list[Any]) -> None:
    with torch.no_grad():
        found = network(*inputs)
        torch.jit.save(torch.jit.trace(network, tuple(inputs), check_trace=False), str(folder / f"{name}.pt"))
        torch.export.save(torch.export.export(network, tuple(inputs)), str(folder / f"{name}.pt2"))
    _save(folder, name, inputs, [found] if isinstance(found, torch.Tensor) else list(found))


def transformers(folder: Path) -> None:
    """The networks that are exported to ONNX too, with the same weights."""
    for network in exporter.networks():
        torch.manual_seed(exporter.SEED)
        tensors = tuple(network.inputs.values())
        model = exporter.FirstOutput(network.build(), list(network.inputs))
        exporter.give_weights(model, tensors)
        _trace(folder, network.name, model, list(tensors))


def face_nets(folder: Path, source: Path) -> None:
    """The three networks of a face detector, with their published weights."""
    for name in ("facenet", "facenet.utils", "facenet.utils.detect_face"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    for function in ("detect_face", "extract_face"):
        setattr(sys.modules["facenet.utils.detect_face"], function, None)
    spec: Any = importlib.util.spec_from_file_location("facenet.mtcnn", source)
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    for name, shape in FACE_SHAPES.items():
        _trace(folder, name.lower(), getattr(module, name)().eval(), [torch.randn(*shape)])


def silero(folder: Path, source: Path) -> None:
    """Speech detection: the published scripted module, fresh for every rate."""
    for rate, samples in SAMPLE_RATES.items():
        torch.manual_seed(rate)
        module = torch.jit.load(str(source)).eval()
        x = 0.3 * torch.randn(1, samples)
        with torch.no_grad():
            found = module(x, rate)
        shutil.copyfile(source, folder / f"silero_{rate}.pt")
        _save(folder, f"silero_{rate}", [x], [found])


def main(folder: Path, speech: Path, faces: Path) -> None:
    """Make every network."""
    warnings.simplefilter("ignore")
    silero(folder, speech)
    face_nets(folder, faces)
    transformers(folder)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
