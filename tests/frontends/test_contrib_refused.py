"""Operators of ONNX Runtime that are refused say why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from halo_py.errors import UnsupportedError
from halo_py.frontend import load_model
from tests.frontends.contrib_nodes import Call
from tests.frontends.onnx_models import random, write


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("PackedAttention", "GPUs only"),
        ("PackedMultiHeadAttention", "GPUs only"),
        ("RemovePadding", "padding"),
        ("LongformerAttention", "GPUs only"),
        ("GreedySearch", "step by step"),
        ("BitmaskDropout", "training"),
        ("EPContext", "vendor"),
        ("GatedDeltaNet", "no form"),
        ("SparseToDenseMatMul", "sparse"),
        ("NoSuchOperator", "unknown operator"),
    ],
)
def test_the_refusal_names_the_operator_and_the_reason(op: str, reason: str, tmp_path: Path) -> None:
    path = write(Call(op, op, [random(1, 2, 3)]).model(), tmp_path)
    with pytest.raises(UnsupportedError, match=rf"com\.microsoft\.{op}: 1 node .*{reason}"):
        load_model(path)


@pytest.mark.parametrize(
    ("domain", "reason"),
    [
        ("com.microsoft.nchwc", "ORT_ENABLE_EXTENDED"),
        ("com.ms.internal.nhwc", "ORT_ENABLE_BASIC"),
        ("org.pytorch.aten", "ONNX_ATEN"),
        ("com.example", "unknown operator"),
    ],
)
def test_the_refusal_of_a_domain_says_what_to_do(domain: str, reason: str, tmp_path: Path) -> None:
    path = write(Call("node", "Conv", [random(1, 1, 8, 4, 4)], domain=domain).model(), tmp_path)
    with pytest.raises(UnsupportedError, match=rf"{re.escape(domain)}\.Conv: 1 node .*{reason}"):
        load_model(path)
