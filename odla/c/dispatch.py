"""How functions are implemented: a decorator names the C function, and its parameters arrive decoded.

A status function answers None for success. Whatever goes wrong is raised; it becomes the status (or NULL), the thread's
last error and a message in the log.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from halo_py.errors import HaloError
from odla.api.table import Function, Parameter
from odla.c.binding import c
from odla.c.decode import MOST_VALUES, Decoder, decoder
from odla.c.element_types import ElementTypeError
from odla.c.handles import Handled
from odla.c.log import Level, log
from odla.status import Status, status_of

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Implementation:
    """A Python function, and which of its parameters may be NULL."""

    call: Callable[..., Any]
    optional: tuple[bool, ...]


IMPLEMENTED: dict[str, Implementation] = {}
"""C name -> what implements it."""


def may_be_null(parameter: inspect.Parameter) -> bool:
    """Whether a parameter is declared as `X | None`."""
    return "None" in str(parameter.annotation).split(" | ")


class _Failures:
    """The status of each thread's last failure."""

    def __init__(self) -> None:
        import threading

        self.local = threading.local()

    def note(self, error: BaseException) -> Status:
        """The status of an error, which becomes this thread's last one."""
        found = status_of(error)
        if isinstance(error, ElementTypeError):
            found = Status.UNSUPPORTED_DATATYPE
        self.local.status = found
        return found

    @property
    def status(self) -> Status:
        """The status of this thread's last failure; SUCCESS if there was none."""
        return getattr(self.local, "status", Status.SUCCESS)


failures = _Failures()


def implements(name: str) -> Callable[[AnyFunction], AnyFunction]:
    """Register the implementation of a C function."""

    def register(function: AnyFunction) -> AnyFunction:
        assert name not in IMPLEMENTED, f"{name} is implemented twice"
        parameters = inspect.signature(function).parameters.values()
        IMPLEMENTED[name] = Implementation(function, tuple(may_be_null(parameter) for parameter in parameters))
        return function

    return register


def connected(function: Function, implementation: Implementation) -> Callable[..., Any]:
    """What C calls: decodes, calls, encodes, and never raises."""
    call = implementation.call
    decoders = _decoders(function, implementation.optional)
    encode = _ENCODERS[function.result]
    failed = _failed_answer(function.result)
    name = function.name

    def run(*raw: Any) -> Any:
        try:
            decoded = [decode(argument) for decode, argument in zip(decoders, raw, strict=True)]
            return encode(call(*decoded))
        except BaseException as error:  # noqa: BLE001
            return failed(_report(name, error))

    return run


def _report(name: str, error: BaseException) -> Status:
    status = failures.note(error)
    text = str(error) if isinstance(error, HaloError) else f"{type(error).__name__}: {error}"
    log(Level.ERROR, f"{name}: {text}")
    return status


def _decoders(function: Function, optional: tuple[bool, ...]) -> list[Decoder]:
    parameters = list(function.parameters)
    if function.variadic:
        parameters.append(Parameter("halo_arguments*", "rest", constant=False))
    assert len(optional) == len(parameters), f"{function.name} has {len(parameters)} parameters, not {len(optional)}"
    return [decoder(parameter, optional=null) for parameter, null in zip(parameters, optional, strict=True)]


def _status(answer: Any) -> int:
    return Status.SUCCESS if answer is None else int(answer)


def _value(answer: Handled | None) -> Any:
    return c.ffi.NULL if answer is None else c.ffi.cast("odla_value", answer.handle)


def _values(answer: tuple[Handled, ...]) -> Any:
    made = c.ffi.new("odla_values*")
    made.size = len(answer)
    assert len(answer) <= MOST_VALUES
    for number, each in enumerate(answer):
        made.values[number] = c.ffi.cast("odla_value", each.handle)
    return made[0]


def _same(answer: Any) -> Any:
    return answer


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "odla_status": _status,
    "odla_value": _value,
    "odla_values": _values,
    "const char*": _same,
    "const odla_char*": _same,
    "odla_logging_func": _same,
    "void": lambda _answer: None,
}


def _failed_answer(result: str) -> Callable[[Status], Any]:
    match result:
        case "odla_status":
            return int
        case "odla_values":
            return lambda _status: _values(())
        case "void":
            return lambda _status: None
        case _:
            return lambda _status: c.ffi.NULL
