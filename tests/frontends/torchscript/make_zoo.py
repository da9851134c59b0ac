"""Traces and exports small networks of many families of transformers, with random weights.

Run by `made.py` in a virtual environment that holds torch and transformers:

    python make_zoo.py FOLDER

Each network gives `NAME.pt`, `NAME.pt2` and `NAME.npz` with inputs `in__0`, ... and Torch's outputs `out__0`, ... .
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

torch: Any = importlib.import_module("torch")
hub: Any = importlib.import_module("transformers")

MOST_OUTPUTS = 3
_SIZES = {"vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT: dict[str, Any] = {**_SIZES, "intermediate_size": 32}
DECODER: dict[str, Any] = {**TEXT, "num_key_value_heads": 1, "head_dim": 8, "use_cache": False}
VISION: dict[str, Any] = {
    **{key: size for key, size in TEXT.items() if key != "vocab_size"},
    "image_size": 32,
    "patch_size": 8,
}
BOTH: dict[str, Any] = {
    "vocab_size": 100,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "use_cache": False,
}
AUDIO: dict[str, Any] = {
    **TEXT,
    "conv_dim": (8, 8),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
WINDOWS: dict[str, Any] = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2]}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

Zoo = dict[str, tuple[str, str, Mapping[str, Any], str]]
NETWORKS: Zoo = {
    "roberta": ("RobertaModel", "RobertaConfig", TEXT, "masked"),
    "albert": ("AlbertModel", "AlbertConfig", {**TEXT, "embedding_size": 8}, "masked"),
    "electra": ("ElectraForTokenClassification", "ElectraConfig", {**TEXT, "embedding_size": 8}, "masked"),
    "deberta": (
        "DebertaV2Model",
        "DebertaV2Config",
        {**TEXT, "relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]},
        "masked",
    ),
    "mpnet": ("MPNetModel", "MPNetConfig", TEXT, "masked"),
    "modernbert": ("ModernBertModel", "ModernBertConfig", {**TEXT, **TOKENS, "cls_token_id": 1}, "masked"),
    "fnet": ("FNetModel", "FNetConfig", {key: TEXT[key] for key in TEXT if key != "num_attention_heads"}, "text"),
    "xlnet": ("XLNetModel", "XLNetConfig", {"vocab_size": 100, "d_model": 16, "n_layer": 2, "n_head": 2}, "text"),
    "mistral": ("MistralForCausalLM", "MistralConfig", DECODER, "masked"),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", DECODER, "masked"),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", DECODER, "masked"),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", {**DECODER, "num_local_experts": 4}, "masked"),
    "phi": ("PhiForCausalLM", "PhiConfig", {**TEXT, "use_cache": False}, "masked"),
    "gptneox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", {**TEXT, "use_cache": False}, "masked"),
    "mamba": ("MambaForCausalLM", "MambaConfig", {**_SIZES, "state_size": 4, "use_cache": False}, "text"),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        {"vocab_size": 100, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "use_cache": False},
        "pair",
    ),
    "bart": ("BartModel", "BartConfig", BOTH, "pair"),
    "whisper": (
        "WhisperForConditionalGeneration",
        "WhisperConfig",
        {**BOTH, **TOKENS, "max_source_positions": 20, "num_mel_bins": 8, "decoder_start_token_id": 1},
        "speech",
    ),
    "wav2vec2": ("Wav2Vec2Model", "Wav2Vec2Config", AUDIO, "audio"),
    "hubert": ("HubertModel", "HubertConfig", AUDIO, "audio"),
    "deit": ("DeiTModel", "DeiTConfig", VISION, "image"),
    "beit": ("BeitModel", "BeitConfig", {**VISION, "use_relative_position_bias": True}, "image"),
    "swin": ("SwinModel", "SwinConfig", {**WINDOWS, "window_size": 4}, "image"),
    "swinv2": ("Swinv2Model", "Swinv2Config", {**WINDOWS, "window_size": 4}, "image"),
    "siglip": ("SiglipVisionModel", "SiglipVisionConfig", VISION, "image"),
    "yolos": (
        "YolosForObjectDetection",
        "YolosConfig",
        {**VISION, "image_size": [32, 32], "num_detection_tokens": 4},
        "image",
    ),
    "efficientnet": (
        "EfficientNetModel",
        "EfficientNetConfig",
        {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320},
        "image",
    ),
    "regnet": (
        "RegNetModel",
        "RegNetConfig",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 8},
        "image",
    ),
    "convnextv2": (
        "ConvNextV2Model",
        "ConvNextV2Config",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
        "image",
    ),
    "jamba": (
        "JambaForCausalLM",
        "JambaConfig",
        {
            **DECODER,
            **TOKENS,
            "num_experts": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "mamba_d_state": 4,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
        "masked",
    ),
    "rwkv": ("RwkvForCausalLM", "RwkvConfig", {**_SIZES, "attention_hidden_size": 16, "use_cache": False}, "text"),
    "levit": (
        "LevitModel",
        "LevitConfig",
        {
            "image_size": 64,
            "hidden_sizes": [16, 16, 32],
            "num_attention_heads": [2, 2, 2],
            "depths": [1, 1, 1],
            "key_dim": [8, 8, 8],
        },
        "picture",
    ),
    "superpoint": (
        "SuperPointForKeypointDetection",
        "SuperPointConfig",
        {"encoder_hidden_sizes": [8, 8, 8, 8], "decoder_hidden_size": 8, "descriptor_decoder_dim": 8},
        "picture",
    ),
    "dac": (
        "DacModel",
        "DacConfig",
        {
            "encoder_hidden_size": 8,
            "downsampling_ratios": [2, 4],
            "decoder_hidden_size": 16,
            "n_codebooks": 2,
            "codebook_size": 16,
            "codebook_dim": 4,
            "hidden_size": 32,
        },
        "wave",
    ),
}
"""Name -> model class, configuration class, its settings, and which inputs the network takes."""


def inputs() -> dict[str, dict[str, Any]]:
    """Inputs by the names that networks have for them."""
    ids = torch.randint(3, 90, (1, 8))
    masked = {"input_ids": ids, "attention_mask": torch.ones(1, 8, dtype=torch.long)}
    return {
        "text": {"input_ids": ids},
        "masked": masked,
        "pair": {**masked, "decoder_input_ids": ids},
        "speech": {"input_features": torch.randn(1, 8, 40), "decoder_input_ids": ids},
        "audio": {"input_values": torch.randn(1, 200)},
        "wave": {"input_values": torch.randn(1, 1, 320)},
        "image": {"pixel_values": torch.randn(1, 3, 32, 32)},
        "picture": {"pixel_values": torch.randn(1, 3, 64, 64)},
    }


def _tensors(result: Any) -> Iterator[Any]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, (list, tuple)):
        for part in cast("list[Any]", result):
            yield from _tensors(part)


class Positional(torch.nn.Module):
    """A network as a function of tensors in order that returns its first few."""

    def __init__(self, model: Any, names: list[str]) -> None:
        torch.nn.Module.__init__(self)
        self.model, self.names = model, names

    def forward(self, *given: Any) -> Any:
        """The first tensors of the result."""
        result = self.model(**dict(zip(self.names, given, strict=True)), return_dict=False)
        return tuple(_tensors(result))[:MOST_OUTPUTS]


def main(folder: Path) -> None:
    """Make every network."""
    warnings.simplefilter("ignore")
    for name, (model, config, settings, takes) in NETWORKS.items():
        torch.manual_seed(0)
        given = inputs()[takes]
        network = Positional(getattr(hub, model)(getattr(hub, config)(**settings)).eval(), list(given))
        tensors = tuple(given.values())
        with torch.no_grad():
            outputs = network(*tensors)
            torch.jit.save(torch.jit.trace(network, tensors, check_trace=False), str(folder / f"{name}.pt"))
            torch.export.save(torch.export.export(network, tensors), str(folder / f"{name}.pt2"))
        arrays = {f"in__{n}": tensor.numpy() for n, tensor in enumerate(tensors)}
        arrays |= {f"out__{n}": tensor.numpy() for n, tensor in enumerate(outputs)}
        np.savez(folder / f"{name}.npz", **arrays)
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
