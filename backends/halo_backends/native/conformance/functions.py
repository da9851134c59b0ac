"""Every function of ODLA: whether a library exports it, whether it was tried, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from halo_backends.native.conformance import checks_device as checks_device
from halo_backends.native.conformance import checks_more as checks_more
from halo_backends.native.conformance.checks import CHECKS, Check
from halo_backends.native.conformance.session import Session, StoppedError
from halo_backends.native.conformance.trial import Bench, Trial, died
from halo_backends.native.conformance.verdict import Outcome, Verdict, worst
from halo_backends.native.library import CallFailedError
from halo_backends.native.process import LibraryDiedError
from odla.api.table import extensions, standard


@dataclass(slots=True)
class FunctionReport:
    """One function. `verdict` is None if the kit does not try it, or could not because something before it failed."""

    name: str
    exported: bool
    extension: bool
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    @property
    def verdict(self) -> Verdict | None:
        """The worst of its trials; refused only if none went right."""
        found = [outcome.verdict for outcome in self.outcomes]
        if Verdict.RIGHT in found:
            found = [verdict for verdict in found if verdict is not Verdict.REFUSED]
        return worst(found)

    @property
    def reason(self) -> str:
        """Why it got its verdict; of one that is right, why not in every trial."""
        right = self.verdict is Verdict.RIGHT
        found = [each for each in self.outcomes if right or each.verdict is self.verdict]
        return next((each.reason for each in found if each.reason), "")

    @property
    def right(self) -> int:
        """Trials that went right."""
        return sum(outcome.verdict is Verdict.RIGHT for outcome in self.outcomes)


def function_reports(
    bench: Bench,
    called: Sequence[tuple[Trial, Outcome]],
    exported: frozenset[str],
    words: tuple[str, ...] = (),
) -> tuple[FunctionReport, ...]:
    """Every function, from the trials of operators and the checks of the others (about a word, if there are some)."""
    reports: dict[str, FunctionReport] = {}
    for api, extension in ((standard(), False), (extensions(), True)):
        for function in api.functions:
            reports[function.name] = FunctionReport(function.name, function.name in exported, extension)
    for trial, outcome in called:
        if outcome.verdict is not Verdict.MISSING:
            reports[trial.subject].outcomes.append(outcome)
    for each in CHECKS:
        about = not words or any(word in name for name in each.functions for word in words)
        if about and exported.intersection(each.functions):
            for name, outcome in _checked(bench, each).items():
                if name in exported:
                    reports[name].outcomes.append(outcome)
    return tuple(reports.values())


def _checked(bench: Bench, check: Check) -> Mapping[str, Outcome]:
    """Functions that a check is about and that it reached -> what came of them."""
    found: dict[str, Outcome] = {}
    try:
        if check.eager and not bench.library().has("odla_SetActiveComputation"):
            bench.close()
        session = Session(bench.library())
        if check.eager and session.has("odla_SetActiveComputation"):
            session.ask("odla_SetActiveComputation", None)
    except LibraryDiedError as error:
        return {check.functions[0]: died(error)}
    try:
        check.run(session)
    except StoppedError as stopped:
        if stopped.kind != "missing":
            found[stopped.function] = Outcome(Verdict(stopped.kind), f"{stopped.reason} ({check.title})")
    except CallFailedError as error:
        found[error.failure.function] = Outcome(Verdict.REFUSED, str(error))
    except LibraryDiedError as error:
        outcome = died(error)
        found[error.function] = Outcome(outcome.verdict, f"{outcome.reason} ({check.title})")
    if found:  # what the check left behind goes with the process
        bench.close()
    right = {name: Outcome(Verdict.RIGHT) for name in check.functions if name in session.done}
    return right | found
