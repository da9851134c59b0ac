"""What a pass is, what it may tell its surroundings, and how a pipeline runs a list of them."""

from __future__ import annotations

import time
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from halo_py.errors import NOWHERE, HaloError, InternalError, UsageError, Where
from halo_py.ir.graph import Graph

AfterPass = Callable[["Pass", Graph], None]
"""Called with each pass and the graph it made (the verifier, `--print-ir-after`)."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something a pass wants the user to know: what it assumed, changed visibly or could not do."""

    source: str
    message: str
    where: Where = NOWHERE

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


@dataclass(slots=True)
class PassContext:
    """What passes share: where notes go, what runs after each pass, and how long each took (seconds)."""

    file: str | None = None
    after: tuple[AfterPass, ...] = ()
    notes: list[Note] = field(default_factory=list[Note])
    seconds: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def note(self, source: Pass, message: str, where: Where = NOWHERE) -> None:
        """Tell the user something, once."""
        entry = Note(source.name, message, where)
        if entry not in self.notes:
            self.notes.append(entry)


@dataclass(frozen=True)
class Pass:
    """Turns a graph into an equal, better one. Subclasses are frozen dataclasses; their fields are their options.

    A pass of another distribution (entry point group `halo.passes`) says by `follows` after which of our passes it
    runs; None puts it at the end.
    """

    name: ClassVar[str] = ""
    follows: ClassVar[str | None] = None

    def run(self, graph: Graph, context: PassContext) -> Graph:
        """The new graph; the old one when there is nothing to do."""
        raise NotImplementedError(f"{type(self).__name__}.run")

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def __str__(self) -> str:
        changed = [
            f"{entry.name}={getattr(self, entry.name)}"
            for entry in fields(self)
            if getattr(self, entry.name) != entry.default
        ]
        return f"{self.name}:{','.join(changed)}" if changed else self.name


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named list of passes."""

    name: str
    passes: tuple[Pass, ...]

    def run(self, graph: Graph, context: PassContext | None = None) -> Graph:
        """Every pass in order. An error says after which passes it happened."""
        context = context or PassContext()
        done: list[str] = []
        for step in self.passes:
            begin = time.perf_counter()
            try:
                graph = step.run(graph, context)
                context.seconds.append((step.name, time.perf_counter() - begin))
                for hook in context.after:
                    hook(step, graph)
            except InternalError as error:
                raise InternalError(f"{self._place(step, done)}: {error.message}", error.where) from error
            except HaloError as error:
                error.add_note(self._place(step, done))
                raise
            except Exception as error:
                message = f"{self._place(step, done)}: {type(error).__name__}: {error}"
                raise InternalError(message, hint="this is a defect of HALO, please report it") from error
            done.append(step.name)
        return graph

    @staticmethod
    def _place(step: Pass, done: list[str]) -> str:
        return f"pass {step.name} failed after {', '.join(done) or 'no other pass'}"


def make_pass(classes: Mapping[str, type[Pass]], text: str) -> Pass:
    """A pass from `name` or `name:option=value,option=value`. Raises UsageError for what it does not know."""
    name, _, options = text.partition(":")
    cls = classes.get(name)
    if cls is None:
        raise UsageError(f"unknown pass {name!r}", hint=f"known passes: {', '.join(sorted(classes))}")
    return cls(**dict(_options(cls, options)))


def _options(cls: type[Pass], text: str) -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(cls)
    known = [entry.name for entry in fields(cls)]
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in known:
            raise UsageError(f"pass {cls.name} has no option {name!r}", hint=f"options: {', '.join(known) or 'none'}")
        yield name, _option_value(f"{cls.name}:{name}", value, hints[name])


def _option_value(name: str, text: str, hint: Any) -> object:
    if hint is bool and text in ("true", "false"):
        return text == "true"
    if typing.get_origin(hint) is typing.Literal and text in typing.get_args(hint):
        return text
    for kind in (int, float, str):
        if hint is kind:
            try:
                return kind(text)
            except ValueError:
                break
    choices = " or ".join(typing.get_args(hint)) if typing.get_origin(hint) is typing.Literal else ""
    raise UsageError(f"{text!r} is no value of pass option {name} ({choices or getattr(hint, '__name__', hint)})")
