"""The example model is a real, trained one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.models.onnx_runtime import Judge

_EXAMPLES = Path(__file__).parents[2] / "examples"


def test_reads_digits_it_was_not_trained_on() -> None:
    with np.load(_EXAMPLES / "digits_samples.npz", allow_pickle=False) as samples:
        images, labels = samples["image"], samples["label"]

    logits = Judge(_EXAMPLES / "digits.onnx").run({"image": images})["logits"]

    assert len(set(labels.tolist())) >= 7
    assert (logits.argmax(axis=1) == labels).mean() >= 0.9


def test_batch_dimension_is_free() -> None:
    images = np.zeros((3, 1, 8, 8), np.float32)

    assert Judge(_EXAMPLES / "digits.onnx").run({"image": images})["logits"].shape == (3, 10)
