"""Operators that are expanded while importing: where the expansions of each domain are found."""

from __future__ import annotations

from halo_frontends.onnx.classical import CLASSICAL
from halo_frontends.onnx.contrib import CONTRIB
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.retired import RETIRED
from halo_frontends.onnx.training import TRAINING
from halo_frontends.onnx.upgrade import RuleFunction, Upgraded

DOMAINS = {domain.name: domain for domain in (CONTRIB, CLASSICAL, RETIRED, TRAINING)}


def expansion(domain: str, operator: str) -> RuleFunction | None:
    """How this operator is expanded, or None if it is not."""
    return DOMAINS[domain].expansion(operator) if domain in DOMAINS else None


def expanded(draft: Draft, maker: Maker) -> Upgraded:
    """A node of any domain after its expansion, if it has one."""
    expand = expansion(draft.domain, draft.op)
    return draft if expand is None else expand(draft, maker)


def refusal(domain: str, operator: str) -> str:
    """Why an operator that is neither declared nor expanded is not supported."""
    found = DOMAINS[domain].refusal(operator) if domain in DOMAINS else None
    return found or "unknown operator"
