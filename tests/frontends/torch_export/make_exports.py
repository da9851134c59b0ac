"""Exports small networks by `torch.export`, as Torch writes them and in terms of its core operators.

Run by `made.py` in a virtual environment that holds torch:

    python make_exports.py FOLDER

Each gives `NAME.pt2` and `NAME.npz`: inputs `in__0`, ..., Torch's outputs `out__0`, ... .
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np

torch: Any = importlib.import_module("torch")
modules: Any = importlib.import_module("exported_modules")


def _flat(result: Any) -> list[Any]:
    if isinstance(result, (torch.Tensor, bool, int, float)):
        return [torch.as_tensor(result)]
    if isinstance(result, dict):
        return [leaf for part in cast("dict[str, Any]", result).values() for leaf in _flat(part)]
    if isinstance(result, (list, tuple)):
        return [leaf for part in list(cast("list[Any]", result)) for leaf in _flat(part)]
    return []


def export(folder: Path, name: str, case: Any, decomposed: bool) -> None:
    """Write one program with its inputs and outputs."""
    torch.manual_seed(0)
    network = case.build().eval()
    inputs = [tensor.clone() for tensor in case.inputs]
    with torch.no_grad():
        program = torch.export.export(network, tuple(inputs), dynamic_shapes=case.dynamic, strict=case.strict)
        if decomposed:
            program = program.run_decompositions()
        given = [tensor.clone() for tensor in (case.others or inputs)]
        outputs = _flat(case.build_again(network)(*(tensor.clone() for tensor in given)))
    torch.export.save(program, str(folder / f"{name}.pt2"))
    arrays = {f"in__{n}": tensor.numpy() for n, tensor in enumerate(given)}
    arrays |= {f"out__{n}": tensor.detach().numpy() for n, tensor in enumerate(outputs)}
    np.savez(folder / f"{name}.npz", **arrays)


def main(folder: Path) -> None:
    """Make every program."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name, case in modules.cases().items():
        export(folder, name, case, decomposed=False)
        if case.decomposes:
            export(folder, f"{name}_core", case, decomposed=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
