"""Traces Torch's own operator samples (`op_db`), one TorchScript file per sample, with inputs and Torch's outputs.

Run by `samples.py` in a virtual environment that holds torch:

    python make_samples.py FOLDER

Each sample gives `NAME.pt` and `NAME.npz` (inputs `in__0`, ..., outputs `out__0`, ...); `index.json` lists them with
the ATen ops of each trace.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
import unittest
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

# The samples' module asks for this package, of which it uses nothing here.
_STAND_IN: Any = types.ModuleType("expecttest")
_STAND_IN.TestCase = unittest.TestCase
sys.modules.setdefault("expecttest", _STAND_IN)

torch: Any = importlib.import_module("torch")

MOST_SAMPLES = 6
MOST_ELEMENTS = 20_000
# Whose results are random, uninitialised, sparse, nested or of the memory rather than of the numbers.
LEFT_OUT = (
    "rand", "normal", "bernoulli", "multinomial", "dropout", "empty", "uniform", "exponential", "cauchy", "geometric",
    "log_normal", "rrelu", "fractional", "sparse", "jiterator", "to_sparse", "svd", "eig", "lobpcg", "pca_lowrank",
    "torch.ops", "torch__scaled_mm", "nested", "resize", "set_", "item", "tolist", "__getitem___tensor",
)  # fmt: skip


class Case(torch.nn.Module):
    """An op applied to one sample: its tensors are the inputs, all else is part of the program."""

    def __init__(self, op: Any, sample: Any) -> None:
        torch.nn.Module.__init__(self)
        self.op = op
        self.sample = sample

    def tensors(self) -> list[Any]:
        found: list[Any] = []
        _replaced((self.sample.input, self.sample.args, self.sample.kwargs), found, None)
        return found

    def forward(self, *given: Any) -> Any:
        left = iter(given)
        input, args, kwargs = _replaced((self.sample.input, self.sample.args, self.sample.kwargs), [], left)
        return self.op(input, *args, **kwargs)


def _replaced(item: Any, found: list[Any], left: Iterator[Any] | None) -> Any:
    """The same structure with its tensors taken from `left`; they are listed in `found`."""
    if isinstance(item, torch.Tensor):
        found.append(item)
        return item if left is None else next(left)
    if type(item) is list:
        return [_replaced(part, found, left) for part in cast("list[Any]", item)]
    if type(item) is tuple:
        return tuple(_replaced(part, found, left) for part in cast("tuple[Any, ...]", item))
    if isinstance(item, dict):
        entries = cast("dict[str, Any]", item)
        return {key: _replaced(value, found, left) for key, value in entries.items()}
    return item


def _flat(item: Any) -> list[Any]:
    if isinstance(item, torch.Tensor):
        return [item]
    if isinstance(item, (list, tuple)):
        parts = list(cast("list[Any]", item))
        return [leaf for part in parts for leaf in _flat(part)]
    return []


def _usable(tensors: list[Any]) -> bool:
    plain = all(t.layout == torch.strided and not t.is_quantized and not t.is_complex() for t in tensors)
    return plain and sum(t.numel() for t in tensors) <= MOST_ELEMENTS


def _make(folder: Path, name: str, op: Any, sample: Any) -> dict[str, Any] | None:
    """Trace and save one sample; None if it cannot be one."""
    case = Case(op, sample).eval()
    inputs = [tensor.detach().clone() for tensor in case.tensors()]
    if not inputs or not _usable(inputs):
        return None
    with torch.no_grad():
        outputs = _flat(case(*(tensor.clone() for tensor in inputs)))
        if not outputs or not _usable(outputs):
            return None
        traced = torch.jit.trace(case, tuple(tensor.clone() for tensor in inputs), check_trace=False)
    kinds = sorted({node.kind() for node in traced.inlined_graph.nodes() if "aten::" in node.kind()})
    torch.jit.save(traced, str(folder / f"{name}.pt"))
    arrays = {
        f"in__{n}": tensor.float() if tensor.dtype == torch.bfloat16 else tensor for n, tensor in enumerate(inputs)
    }
    arrays |= {f"out__{n}": tensor for n, tensor in enumerate(outputs)}
    np.savez(folder / f"{name}.npz", **{key: tensor.detach().numpy() for key, tensor in arrays.items()})
    return {"name": name, "kinds": kinds}


def _samples(op: Any, dtype: Any) -> list[Any]:
    """Some of an op's samples, spread evenly."""
    found = list(op.sample_inputs("cpu", dtype, requires_grad=False))
    step = max(1, -(-len(found) // MOST_SAMPLES))
    return found[::step]


def _of_dtype(folder: Path, label: str, op: Any, dtype: Any) -> list[dict[str, Any]]:
    """The samples of one op and element type that Torch can make and trace; it fails on some of its own."""
    torch.manual_seed(0)
    kind = str(dtype).rpartition(".")[2]
    made: list[dict[str, Any]] = []
    samples: list[Any] = []
    with suppress(RuntimeError, TypeError, ValueError, NotImplementedError):
        samples = _samples(op, dtype)
    for number, sample in enumerate(samples):
        with suppress(RuntimeError, TypeError, ValueError, NotImplementedError, IndexError, AttributeError):
            entry = _make(folder, f"{label}-{kind}-{number}", op, sample)
            if entry is not None:
                made.append({**entry, "op": label, "dtype": kind})
    return made


def main(folder: Path) -> None:
    """Make every sample."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    database: Any = importlib.import_module("torch.testing._internal.common_methods_invocations")
    index: list[dict[str, Any]] = []
    for op in database.op_db:
        label = f"{op.name}_{op.variant_test_name}".strip("_").replace(".", "_")
        if any(part in label for part in LEFT_OUT):
            continue
        for dtype in (torch.float32, torch.int64, torch.bool):
            if op.supports_dtype(dtype, "cpu"):
                index += _of_dtype(folder, label, op, dtype)
    (folder / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
