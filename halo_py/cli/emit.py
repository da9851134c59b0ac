"""`--emit`: the model as ODLA calls in C or C++ instead of a compiled program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odla.calls.model import Calls
    from odla.source import Language


def emit(model: Path, language: Language, folder: Path, keywords: dict[str, Any]) -> list[Path]:
    """Write source, header, weights and driver of a model into a folder. Raises HaloError.

    `keywords` are import options; an open batch is 1.
    """
    from odla.source import SourceWriter

    calls = calls_of(model, keywords)
    folder.mkdir(parents=True, exist_ok=True)
    return SourceWriter(calls, model.stem, language).write(folder)


def calls_of(model: Path, keywords: dict[str, Any]) -> Calls:
    """The model as ODLA calls. Raises HaloError."""
    from halo_py.frontend import batch_symbol, load_model
    from halo_py.passes.forests import Forests
    from halo_py.passes.pipelines import Pipeline, pipeline
    from odla.calls.lower import lower
    from odla.driver import import_options

    graph = load_model(model, import_options(keywords, keep_symbolic=True))
    symbol = batch_symbol(graph)
    sizes = {} if symbol is None else {symbol: int(keywords.get("batch_size") or 1)}
    # A forest's tables are attributes, which calls by name cannot pass: as operands they can.
    steps = (*pipeline("cpu", symbols=sizes).passes, Forests())
    return lower(Pipeline("emit", steps).run(graph), custom=True)
