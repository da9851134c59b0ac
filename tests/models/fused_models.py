"""Networks in ONNX Runtime's own operators: exported ones that its optimisers rewrote, and a decoder with caches.

ONNX Runtime's Python optimiser imports sympy, which tests do not need otherwise; it is kept in the model cache.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.models.cache import cache_root, locked, whole_file
from tests.models.decoder import save_decoder
from tests.models.environments import run_maker
from tests.models.torch_models import torch_model

_SYMPY = "sympy==1.14.0"
# Raise when the made files change, so that no cache keeps the old ones.
_RECIPE = 1
_MAKER = Path(__file__).with_name("make_fused_models.py")


def fused_model(name: str) -> Path:
    """The rewritten network of that name; all are made together on first use.

    Raises:
        MakeError: sympy could not be fetched, or the maker failed.
    """
    folder = cache_root() / "fused" / str(_RECIPE)
    done = folder / "complete"
    if not done.exists():
        sources = torch_model("complete").parent
        with locked("fused"):
            if not done.exists():
                folder.mkdir(parents=True, exist_ok=True)
                path = {**os.environ, "PYTHONPATH": str(_sympy())}
                run_maker([sys.executable, str(_MAKER), str(sources), str(folder)], path)
                done.touch()
    return folder / f"{name}.onnx"


def _sympy() -> Path:
    """The folder that holds sympy."""
    folder = cache_root() / _SYMPY.replace("==", "-")
    if not (folder / "sympy").exists():
        run_maker(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), _SYMPY], dict(os.environ)
        )
    return folder


def decoder_model() -> Path:
    """The decoder with caches, made on first use."""
    target = cache_root() / "fused" / f"decoder-{_RECIPE}.onnx"
    if not target.exists():
        with locked("decoder"), whole_file(target) as part:
            save_decoder(part)
    return target
