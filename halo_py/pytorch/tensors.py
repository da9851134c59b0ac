"""Tensors of Torch and arrays of NumPy over the same memory, types that NumPy lacks included."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from halo_py.errors import UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NARROW = {
    "bfloat16": (ml_dtypes.bfloat16, "int16"),
    "float8_e4m3fn": (ml_dtypes.float8_e4m3fn, "uint8"),
    "float8_e5m2": (ml_dtypes.float8_e5m2, "uint8"),
    "float8_e4m3fnuz": (ml_dtypes.float8_e4m3fnuz, "uint8"),
    "float8_e5m2fnuz": (ml_dtypes.float8_e5m2fnuz, "uint8"),
}
"""Types that NumPy itself lacks: that of ml_dtypes, and the type of the same width that both have."""


def load_torch() -> Any:
    """The package. Raises UnsupportedError if it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise UnsupportedError("PyTorch is not installed", hint="pip install 'halo-py[torch]'") from error


def to_array(tensor: Any) -> NDArray[Any]:
    """A tensor as an array, without a copy where its memory allows that."""
    found = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    narrow = _NARROW.get(str(found.dtype).rpartition(".")[2])
    if narrow is None:
        return found.numpy()
    dtype, carrier = narrow
    return found.view(getattr(load_torch(), carrier)).numpy().view(dtype)


def to_tensor(array: NDArray[Any]) -> Any:
    """An array as a tensor of its own memory."""
    torch = load_torch()
    contents = np.array(array, order="C")
    for name, (dtype, carrier) in _NARROW.items():
        if contents.dtype == dtype:
            return torch.from_numpy(contents.view(carrier)).view(getattr(torch, name))
    return torch.from_numpy(contents)
