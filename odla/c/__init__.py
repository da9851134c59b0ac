"""The C API's functions in Python: what `libodla.so` calls. One module per family; `library` connects them to C.

The same functions under the same names serve Python programs in the style of C, without a C compiler (cffi is needed):

    import odla.c as odla_c

    computation = odla_c.odla_CreateComputation()
    x = odla_c.odla_CreateArgument((odla_c.ODLA_FLOAT32, (2, 3)), "x")

What a C function writes through a pointer is answered instead; a call that fails raises a HaloError. See `calls`.
"""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """The C functions and enumerators, found on first use."""
    if not name.startswith(("odla_", "ODLA_", "BF16_", "OVI_")):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = importlib.import_module("odla.c.calls").find(name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *importlib.import_module("odla.c.calls").names()})
