"""Operators of `com.microsoft` (ONNX Runtime's own) in terms of other operators: every expansion there is, by operator.

An expansion is a function like an upgrade rule: it gets the node and a maker, and answers the values that the node came
down to, or another node. Operators of that domain which are declared as ops need none. Source of all meanings: ONNX
Runtime's ContribOperators.md. Families (`FAMILIES`) are imported when the first operator of the domain is met.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache

from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.upgrade import RuleFunction, Upgraded

DOMAIN = "com.microsoft"

FAMILIES = ("contrib_qlinear", "contrib_products", "contrib_embeddings", "contrib_transformer")
"""Modules beside this one that declare expansions and refusals."""

EXPANSIONS: dict[str, RuleFunction] = {}
"""Operator -> its expansion. Read it through `expansion`, which loads the families."""

REFUSED: dict[str, str] = {}
"""Operators that are known and not supported, with the reason."""


def expands(*operators: str) -> Callable[[RuleFunction], RuleFunction]:
    """Declare the expansion of these operators. Raises ValueError if one has an expansion already."""

    def declare(function: RuleFunction) -> RuleFunction:
        for operator in operators:
            if operator in EXPANSIONS:
                raise ValueError(f"{DOMAIN}.{operator} is expanded twice")
            EXPANSIONS[operator] = function
        return function

    return declare


@cache
def expansions() -> Mapping[str, RuleFunction]:
    """All expansions, by operator."""
    for family in FAMILIES:
        importlib.import_module(f"halo_frontends.onnx.{family}")
    return EXPANSIONS


def expansion(domain: str, operator: str) -> RuleFunction | None:
    """How this operator is expanded, or None if it is not."""
    return expansions().get(operator) if domain == DOMAIN else None


def expanded(draft: Draft, maker: Maker) -> Upgraded:
    """A node of any domain after its expansion, if it has one."""
    expand = expansion(draft.domain, draft.op)
    return draft if expand is None else expand(draft, maker)


def refusal(domain: str, operator: str) -> str:
    """Why an operator that is neither declared nor expanded is not supported."""
    if domain != DOMAIN:
        return "unknown operator"
    expansions()
    return REFUSED.get(operator, "unknown operator")
