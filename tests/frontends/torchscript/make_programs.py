"""Scripts and traces small modules that use what TorchScript has: control flow, containers, views, quantisation.

Run by `programs.py` in a virtual environment that holds torch:

    python make_programs.py FOLDER

Each module gives `NAME.pt` and `NAME.npz`: inputs `in__0`, ..., Torch's outputs `out__0`, ... .
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

torch: Any = importlib.import_module("torch")
modules: Any = importlib.import_module("scripted_modules")
layers: Any = importlib.import_module("sequence_modules")

Made = tuple[Any, list[Any]]


def _scripted(name: str, *inputs: Any) -> Callable[[], Made]:
    home = modules if hasattr(modules, name) else layers
    return lambda: (torch.jit.script(getattr(home, name)().eval()), list(inputs))


def _traced(build: Callable[[], Any], *inputs: Any) -> Callable[[], Made]:
    return lambda: (torch.jit.trace(build().eval(), tuple(inputs), check_trace=False), list(inputs))


def _frozen(name: str, *inputs: Any) -> Callable[[], Made]:
    return lambda: (torch.jit.freeze(torch.jit.script(getattr(modules, name)().eval())), list(inputs))


def _quantised(build: Callable[[], Any], *inputs: Any) -> Callable[[], Made]:
    """A network quantised after training, calibrated on its own input."""

    def make() -> Made:
        quantization = torch.ao.quantization
        torch.backends.quantized.engine = "fbgemm"
        network = build().eval()
        network.qconfig = quantization.get_default_qconfig("fbgemm")
        ready = quantization.prepare(network)
        for _ in range(4):
            ready(*(tensor + 0.1 * torch.randn_like(tensor) for tensor in inputs))
        return torch.jit.script(quantization.convert(ready)), list(inputs)

    return make


def _dynamically_quantised(build: Callable[[], Any], *inputs: Any) -> Callable[[], Made]:
    def make() -> Made:
        network = torch.ao.quantization.quantize_dynamic(build().eval(), {torch.nn.Linear}, dtype=torch.qint8)
        return torch.jit.script(network), list(inputs)

    return make


def programs() -> dict[str, Callable[[], Made]]:
    """Every program by name."""
    nn = torch.nn
    x, image, steps = torch.randn(3, 4), torch.randn(2, 3, 8, 8), torch.randn(5, 2, 6)
    square = torch.randn(4, 4)
    return {
        "choices": _scripted("Choices", x),
        "choices_on_data": _scripted("ChoicesOnData", x),
        "choices_on_data_other": _scripted("ChoicesOnData", -x.abs()),
        "early_return_on_data": _scripted("EarlyReturnOnData", x),
        "loops": _scripted("Loops", x),
        "loop_on_data": _scripted("LoopOnData", x.abs()),
        "counted_loop_on_data": _scripted("CountedLoopOnData", x, torch.tensor([3])),
        "state_in_branches": _scripted("StateInBranches", x),
        "containers": _scripted("Containers", x),
        "named_tuples": _scripted("NamedTuples", x),
        "in_place": _scripted("InPlace", x),
        "views": _scripted("Views", square),
        "strided_views": _scripted("StridedViews", square),
        "optionals": _scripted("Optionals", x),
        "texts": _scripted("Texts", x),
        "classes": _scripted("Classes", x),
        "enumerations": _scripted("Enumerations", x),
        "submodules": _scripted("Submodules", x),
        "dictionary_result": _scripted("DictionaryResult", x),
        "indexing": _scripted("Indexing", square),
        "frozen": _frozen("Convolutional", image),
        "scripted_cnn": _scripted("Convolutional", image),
        "scripted_lstm": _scripted("Recurrent", steps),
        "scripted_lstm_loop": _scripted("RecurrentLoop", steps),
        "lstm": _traced(lambda: nn.LSTM(6, 7, 2, bidirectional=True), steps),
        "lstm_batch_first": _traced(lambda: nn.LSTM(6, 7, batch_first=True), steps),
        "gru": _traced(lambda: nn.GRU(6, 7, 2, bidirectional=True, batch_first=True), steps),
        "rnn": _traced(lambda: nn.RNN(6, 7, nonlinearity="relu", bias=False), steps),
        "rnn_tanh": _traced(lambda: nn.RNN(6, 7, 2), steps),
        "packed_lstm": _scripted("PackedSequences", torch.randn(3, 6, 4), torch.tensor([6, 2, 4])),
        "packed_lstm_traced": _traced(layers.PackedSequences, torch.randn(3, 6, 4), torch.tensor([6, 2, 4])),
        "packed_gru": _traced(layers.PackedGru, torch.randn(6, 3, 4), torch.tensor([5, 3, 2])),
        "inverse_spectrogram": _scripted("InverseSpectrogram", torch.randn(2, 64)),
        "anchors": _traced(layers.Anchors, image),
        "gru_cell": _traced(lambda: nn.GRUCell(6, 7), steps[0]),
        "rnn_cell": _traced(lambda: nn.RNNCell(6, 7), steps[0]),
        "transformer": _traced(
            lambda: modules.seeded(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)), torch.randn(2, 5, 8)
        ),
        "transformer_norm_first": _traced(
            lambda: modules.seeded(
                nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu", batch_first=True)
            ),
            torch.randn(2, 5, 8),
        ),
        "decoder": _traced(
            lambda: modules.seeded(nn.TransformerDecoderLayer(8, 2, 16)), torch.randn(5, 2, 8), torch.randn(3, 2, 8)
        ),
        "attention": _scripted("Attention", torch.randn(2, 5, 8)),
        "causal_attention": _scripted("CausalAttention", torch.randn(2, 2, 5, 8)),
        "spectrogram": _scripted("Spectrogram", torch.randn(2, 64)),
        "rotary_complex": _scripted("RotaryComplex", torch.randn(1, 5, 2, 8)),
        "detector": _scripted("Detector", torch.rand(6, 4), torch.rand(6)),
        "upsampling": _scripted("Upsampling", image),
        "quantised_cnn": _quantised(modules.QuantisedNetwork, image),
        "quantised_residual": _quantised(modules.QuantisedResidual, image),
        "dynamic_linear": _dynamically_quantised(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), x),
        "half": _traced(lambda: nn.Linear(4, 3).half(), x.half()),
        "double": _traced(lambda: nn.Linear(4, 3).double(), x.double()),
    }


def _flat(result: Any) -> list[Any]:
    if isinstance(result, (torch.Tensor, bool, int, float)):
        return [torch.as_tensor(result)]
    if isinstance(result, dict):
        entries = cast("dict[str, Any]", result)
        return [leaf for part in entries.values() for leaf in _flat(part)]
    if isinstance(result, (list, tuple)):
        parts = list(cast("list[Any]", result))
        return [leaf for part in parts for leaf in _flat(part)]
    return []


def main(folder: Path) -> None:
    """Make every program."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name, make in programs().items():
        torch.manual_seed(0)
        with torch.no_grad():
            program, inputs = make()
            torch.jit.save(program, str(folder / f"{name}.pt"))
            outputs = _flat(torch.jit.load(str(folder / f"{name}.pt"))(*(tensor.clone() for tensor in inputs)))
        arrays = {f"in__{n}": tensor.numpy() for n, tensor in enumerate(inputs)}
        arrays |= {f"out__{n}": tensor.numpy() for n, tensor in enumerate(outputs)}
        np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
