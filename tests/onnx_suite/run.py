"""One case on one device: its outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import HaloError, UnsupportedError
from halo_py.executable import Executable
from halo_py.onnx_backend import backend
from tests.onnx_suite.cases import Case, differences
from tests.onnx_suite.on_tiles import verdict

if TYPE_CHECKING:
    from halo_py.onnx_backend import HaloRep


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is pass, mismatch, unsupported or error; `placed` where its operators ran (empty for other devices)."""

    kind: str
    name: str
    ops: tuple[str, ...]
    status: str
    message: str = ""
    placed: str = ""
    why: str = ""
    seconds: float = 0.0


def run_case(case: Case, device: str, options: Mapping[str, Any]) -> Outcome:
    """Every data set of a case on a device; what goes wrong is the outcome's message."""
    begin = time.perf_counter()
    model, sets, rtol, atol = case.load()
    ops = tuple(sorted({f"{node.domain}.{node.op_type}".lstrip(".") for node in model.graph.node}))
    status, message, placed, why = "pass", "", "", ""
    try:
        prepared = backend(device).prepare(model, **options)
        for inputs, expected in sets:
            with np.errstate(all="ignore"):
                found = prepared.run(inputs)
            wrong = differences(expected, found, rtol, atol)
            if wrong is not None:
                status, message = "mismatch", wrong
                break
        placed, why = _placed(prepared)
    except UnsupportedError as error:
        status, message = "unsupported", str(error)
    except HaloError as error:
        status, message = "error", str(error)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        status, message = "error", f"{type(error).__name__}: {error}"
    return Outcome(case.kind, case.name, ops, status, message, placed, why, time.perf_counter() - begin)


def _placed(prepared: HaloRep) -> tuple[str, str]:
    """The verdict on the last program that ran, if it is one for tiles."""
    program = prepared.programs[-1].artefact
    executable = getattr(program, "executable", None)
    return verdict(executable) if isinstance(executable, Executable) else ("", "")
