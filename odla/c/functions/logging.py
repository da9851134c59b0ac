"""ODLA/odla_log.h and ODLA/odla_version.h."""

from __future__ import annotations

from typing import Any

from odla.c import log
from odla.c.binding import address_of, c_function, c_text
from odla.c.device_facts import INTERFACE_VERSION, library_version
from odla.c.dispatch import implements

_kept: dict[str, Any] = {}
"""C strings and callbacks that programs hold."""


@implements("odla_SetLogLevel")
def set_log_level(level: int) -> None:
    """Which messages are sent."""
    log.set_level(log.Level(level))


@implements("odla_SetLogger")
def set_logger(logger: Any) -> None:
    """Where messages are sent; NULL: to the error output."""
    log.set_logger(logger if address_of(logger) else None)


@implements("odla_GetLogger")
def get_logger() -> Any:
    """The logger in use: the program's own, else the one that writes to the error output."""
    found = log.logger()
    return c_function("halo_default_logger") if found is None else found


@implements("odla_GetVersionString")
def version_string() -> Any:
    """Interface and library version, e.g. '0.5.0 (HALO 0.1.0)'."""
    return _kept.setdefault("version", c_text(f"{INTERFACE_VERSION} (HALO {library_version()})"))
