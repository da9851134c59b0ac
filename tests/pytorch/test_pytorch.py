"""Modules of PyTorch as graphs, and the backend of `torch.compile`, judged by PyTorch in an environment of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import halo_py
from halo_py.errors import UnsupportedError
from tests.models.torch_models import torch_python

_ROOT = Path(__file__).parents[2]
_CHECKS = Path(__file__).with_name("check_torch.py")


@cache
def _run() -> subprocess.CompletedProcess[str]:
    """All checks at once; HALO and what it needs are put on that environment's path."""
    packages = [_ROOT, _ROOT / "frontends", _ROOT / "backends", sysconfig.get_paths()["purelib"]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, packages))}
    command = [str(torch_python()), str(_CHECKS)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _found() -> dict[str, Any]:
    done = _run()
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("check", ["exported", "open_sizes", "compiled", "trained", "types"])
def test_values_are_those_of_torch(check: str) -> None:
    assert _found()[check] < 1e-4


@pytest.mark.slow
def test_what_is_not_supported_is_listed() -> None:
    exported, compiled, no_module = _found()["refusals"]

    for message in (exported, compiled):
        assert "not supported" in message
        assert "svd" in message
        assert "eig" in message
    assert no_module == "a torch.nn.Module is wanted, given is a ndarray"


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed here")
def test_without_torch_the_error_says_how_to_get_it() -> None:
    with pytest.raises(UnsupportedError, match="PyTorch is not installed") as raised:
        halo_py.from_torch(object())

    assert raised.value.hint == "pip install 'halo-py[torch]'"
