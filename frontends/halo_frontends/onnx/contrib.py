"""Operators of `com.microsoft` (ONNX Runtime's own) in terms of other operators: every expansion there is, by operator.

An expansion is a function like an upgrade rule: it gets the node and a maker, and answers the values that the node came
down to, or another node. Operators of that domain which are declared as ops need none. Source of all meanings: ONNX
Runtime's ContribOperators.md. Families (`FAMILIES`) are imported when the first operator of the domain is met.
"""

from __future__ import annotations

from halo_frontends.onnx.domains import Domain

FAMILIES = (
    "contrib_qlinear",
    "contrib_products",
    "contrib_embeddings",
    "contrib_attention",
    "contrib_convolution",
    "contrib_diffusion",
    "contrib_fused",
    "contrib_gates",
    "contrib_gqa",
    "contrib_positions",
    "contrib_qattention",
    "contrib_refused",
    "contrib_rotary",
    "contrib_tensors",
    "contrib_transformer",
)
"""Modules beside this one that declare expansions and refusals."""

CONTRIB = Domain("com.microsoft", FAMILIES)

REFUSED = CONTRIB.refused
"""Operators that are known and not supported, with the reason."""

expands = CONTRIB.expands
