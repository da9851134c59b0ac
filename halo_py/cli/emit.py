"""`--emit`: the model as ODLA calls in C or C++ instead of a compiled program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odla.source import Language


def emit(model: Path, language: Language, folder: Path, keywords: dict[str, Any]) -> list[Path]:
    """Write source, header, weights and driver of a model into a folder. Raises HaloError.

    `keywords` are import options; an open batch is 1.
    """
    from halo_py.frontend import batch_symbol, load_model
    from halo_py.passes.pipelines import pipeline
    from odla.calls.lower import lower
    from odla.driver import import_options
    from odla.source import SourceWriter

    graph = load_model(model, import_options(keywords, keep_symbolic=True))
    symbol = batch_symbol(graph)
    sizes = {} if symbol is None else {symbol: int(keywords.get("batch_size") or 1)}
    calls = lower(pipeline("cpu", symbols=sizes).run(graph), custom=True)
    folder.mkdir(parents=True, exist_ok=True)
    return SourceWriter(calls, model.stem, language).write(folder)
