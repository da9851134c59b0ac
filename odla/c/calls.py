"""The C functions as Python functions of the same names and parameters.

Handles are objects, ids texts (None: NULL), shapes tuples (-1: not known), types pairs of an element type and a shape,
lists of values or ids sequences, enumerators numbers of the C names. Data are NumPy arrays, which a call reads or
writes in place. Parameters through which C functions write are left out: the call answers what was written, several
things as a tuple. A status is not answered: a call that fails raises its HaloError, whose text and status
`odla_GetLastErrorText` and `odla_GetLastErrorStatus` tell as in C.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from halo_py.errors import OutOfMemoryError
from odla.api.table import Function, Parameter, functions, standard
from odla.c import library
from odla.c.arguments import Text, Written, encoded, keep, written
from odla.c.binding import c
from odla.c.dispatch import IMPLEMENTED, Implementation, failures
from odla.c.without_compiler import Arguments


def names() -> frozenset[str]:
    """All functions and enumerators."""
    return frozenset((*_functions(), *_enumerators()))


def find(name: str) -> Any:
    """A function, or an enumerator's number. Raises AttributeError if there is none of this name."""
    numbers = _enumerators()
    if name in numbers:
        return numbers[name]
    if name not in _functions():
        raise AttributeError(f"ODLA has no {name!r}")
    library.connect_without_compiler()
    return _callable(_functions()[name], IMPLEMENTED[name])


@functools.cache
def _functions() -> dict[str, Function]:
    return {function.name: function for function in functions()}


@functools.cache
def _enumerators() -> dict[str, int]:
    return {name: number for each in standard().enumerations for name, number, _ in each.values}


def _is_written(parameter: Parameter) -> bool:
    """Whether a C function writes through a parameter what the Python call answers."""
    return parameter.type.endswith("*") and not parameter.type.startswith("const ") and parameter.type != "odla_void*"


def _is_room(parameter: Parameter) -> bool:
    """Whether a parameter says how much memory there is for a text, or how much it needs."""
    return parameter.name in ("text_size", "needed")


def _callable(function: Function, implementation: Implementation) -> Callable[..., Any]:
    given = [each for each in function.parameters if not _is_written(each) and not _is_room(each)]
    parameters = ", ".join(each.name or "value_ids" for each in given) or "nothing"

    def call(*values: Any) -> Any:
        if len(values) < len(given) or (len(values) > len(given) and not function.variadic):
            raise TypeError(f"{function.name} takes {parameters}")
        try:
            made, answers = _made(function, implementation, values)
            if function.variadic:
                made.append(Arguments(c.ffi, values[len(given) :]))
            answer = _answer(implementation, made)
            keep(function.name, values, made)
        except BaseException as error:
            failures.note(error)
            raise
        return _result(function, answer, answers)

    call.__name__ = call.__qualname__ = function.name
    call.__doc__ = f"{function.meaning}.\n\nIt takes {parameters}."
    return call


def _made(
    function: Function, implementation: Implementation, values: Sequence[Any]
) -> tuple[list[Any], list[Written | Text]]:
    """The parameters of the implementation, and those among them that it writes to."""
    passed = iter(values)
    made: list[Any] = []
    answers: list[Written | Text] = []
    for parameter, null in zip(function.parameters, implementation.optional, strict=False):
        if parameter.name == "needed":
            made.append(None)
        elif parameter.name == "text_size":
            made.append(0)
        elif _is_written(parameter):
            answers.append(written(parameter.type, parameter.name))
            made.append(answers[-1])
        else:
            made.append(encoded(parameter, next(passed), optional=null))
    return made, answers


def _answer(implementation: Implementation, made: list[Any]) -> Any:
    """What the implementation answers; with more room for a text until it fits."""
    place = next((place for place, each in enumerate(made) if isinstance(each, Text)), None)
    if place is None:
        return implementation.call(*made)
    while True:
        made[place - 1] = made[place].room  # text_size stands before text
        try:
            return implementation.call(*made)
        except OutOfMemoryError:
            made[place].grow()


def _result(function: Function, answer: Any, answers: list[Written | Text]) -> Any:
    if function.result.endswith("char*"):
        return c.ffi.string(answer).decode()
    if function.result != "odla_status" or function.name == "odla_GetLastErrorStatus":
        return answer
    results = [each.result() for each in answers]
    return None if not results else results[0] if len(results) == 1 else tuple(results)
