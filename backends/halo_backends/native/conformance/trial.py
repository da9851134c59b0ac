"""One small computation that a library is tried with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_backends.native.calls import GraphCalls
from halo_backends.native.computation import NodeRefusedError, computation
from halo_backends.native.conformance.verdict import Outcome, Verdict, judge
from halo_backends.native.handshake import connect
from halo_backends.native.library import CallFailedError, Library, Settings
from halo_backends.native.process import LibraryDiedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Calls, the arrays they are run on, and what must come out. `subject` is the op or function that is tried."""

    subject: str
    name: str
    calls: GraphCalls
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]
    tolerance: float = 1.0

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions that it calls, each once."""
        return tuple(dict.fromkeys(name for node in self.calls.nodes for name in node.functions))


class Bench:
    """A library under trial: in a new process after each trial that ended or spoiled the old one."""

    def __init__(self, path: Path, settings: Settings, factor: float) -> None:
        self._path = path
        self._settings = settings
        self._factor = factor
        self._library: Library | None = None

    def library(self) -> Library:
        """The library in a living process. Raises DeviceError if it cannot be driven at all."""
        if self._library is None or not self._library.process.alive:
            self._library = connect(self._path, self._settings)
        return self._library

    def close(self) -> None:
        """End the process."""
        if self._library is not None:
            self._library.process.close()

    def outcomes(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        """The trials one by one."""
        for trial in trials:
            yield trial, self.outcome(trial)

    def outcome(self, trial: Trial) -> Outcome:
        """What the library makes of a trial."""
        library = self.library()
        lacking = [name for name in trial.functions if not library.has(name)]
        if lacking:
            return Outcome(Verdict.MISSING, f"the library has no {' and no '.join(lacking)}")
        try:
            made = computation(library, trial.calls)
            made.build()
            found = made.run(trial.inputs)
            made.destroy()
        except LibraryDiedError as error:
            return died(error)
        except NodeRefusedError as error:
            return Outcome(Verdict.REFUSED, str(error))
        except CallFailedError as error:
            library.process.close()
            lied = error.failure.status is None
            return Outcome(Verdict.WRONG if lied else Verdict.REFUSED, str(error))
        return self.judged(found, trial)

    def judged(self, found: Sequence[Array], trial: Trial) -> Outcome:
        """The results compared with what they must be."""
        outcomes = [
            judge(a, np.asarray(b), self._factor * trial.tolerance) for a, b in zip(found, trial.expected, strict=True)
        ]
        wrong = [outcome for outcome in outcomes if outcome.verdict is not Verdict.RIGHT]
        largest = max((outcome.error for outcome in outcomes), default=0.0)
        return Outcome(wrong[0].verdict, wrong[0].reason, largest) if wrong else Outcome(Verdict.RIGHT, "", largest)


def died(error: LibraryDiedError) -> Outcome:
    """The outcome of a trial that the process did not live through."""
    verdict = Verdict.HUNG if "return within" in error.how else Verdict.CRASHED
    printed = error.printed.splitlines()
    said = f"; it printed: {printed[-1]}" if printed else ""
    return Outcome(verdict, f"{error.function} {error.how}{said}")
