"""What the kit found about a library: as a document, and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from halo_backends.native.conformance.verdict import WRONG, Outcome, Verdict, worst
from halo_py.report.format import plain_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from halo_backends.native.conformance.functions import FunctionReport
    from halo_backends.native.conformance.trial import Trial

Document = dict[str, Any]

_STYLES = {Verdict.RIGHT: "green", Verdict.MISSING: "dim", Verdict.REFUSED: "yellow"}
_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class OperatorReport:
    """The samples of one op."""

    op: str
    functions: tuple[str, ...]
    verdicts: Counter[Verdict]
    largest_error: float
    """Over the samples that gave values."""
    reason: str
    """Of the first sample with the worst verdict."""

    @property
    def verdict(self) -> Verdict:
        """The worst over all samples; right, if some are right and the others are refused or missing only."""
        bad = worst(verdict for verdict in self.verdicts if verdict in WRONG)
        return bad or (Verdict.RIGHT if self.verdicts[Verdict.RIGHT] else _only(self.verdicts))


def _only(verdicts: Iterable[Verdict]) -> Verdict:
    found = worst(verdicts)
    assert found is not None
    return found


def operator_reports(tried: Iterable[tuple[Trial, Outcome]]) -> tuple[OperatorReport, ...]:
    """The outcomes by op."""
    by_op: dict[str, list[tuple[Trial, Outcome]]] = {}
    for trial, outcome in tried:
        by_op.setdefault(trial.subject, []).append((trial, outcome))
    return tuple(_operator(op, pairs) for op, pairs in sorted(by_op.items()))


def _operator(op: str, pairs: Sequence[tuple[Trial, Outcome]]) -> OperatorReport:
    functions = dict.fromkeys(name for trial, _ in pairs for name in trial.functions)
    counted = Counter(outcome.verdict for _, outcome in pairs)
    bad = worst(verdict for verdict in counted if verdict is not Verdict.RIGHT)
    reason = next((f"{trial.name}: {outcome.reason}" for trial, outcome in pairs if outcome.verdict is bad), "")
    largest = max((outcome.error for _, outcome in pairs), default=0.0)
    return OperatorReport(op, tuple(functions), counted, largest, reason)


def document_of(
    library: str, ways: str, functions: Sequence[FunctionReport], operators: Sequence[OperatorReport]
) -> Document:
    """Everything as a JSON-able document."""
    return {
        "library": library,
        "driven": ways,
        "functions": [_function_entry(report) for report in functions],
        "operators": [
            {
                "op": report.op,
                "functions": list(report.functions),
                "verdict": str(report.verdict),
                "samples": {str(verdict): count for verdict, count in report.verdicts.items()},
                "largest_error": None if report.largest_error == float("inf") else report.largest_error,
                "reason": report.reason,
            }
            for report in operators
        ],
        "conforms": conforms(functions, operators),
    }


def _function_entry(report: FunctionReport) -> Document:
    return {
        "function": report.name,
        "extension": report.extension,
        "exported": report.exported,
        "trials": len(report.outcomes),
        "right": report.right,
        "verdict": None if report.verdict is None else str(report.verdict),
        "reason": report.reason,
    }


def conforms(functions: Sequence[FunctionReport], operators: Sequence[OperatorReport]) -> bool:
    """Whether nothing is wrong. Functions that are missing and operators that are refused are no fault."""
    return not any(report.verdict in WRONG for report in (*functions, *operators))


def print_report(document: Document, console: Console) -> None:
    """Tables of functions and operators, and the sums."""
    console.print(Text(document["library"], style="bold").append(f" driven in {document['driven']}", style="not bold"))
    console.print()
    exported = [entry for entry in document["functions"] if entry["exported"]]
    console.print(_function_table(exported))
    lacking = [entry["function"] for entry in document["functions"] if not (entry["exported"] or entry["extension"])]
    if lacking:
        console.print(Text(f"\nnot exported: {', '.join(lacking)}", style="dim"))
    console.print()
    console.print(_operator_table(document["operators"]))
    console.print()
    _print_sums(document, exported, console)


def _function_table(entries: Sequence[Document]) -> Table:
    table = plain_table("functions that the library exports", "function", "right", "verdict", "why")
    table.columns[2].justify = table.columns[3].justify = "left"
    for entry in entries:
        verdict = Text("not tried", style="dim") if entry["verdict"] is None else _styled(entry["verdict"])
        right = f"{entry['right']} of {entry['trials']}" if entry["trials"] else ""
        table.add_row(entry["function"], right, verdict, Text(_short(entry["reason"])))
    return table


def _operator_table(entries: Sequence[Document]) -> Table:
    table = plain_table("operators, by their samples", "op", "right", "verdict", "largest error", "why not all")
    table.columns[2].justify = table.columns[4].justify = "left"
    for entry in entries:
        right, total = entry["samples"].get("right", 0), sum(entry["samples"].values())
        error = entry["largest_error"]
        shown = "" if entry["verdict"] == "missing" else "not finite" if error is None else f"{error:.2g}"
        table.add_row(
            entry["op"], f"{right} of {total}", _styled(entry["verdict"]), shown, Text(_short(entry["reason"]))
        )
    return table


def _styled(verdict: str) -> Text:
    return Text(verdict, style=_STYLES.get(Verdict(verdict), "bold red"))


def _short(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _REASON_CHARACTERS else line[: _REASON_CHARACTERS - 3] + "..."


def _print_sums(document: Document, exported: Sequence[Document], console: Console) -> None:
    standard = [entry for entry in exported if not entry["extension"]]
    total = sum(not entry["extension"] for entry in document["functions"])
    console.print(f"functions: {len(standard)} of {total} exported; {_sums(exported)}")
    console.print(f"operators: {len(document['operators'])} have a form as calls; {_sums(document['operators'])}")
    verdict = "nothing is wrong" if document["conforms"] else "SOMETHING IS WRONG"
    console.print(Text(verdict, style="green" if document["conforms"] else "bold red"))


def _sums(entries: Sequence[Document]) -> str:
    counted = Counter(entry["verdict"] or "not tried" for entry in entries)
    return ", ".join(f"{count} {verdict}" for verdict, count in counted.most_common())
