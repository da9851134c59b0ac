"""Published rows: what recognises a model, and that nothing else is recognised."""

from __future__ import annotations

import math

import pytest

from halo_py.report.published import SAME_MODEL, nearest_published, published_rows


def _encoder(layers: int, hidden: int, tokens: int) -> int:
    """Multiply-accumulates of a transformer encoder: four projections, two products of attention, a 4x MLP."""
    dense = tokens * (4 * hidden * hidden + 2 * hidden * 4 * hidden)
    attention = 2 * tokens * tokens * hidden
    return layers * (dense + attention)


def _resnet50() -> int:
    """ResNet-50 with its stride in the 3x3 convolutions (v1.5) on 224 x 224 pixels."""
    total = 112 * 112 * 64 * 3 * 49
    channels, size = 64, 56
    for blocks, width, stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
        for block in range(blocks):
            step = stride if block == 0 else 1
            after = size // step
            total += size * size * channels * width + after * after * width * (9 * width + 4 * width)
            if block == 0:
                total += after * after * channels * 4 * width
            channels, size = 4 * width, after
    return total + 2048 * 1000


MACS = {
    "ResNet-50": _resnet50(),
    "BERT-Base SL128": _encoder(12, 768, 128),
    "BERT-Base SL256": _encoder(12, 768, 256),
    "BERT-Large SL128": _encoder(24, 1024, 128),
    "ViT": _encoder(12, 768, 197) + 196 * 768 * 768 + 768 * 1000,
}


@pytest.mark.parametrize("model", MACS)
def test_fingerprints_follow_from_the_published_configurations(model: str) -> None:
    rows = [row for row in published_rows() if row.model == model]
    assert rows
    assert {row.multiply_accumulates for row in rows} == {MACS[model]}


def test_every_row_says_where_it_comes_from() -> None:
    rows = published_rows()
    assert len(rows) == 28
    for row in rows:
        assert row.source
        assert row.date
        assert row.platform
        assert row.items_per_second > 0
        assert row.batch >= 1


def test_a_model_without_published_configuration_is_never_recognised() -> None:
    rows = [row for row in published_rows() if row.model == "RoformerV2"]
    assert len(rows) == 3
    assert all(row.distance(1, 1) is None for row in rows)
    assert nearest_published(1, 1, "fp16") is None


@pytest.mark.parametrize(
    ("precision", "items_per_ipu", "expected"),
    [("fp16", 1, ("fp16", 1)), ("mixed", 7, ("fp16", 8)), ("fp32", 1, ("fp32", 1)), ("fp32", 64, ("fp32", 2))],
)
def test_the_row_of_the_same_precision_and_nearest_batch(
    precision: str, items_per_ipu: float, expected: tuple[str, int]
) -> None:
    row = nearest_published(109_482_240, MACS["BERT-Base SL256"], precision, items_per_ipu)
    assert row is not None
    assert (row["model"], row["precision"], row["batch"]) == ("BERT-Base SL256", *expected)


def test_only_a_model_of_about_this_size_is_recognised() -> None:
    inside, outside = 1 + 0.9 * SAME_MODEL, 1 + 1.1 * SAME_MODEL
    macs, parameters = MACS["ResNet-50"], 25_557_032
    assert nearest_published(int(parameters * inside), int(macs / inside), "fp16") is not None
    assert nearest_published(int(parameters * outside), macs, "fp16") is None
    assert nearest_published(parameters, int(macs / outside), "fp16") is None
    assert nearest_published(0, 0, "fp16") is None
    assert math.isclose(SAME_MODEL, 0.12)
