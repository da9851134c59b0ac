"""Files nested without measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.errors import ModelError, Where

if TYPE_CHECKING:
    from pathlib import Path


class NestingGuard:
    """Turns running out of stack, which only files nested without measure lead to, into a ModelError."""

    def __init__(self, path: Path) -> None:
        self._place = Where(str(path))

    def __enter__(self) -> None:
        """Nothing is needed."""

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, RecursionError):
            raise ModelError("is nested too deeply", self._place) from None
