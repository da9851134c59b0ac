"""Images that look like lines of writing. Text detectors answer noise with zeros everywhere, which checks nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GLYPH_PIXELS = 10
_LINE_PIXELS = 35
_MARGIN_PIXELS = 10
_STROKE_PIXELS = 2


def writing(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Black strokes (-1) on white (+1): an image batch of `shape` (N, C, H, W), equal in all channels."""
    page = np.ones(shape, np.float32)
    batch, _, height, width = shape
    for item in range(batch):
        for top in range(_MARGIN_PIXELS, height - _LINE_PIXELS + 1, _LINE_PIXELS):
            baseline = top + int(rng.integers(0, _MARGIN_PIXELS))
            for left in range(_MARGIN_PIXELS, width - _GLYPH_PIXELS, _GLYPH_PIXELS):
                _glyph(page[item], baseline, left, rng)
    return page


def _glyph(image: NDArray[np.float32], top: int, left: int, rng: np.random.Generator) -> None:
    tall, wide = (int(size) for size in rng.integers(3, 14, 2))
    image[:, top : top + _STROKE_PIXELS, left : left + wide] = -1
    image[:, top : top + tall, left : left + _STROKE_PIXELS] = -1
