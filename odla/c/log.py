"""Messages of the library: to the program's own logger, or to its error output."""

from __future__ import annotations

import inspect
import os
from enum import IntEnum
from typing import Any

from odla.c.binding import c, c_text

VARIABLE = "ODLA_LOG_LEVEL"


class Level(IntEnum):
    """`odla_log_level`."""

    OFF = 0
    FATAL = 1
    ERROR = 2
    WARN = 3
    INFO = 4
    DEBUG = 5
    TRACE = 6


class _Logging:
    level = Level.ERROR
    logger: Any = None
    """A C function, if the program installed one."""


_logging = _Logging()


def start() -> None:
    """Take the level that the environment names."""
    wanted = os.environ.get(VARIABLE, "").upper()
    if wanted in Level.__members__:
        _logging.level = Level[wanted]


def default_logger(_file: Any, _line: int, _function: Any, level: int, message: Any) -> None:
    """The logger in use when the program installed none, as a C function."""
    text = c.ffi.string(message).decode("utf-8", "replace")
    c.lib.halo_print_error(c_text(f"odla {Level(level).name.lower()}: {text}\n"))


def set_level(level: Level) -> None:
    """Messages above this level are dropped."""
    _logging.level = level


def set_logger(function: Any) -> None:
    """Send messages to a C function; None: to the error output."""
    _logging.logger = function


def logger() -> Any:
    """The installed C function, or None."""
    return _logging.logger


def log(level: Level, message: str) -> None:
    """Send one message, unless its level is dropped. The place is that of the caller."""
    if level > _logging.level:
        return
    here = inspect.currentframe()
    caller = None if here is None else here.f_back
    file, line, function = "", 0, ""
    if caller is not None:
        file, line, function = caller.f_code.co_filename, caller.f_lineno, caller.f_code.co_name
    if _logging.logger is None:
        c.lib.halo_print_error(c_text(f"odla {level.name.lower()}: {message}\n"))
    else:
        _logging.logger(c_text(file), line, c_text(function), int(level), c_text(message))
