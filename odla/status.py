"""Status codes of the ODLA interface (the numbers of the public ODLA 0.5 headers) and the last error's text."""

from __future__ import annotations

import threading
from enum import IntEnum

from halo_py.errors import (
    ExecutableError,
    HaloError,
    InternalError,
    ModelError,
    OutOfMemoryError,
    OutputError,
    TargetError,
    UnsupportedError,
    UsageError,
)


class Status(IntEnum):
    """What an ODLA call answers."""

    SUCCESS = 0
    DL_ERROR = 1
    FILE_NOT_EXIST = 2
    INVALID_PARAM = 3
    MEM_ERROR = 4
    UNSUPPORTED_DATATYPE = 5
    UNSUPPORTED_DEVICE_TYPE = 6
    UNSUPPORTED_OP = 7
    TIMEOUT = 8
    INTERNAL_LOGIC_ERR = 9
    RECOVERABLE_ERR = 10
    PARTITION_RESET = 11
    FULL_RESET = 12
    UNRECOVERABLE_ERR = 13
    FAILURE = 14


# The first class that fits decides, so a class stands before its bases.
_BY_ERROR: tuple[tuple[type[BaseException], Status], ...] = (
    (TargetError, Status.UNSUPPORTED_DEVICE_TYPE),
    (UsageError, Status.INVALID_PARAM),
    (UnsupportedError, Status.UNSUPPORTED_OP),
    (OutOfMemoryError, Status.MEM_ERROR),
    (InternalError, Status.INTERNAL_LOGIC_ERR),
    (ModelError, Status.FAILURE),
    (ExecutableError, Status.FAILURE),
    (OutputError, Status.FAILURE),
    (HaloError, Status.FAILURE),
    (FileNotFoundError, Status.FILE_NOT_EXIST),
    (MemoryError, Status.MEM_ERROR),
    (TimeoutError, Status.TIMEOUT),
    (NotImplementedError, Status.UNSUPPORTED_OP),
)

_last = threading.local()


def status_of(error: BaseException) -> Status:
    """The status that stands for an error; its text becomes this thread's last error."""
    _last.text = str(error) or type(error).__name__
    return next((status for cls, status in _BY_ERROR if isinstance(error, cls)), Status.FAILURE)


def last_error() -> str:
    """The text of the last error that this thread turned into a status; empty if there was none."""
    return getattr(_last, "text", "")
