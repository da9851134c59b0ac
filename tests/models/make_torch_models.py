"""Exports small Hugging Face networks to ONNX by both of PyTorch's exporters, with fixed seeds.

Run by `torch_models.py` in a virtual environment that holds torch, transformers and onnxscript:

    python make_torch_models.py FOLDER

Each network is built from a configuration (nothing is downloaded) and gives `NAME_legacy.onnx`
(`torch.jit.trace` based, opset 17), `NAME_dynamo.onnx` (`torch.export` based, newest opset), and `NAME.npz` with
inputs and PyTorch's own output. A network with a free batch dimension adds `NAME_batch_legacy.onnx`. The legacy
exporter knows no `aten::diff`, by which a decoder without a mask looks for packed sequences; so decoders come
without a mask by the new exporter only, and with one by both.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

torch: Any = importlib.import_module("torch")
transformers: Any = importlib.import_module("transformers")

SEED = 2026
TOKENS = 1000
LEGACY_OPSET = 17
STATISTICS_BATCH = 8


@dataclass(frozen=True, slots=True)
class Network:
    """A network to export: its file name, how it is built, and its inputs by the model's argument names."""

    name: str
    build: Callable[[], Any]
    inputs: dict[str, Any]
    free_batch: bool = False
    legacy: bool = True


def networks() -> list[Network]:
    """The networks: text, vision and audio, convolutions and attention of several families."""
    generator = torch.Generator().manual_seed(SEED)
    ids = {"input_ids": torch.randint(0, TOKENS, (1, 16), generator=generator)}
    masked = {**ids, "attention_mask": torch.ones(1, 16, dtype=torch.long)}
    image = {"pixel_values": torch.randn(1, 3, 64, 64, generator=generator)}
    audio = {"input_features": torch.randn(1, 80, 100, generator=generator)}
    return [
        Network("bert_tiny", _bert, masked, free_batch=True),
        Network("gpt2_tiny", _gpt2, ids, legacy=False),
        Network("gpt2_tiny_masked", _gpt2, masked),
        Network("llama_tiny", _llama, ids, legacy=False),
        Network("llama_tiny_masked", _llama, masked),
        Network("resnet18", _resnet18, image, free_batch=True),
        Network("vit_tiny", _vit, image, free_batch=True),
        Network("convnext_tiny", _convnext, image),
        Network("mobilenet_v2", _mobilenet_v2, image),
        Network("segformer", _segformer, image),
        Network("whisper_encoder", _whisper_encoder, audio),
    ]


def _bert() -> Any:
    config = transformers.BertConfig(
        vocab_size=TOKENS, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128
    )
    return transformers.BertModel(_eager(config))


def _gpt2() -> Any:
    config = transformers.GPT2Config(vocab_size=TOKENS, n_embd=64, n_layer=2, n_head=4, use_cache=False)
    return transformers.GPT2Model(_eager(config))


def _llama() -> Any:
    config = transformers.LlamaConfig(
        vocab_size=TOKENS,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        use_cache=False,
    )
    return transformers.LlamaModel(_eager(config))


def _resnet18() -> Any:
    config = transformers.ResNetConfig(
        embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"
    )
    return transformers.ResNetModel(config)


def _vit() -> Any:
    config = transformers.ViTConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=64,
        patch_size=8,
    )
    return transformers.ViTModel(_eager(config))


def _convnext() -> Any:
    return transformers.ConvNextModel(transformers.ConvNextConfig(hidden_sizes=[16, 32, 64, 128], depths=[1, 1, 2, 1]))


def _mobilenet_v2() -> Any:
    return transformers.MobileNetV2Model(transformers.MobileNetV2Config(image_size=64))


def _segformer() -> Any:
    config = transformers.SegformerConfig(hidden_sizes=[16, 32, 64, 128], depths=[1, 1, 1, 1], decoder_hidden_size=32)
    return transformers.SegformerForSemanticSegmentation(config)


def _whisper_encoder() -> Any:
    config = transformers.WhisperConfig(
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_source_positions=50,
        num_mel_bins=80,
        vocab_size=TOKENS,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return transformers.WhisperModel(_eager(config)).encoder


def _eager(config: Any) -> Any:
    """Attention written out as matrix products and softmax, as exporters of older models do."""
    config._attn_implementation = "eager"
    return config


class FirstOutput(torch.nn.Module):
    """A network as a function of positional tensors that returns its first output."""

    def __init__(self, model: Any, names: list[str]) -> None:
        torch.nn.Module.__init__(self)
        self.model = model
        self.names = names

    def forward(self, *tensors: Any) -> Any:
        """The first output of the network."""
        return self.model(**dict(zip(self.names, tensors, strict=True)), return_dict=False)[0]


def give_weights(model: Any, tensors: tuple[Any, ...]) -> None:
    """Seeded weights under which every part of the network matters.

    Kernels are scaled after He et al. (2015); biases and norms leave their neutral 0 and 1, so that a compiler that
    dropped them would be seen. Batch statistics are those of a seeded batch, so that the signal neither fades nor
    saturates, and batch norms mostly feed the linear part of activations, so that rounding is not amplified on its way.
    """
    generator = torch.Generator().manual_seed(SEED)
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.normal_(0, (2.0 / parameter[0].numel()) ** 0.5, generator=generator)
            else:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        if norms:
            for layer in norms:
                layer.momentum = 1.0
                layer.weight.mul_(0.5)
                layer.bias.add_(0.5)
            batch = (torch.randn(STATISTICS_BATCH, *tensor.shape[1:], generator=generator) for tensor in tensors)
            model.train()(*batch)
    model.eval()


def export(network: Network, folder: Path) -> None:
    """Writes the network's files into `folder`."""
    torch.manual_seed(SEED)
    names, tensors = list(network.inputs), tuple(network.inputs.values())
    model = FirstOutput(network.build(), names)
    give_weights(model, tensors)
    with torch.no_grad():
        output = model(*tensors).numpy()
    if np.unique(output).size < min(100, output.size // 3):
        raise SystemExit(f"{network.name}: the output hardly varies, so it would check nothing")
    np.savez(folder / f"{network.name}.npz", output=output, **{k: v.numpy() for k, v in network.inputs.items()})
    common: dict[str, Any] = {"input_names": names, "output_names": ["output"], "verbose": False}
    old: dict[str, Any] = {**common, "dynamo": False, "opset_version": LEGACY_OPSET}
    torch.onnx.export(model, tensors, str(folder / f"{network.name}_dynamo.onnx"), dynamo=True, **common)
    if network.legacy:
        torch.onnx.export(model, tensors, str(folder / f"{network.name}_legacy.onnx"), **old)
    if network.free_batch:
        axes = {name: {0: "batch"} for name in [*names, "output"]}
        torch.onnx.export(model, tensors, str(folder / f"{network.name}_batch_legacy.onnx"), dynamic_axes=axes, **old)


def main() -> None:
    """Exports every network into the folder named on the command line."""
    folder = Path(sys.argv[1])
    for network in networks():
        export(network, folder)
        sys.stdout.write(f"{network.name}\n")


if __name__ == "__main__":
    main()
