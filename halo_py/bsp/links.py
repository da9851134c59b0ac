"""Seconds outside the chips: copies between chips, the host link, collectives. Each answer is float64[3].

Chips of a link domain form the system's topology; adjacent chips share `links_per_ipu` evenly among their neighbours
(line 2, ladder 3, torus 4; PopLibs `addGlobalExchangeConstraints` splits Mk1's links in such a way). Link domains are
joined by gateways, one per machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from halo_py.bsp.program import Collective, InterIpuCopy
    from halo_py.targets import System

Seconds = NDArray[np.float64]

_NEIGHBOURS = {"single": 1, "line": 2, "ladder": 3, "torus": 4}


def neighbour_bytes_per_second(system: System) -> Seconds:
    """Rate between two adjacent chips, one direction."""
    links = max(1, system.links_per_ipu // _NEIGHBOURS[system.topology])
    return links * system.scenarios("link_bytes_per_second")


def pipeline_copy_seconds(copies: Sequence[InterIpuCopy], system: System) -> Seconds:
    """All copies of one pipeline cycle: they share the links they cross, links work at the same time.

    A copy over several hops takes one hop per cycle (PopART `contiguateIpuCopies`), so every link on its way carries it
    once per cycle.
    """
    load: dict[tuple[int, int], int] = {}
    for copy in copies:
        step = 1 if copy.target > copy.source else -1
        for hop in range(copy.source, copy.target, step):
            load[hop, hop + step] = load.get((hop, hop + step), 0) + copy.bytes
    if not load:
        return np.zeros(3)
    return max(load.values()) / neighbour_bytes_per_second(system) + system.scenarios("link_latency_seconds")


def replicas_per_machine(system: System, stages: int, replicas: int) -> int:
    """Most replicas whose first (or last) stage hangs on one machine's host link."""
    return min(replicas, max(1, system.ipus_per_machine // stages))


def host_seconds(amount: int, sharers: int, system: System) -> Seconds:
    """One transfer of `amount` bytes per replica when `sharers` replicas use the same host link at once."""
    if amount == 0:
        return np.zeros(3)
    rate = system.scenarios("host_bytes_per_second")
    return amount * sharers / rate + system.scenarios("host_latency_seconds")


def collective_seconds(collective: Collective, ipus_per_replica: int, system: System) -> tuple[Seconds, Seconds]:
    """(links, gateways): seconds of a collective over `group` replicas inside link domains and between them.

    Inside a domain a ring over links; between domains the machines each carry their share, as a ring or a tree,
    whichever is faster (three phases, as GCL does over several link domains).
    """
    per_domain = max(1, min(collective.group, system.ipus_per_link_domain // ipus_per_replica))
    domains = -(-collective.group // per_domain)
    inside = _inside(collective.kind, per_domain, collective.bytes, system)
    machines = max(1, min(system.ipus_per_link_domain, system.ipus) // system.ipus_per_machine)
    between = _between(collective.kind, domains, collective.bytes, per_domain, machines, system)
    return inside, between


def _inside(kind: str, group: int, amount: int, system: System) -> Seconds:
    if group <= 1:
        return np.zeros(3)
    rate, latency = neighbour_bytes_per_second(system), system.scenarios("link_latency_seconds")
    if kind == "all-reduce":
        return 2 * (group - 1) / group * amount / rate + 2 * (group - 1) * latency
    if kind == "broadcast":
        return amount / rate + (group - 1) * latency
    return (group - 1) * amount / rate + (group - 1) * latency


def _between(kind: str, domains: int, amount: int, per_domain: int, machines: int, system: System) -> Seconds:
    if domains <= 1:
        return np.zeros(3)
    rate = machines * system.scenarios("gateway_bytes_per_second")
    latency = system.scenarios("gateway_latency_seconds")
    rounds = ceil(log2(domains))
    if kind == "all-reduce":
        ring = 2 * (domains - 1) / domains * amount / rate + 2 * (domains - 1) * latency
        tree = 2 * rounds * (amount / rate + latency)
        return np.minimum(ring, tree)
    if kind == "broadcast":
        return rounds * (amount / rate + latency)
    return (domains - 1) * per_domain * amount / rate + rounds * latency
