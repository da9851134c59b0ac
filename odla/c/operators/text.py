"""n-grams (ODLA/ops/odla_ops_nn.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from halo_py.ops.text import TfIdfVectorizer
from odla.c.operators.emit import Emit, Node, operator

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims

_MODES: tuple[Literal["TF", "IDF", "TFIDF"], ...] = ("TF", "IDF", "TFIDF")
"""`odla_tf_idf_mode`."""


@operator("odla_TFIDFVectorize")
def tf_idf(
    emit: Emit,
    x: Node,
    min_gram_length: int,
    max_gram_length: int,
    max_skip_count: int,
    mode: int,
    pool: Node,
    gram_counts: Node,
    output_indices: Node,
    weights: Node | None,
    output_shape: Dims | None,
) -> Node:
    """Counts of the n-grams of a pool, weighted; the pool, its counts and indices must be constants."""
    grams = emit.known(pool, "pool").reshape(-1)
    strings = grams.dtype == object
    op = TfIdfVectorizer(
        max_gram_length=max_gram_length,
        max_skip_count=max_skip_count,
        min_gram_length=min_gram_length,
        mode=_MODES[mode],
        ngram_counts=_integers(emit, gram_counts, "gram_counts"),
        ngram_indexes=_integers(emit, output_indices, "output_indices"),
        pool_int64s=None if strings else tuple(int(gram) for gram in grams),
        pool_strings=tuple(str(gram) for gram in grams) if strings else None,
        weights=None if weights is None else _floats(emit, weights),
    )
    return emit.add(op, x)


def _integers(emit: Emit, node: Node, what: str) -> tuple[int, ...]:
    return tuple(int(number) for number in emit.known(node, what).reshape(-1))


def _floats(emit: Emit, node: Node) -> tuple[float, ...]:
    return tuple(float(number) for number in np.asarray(emit.known(node, "weights"), np.float32).reshape(-1))
