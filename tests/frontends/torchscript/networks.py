"""Whole networks as Torch writes them, and whether a device gives Torch's values for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import odla
from tests.frontends.torchscript.agreement import difference
from tests.frontends.torchscript.made import MadeProgram, folder_of, program

FACES = ("onet", "pnet", "rnet")
TRANSFORMERS = (
    "bert_tiny",
    "convnext_tiny",
    "gpt2_tiny",
    "gpt2_tiny_masked",
    "llama_tiny",
    "llama_tiny_masked",
    "mobilenet_v2",
    "resnet18",
    "segformer",
    "vit_tiny",
    "whisper_encoder",
)
SAMPLE_RATES = (16000, 8000)
SMALL = ("bert_tiny", "pnet", "rnet", "vit_tiny")
"""What CI compiles for sixteen IPUs; `python -m benchmarks.torch_networks` does all."""
TILED = ("rnet",)
"""What a small machine can run tile by tile in seconds."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network in one of Torch's formats, and what a compiler must be told about it."""

    name: str
    suffix: str = ".pt"
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    kind: str = "networks"

    def made(self) -> MadeProgram:
        """The file. Raises MakeError."""
        return program(self.kind, self.name, self.suffix)

    def wrong_on(self, device: str, **options: Any) -> str | None:
        """In what a device's values differ from Torch's; None if they do not. Raises HaloError."""
        made = self.made()
        inputs = made.inputs()
        if self.values:
            options |= {"values": self.values, "shapes": {"x": inputs[0].shape}}
        result = odla.execute(made.path, inputs, device=device, **options)
        expected = made.outputs()
        if len(result) != len(expected):
            return f"{len(result)} outputs, not {len(expected)}"
        return next(filter(None, map(difference, result.values(), expected)), None)

    def __str__(self) -> str:
        return self.name + self.suffix


def all_networks() -> list[Network]:
    """Every network in every format it has."""
    both = [Network(name, suffix) for name in (*FACES, *TRANSFORMERS) for suffix in (".pt", ".pt2")]
    return [*both, *(Network(f"silero_{rate}", values={"sr": rate}) for rate in SAMPLE_RATES)]


def zoo_networks() -> list[Network]:
    """Small networks of many families, traced and exported. Raises MakeError."""
    names = sorted(path.stem for path in folder_of("zoo").glob("*.npz"))
    return [Network(name, suffix, kind="zoo") for name in names for suffix in (".pt", ".pt2")]


def small_networks() -> list[Network]:
    """Those that CI compiles for sixteen IPUs: each in one format, transformers in the newer one."""
    return [
        network
        for network in all_networks()
        if network.values or (network.name in SMALL and (network.suffix == ".pt") == (network.name in FACES))
    ]
