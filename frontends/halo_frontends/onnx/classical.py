"""Operators of classical machine learning (`ai.onnx.ml`) in terms of others: every expansion there is, by operator.

What is declared as an op (lookups, trees) needs none. Meanings are those of ONNX's Operators-ml.md; where that leaves
something open, they are ONNX Runtime's, by which such models are made.
"""

from __future__ import annotations

from halo_frontends.onnx.domains import Domain

_NO_MAPS = (
    "HALO has no maps; export the model without them (skl2onnx: options={'zipmap': False}), or end the model at what "
    "this reads (--outputs)"
)

FAMILIES = ("classical_features", "classical_linear", "classical_svm", "classical_trees")
"""Modules beside this one that declare expansions."""

CLASSICAL = Domain("ai.onnx.ml", FAMILIES, {"ZipMap": _NO_MAPS, "DictVectorizer": _NO_MAPS, "CastMap": _NO_MAPS})

expands = CLASSICAL.expands
