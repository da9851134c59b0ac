"""Shows what compiling does: a live bar on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from halo_py.compile import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

PLANNING_SHARE = 0.35
"""Each step of planning moves the bar by this share of what is left of the phase: their number is not known before."""


class PhaseLines(Progress):
    """One line per phase with its time, as the phase ends; phases inside another are indented."""

    def __init__(self, phases: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.phases = phases
        self._begun: list[tuple[str, float, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left open."""

    def begin(self, name: str) -> None:
        self._begun.append((name, time.perf_counter(), ""))

    def step(self, text: str) -> None:
        if self._begun:
            name, since, _text = self._begun[-1]
            self._begun[-1] = (name, since, text)

    def end(self, name: str, seconds: float) -> None:
        label, since, _text = self._begun.pop()
        if sys.exc_info()[0] is not None:
            return  # the phase failed: the error says more than its time
        indent = "  " * len(self._begun)
        context = self._begun[-1][2] if self._begun else ""
        note = f"  {context}" if context else ""
        self.say(f"{indent + label:<12}{time.perf_counter() - since:8.2f} s{note}")

    def say(self, line: str) -> None:
        """Show one line."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class LiveBar(PhaseLines):
    """The same lines above a bar that moves."""

    def __init__(self, phases: tuple[str, ...] = ()) -> None:
        super().__init__(phases)
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar: Bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[step]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("loading", total=float(max(1, len(phases))), step="")
        self._done = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, name: str) -> None:
        super().begin(name)
        self._bar.update(self._task, description=name, step="")

    def step(self, text: str) -> None:
        super().step(text)
        whole = (
            float(self.phases.index(self._begun[0][0]) + 1) if self._begun and self._begun[0][0] in self.phases else 0
        )
        self._done += max(0.0, whole - self._done) * PLANNING_SHARE
        self._bar.update(self._task, completed=self._done, step=text)

    def end(self, name: str, seconds: float) -> None:
        super().end(name, seconds)
        if not self._begun and name in self.phases:
            self._done = float(self.phases.index(name) + 1)
        outer, _since, text = self._begun[-1] if self._begun else ("", 0.0, "")
        self._bar.update(self._task, completed=self._done, description=outer, step=text)

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False)


class Quiet(PhaseLines):
    """Keeps the seconds and shows nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def progress_for(phases: tuple[str, ...], *, quiet: bool = False) -> PhaseLines:
    """The bar if stderr is a terminal that can draw it, else lines; nothing if `quiet`."""
    import os

    if quiet:
        return Quiet(phases)
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveBar(phases)
    return PhaseLines(phases)
