"""Operators that are expanded while importing: where the expansions of each domain are found."""

from __future__ import annotations

from halo_frontends.onnx.classical import CLASSICAL
from halo_frontends.onnx.contrib import CONTRIB
from halo_frontends.onnx.contrib_nchwc import NCHWC
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.retired import RETIRED
from halo_frontends.onnx.training import TRAINING
from halo_frontends.onnx.upgrade import RuleFunction, Upgraded

DOMAINS = {domain.name: domain for domain in (CONTRIB, NCHWC, CLASSICAL, RETIRED, TRAINING)}

_ONE_MACHINE = "ONNX Runtime laid it out for the processor it ran on: save the model with graph_optimization_level "
_FOREIGN = {
    "com.microsoft.nchwc": _ONE_MACHINE + "ORT_ENABLE_EXTENDED",
    "com.ms.internal.nhwc": _ONE_MACHINE + "ORT_ENABLE_BASIC",
    "com.microsoft.mlfeaturizers": "ONNX Runtime itself has given up this domain",
    "org.pytorch.aten": "the exporter left the operator to PyTorch: export without operator_export_type ONNX_ATEN",
}
"""Domains none of whose operators is known here, and why."""


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
    return found or _FOREIGN.get(domain, "unknown operator")
