"""ONNX's backend suite on our devices: the package's own runner on the CPU, and every case's outcome on the IPU.

The CPU runs all of it. The simulated IPU takes minutes, so that each run of the tests takes one part in
`HALO_ONNX_SHARD` ("0/8" by default) on one machine and the part furthest from it on the other;
`python -m benchmarks.onnx_suite` runs it whole on any device.
"""

from __future__ import annotations

import os
import unittest
from typing import Any

import pytest
from onnx.backend.test import BackendTest

from halo_py.onnx_backend import backend
from tests.onnx_suite.cases import KINDS, RANDOM, Case, all_cases
from tests.onnx_suite.run import run_case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


NOT_COMPARED = frozenset({"test_loop16_seq_none"})
"""Cases that the package's runner stumbles over itself: it takes the length of a scalar in a sequence."""


def _official(device: str) -> dict[str, type[unittest.TestCase]]:
    """The classes of the package's runner, without the cases of other processors, random ones and downloads."""
    found: dict[str, type[unittest.TestCase]] = {}
    for name, cls in BackendTest(backend(device), __name__).test_cases.items():
        if "RealModel" in name:  # networks from the web; kind light has those that come with the package
            continue
        for method in [entry for entry in vars(cls) if entry.startswith("test_")]:
            if method.endswith("_cuda") or method.removesuffix("_cpu") in RANDOM | NOT_COMPARED:
                delattr(cls, method)
        found[name] = cls
    return found


globals().update(_official("cpu"))


def _shard() -> tuple[int, int]:
    number, _, count = os.environ.get("HALO_ONNX_SHARD", "0/8").partition("/")
    return int(number), int(count)


def _opposite(number: int, count: int) -> tuple[int, int]:
    return (number + count // 2) % count, count


def _cases(kinds: tuple[str, ...], shard: tuple[int, int] = (0, 1)) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in all_cases(kinds) if case.in_shard(*shard)]


def test_the_suite_is_all_there() -> None:
    assert len(all_cases()) == 2033
    names = {case.name for case in all_cases()}
    assert names >= RANDOM
    assert len(RANDOM) == 6
    shards = [sum(case.in_shard(number, 8) for case in all_cases()) for number in range(8)]
    assert sum(shards) == 2033
    assert min(shards) > 200


def _check(case: Case, device: str, **options: str) -> None:
    outcome = run_case(case, device, options)
    if case.name in RANDOM:  # another draw than the stored one, of the same shape and type
        assert outcome.status in ("pass", "mismatch")
        assert "shape" not in outcome.message
        assert "type" not in outcome.message
    else:
        assert outcome.status == "pass", outcome.message


@pytest.mark.parametrize("case", [case for case in all_cases() if case.name in RANDOM | NOT_COMPARED], ids=str)
def test_cases_on_the_cpu_that_the_runner_cannot_judge(case: Case) -> None:
    _check(case, "cpu")


@pytest.mark.parametrize("case", _cases(("light",)))
def test_whole_networks_on_the_cpu(case: Case) -> None:
    _check(case, "cpu")


@pytest.mark.parametrize("case", _cases(KINDS, _shard()))
def test_one_ipu(case: Case) -> None:
    _check(case, "ipu-1")


@pytest.mark.parametrize("case", _cases(("node", "simple"), _opposite(*_shard())))
def test_tiles_of_a_small_chip(case: Case) -> None:
    _check(case, "ipu-tiny", mode="tiled")
