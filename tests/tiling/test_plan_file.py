"""Plan files: what is written is read back, what is wrong is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.errors import UsageError
from halo_py.ir.space import FormBuilder
from halo_py.tiling.pinned import PinnedKernel, PinnedPlan
from halo_py.tiling.plan import Split
from halo_py.tiling.plan_file import plan_text, read_plan, write_plan
from halo_py.types import DType
from tests.tiling.kernels import matmul

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph, Node

NAMES = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable() or "\n" in text or "\x7f" in text)


@st.composite
def pinned_kernels(draw: st.DrawFn) -> PinnedKernel:
    axes = draw(st.lists(st.text("abcxyz", min_size=1, max_size=3), min_size=1, max_size=4, unique=True))
    counts = st.tuples(*[st.integers(1, 30)] * len(axes))
    split = Split(draw(counts), draw(counts), tuple(draw(st.permutations(range(len(axes))))), draw(st.integers(0, 9)))
    follows = draw(st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(-1, 2))))
    return PinnedKernel(split, tuple(axes), follows)


@st.composite
def pinned_plans(draw: st.DrawFn) -> PinnedPlan:
    count = st.one_of(st.none(), st.integers(1, 64))
    kernels = {
        node: (*entries, draw(pinned_kernels()))
        for node, entries in draw(
            st.dictionaries(NAMES, st.lists(st.one_of(st.none(), pinned_kernels()), max_size=2), max_size=3)
        ).items()
    }
    return PinnedPlan(
        draw(count),
        draw(count),
        draw(count),
        draw(st.sampled_from([None, DType.FLOAT16, DType.FLOAT32])),
        draw(st.one_of(st.none(), st.floats(0.01, 1.0))),
        draw(st.dictionaries(NAMES, st.integers(0, 7), max_size=4)),
        kernels,
        model=draw(st.one_of(st.none(), NAMES)),
    )


@settings(max_examples=80, deadline=None)
@given(plan=pinned_plans())
def test_plans_round_trip(tmp_path_factory: pytest.TempPathFactory, plan: PinnedPlan) -> None:
    path = tmp_path_factory.mktemp("plans") / "plan.toml"
    write_plan(plan, path)
    read = read_plan(path)
    assert read.file == str(path)
    assert plan_text(read) == plan_text(plan)
    assert (read.kernels, dict(read.stage_of_node)) == (plan.kernels, dict(plan.stage_of_node))
    assert (read.replicas, read.stages, read.micro_batch) == (plan.replicas, plan.stages, plan.micro_batch)
    assert (read.partials_type, read.temporary_share) == (plan.partials_type, plan.temporary_share)


KERNEL = '[[kernels]]\nnode = "a"\naxes = ["m", "n"]\n'

WRONG = {
    "format = 2": "format",
    "replica = 2": "replica",
    "replicas = 0": "replicas",
    "stages = true": "stages",
    "micro_batch = 1.5": "micro_batch",
    'partials = "int8"': "partials",
    "temporary_memory_share = 1.5": "temporary_memory_share",
    "stage_of_node = 3": "stage_of_node",
    "[stage_of_node]\na = -1": "stage_of_node.a",
    "kernels = 3": "kernels",
    "[[kernels]]\nkernel = 0": "kernels[0].node",
    KERNEL: "kernels[0].ways",
    f"{KERNEL}ways = [1]": "kernels[0].ways",
    f"{KERNEL}ways = [1, 0]": "kernels[0].ways",
    f"{KERNEL}ways = [4096, 4096]": "kernels[0].ways",
    f"{KERNEL}ways = [1, 2]\nsteps = 3": "kernels[0].steps",
    f'{KERNEL}ways = [1, 2]\norder = ["m", "m"]': "kernels[0].order",
    f"{KERNEL}ways = [1, 2]\nstart = -1": "kernels[0].start",
    f"{KERNEL}ways = [1, 2]\nfollows = [1]": "kernels[0].follows",
    f"{KERNEL}ways = [1, 2]\n{KERNEL}ways = [1, 2]": "kernels[1].kernel",
    f"{KERNEL}ways = [1, 2]\nway = [1, 2]": "kernels[0].way",
    "replicas = ": "not a TOML file",
}


@pytest.mark.parametrize(("text", "key"), WRONG.items())
def test_what_is_wrong_is_named(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_plan(path)
    assert caught.value.message.startswith(key)
    assert caught.value.where.file == str(path)


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the plan"):
        read_plan(tmp_path / "none.toml")


def test_kernels_are_checked_against_the_plan() -> None:
    kernel = matmul(1, 64, 32, 16)
    axes = ("b", "m", "k", "n")

    def pinned(
        ways: tuple[int, ...], steps: tuple[int, ...] = (1, 1, 1, 1), names: tuple[str, ...] = axes
    ) -> PinnedPlan:
        split = Split(ways, steps, (0, 1, 2, 3))
        return PinnedPlan(kernels={"node": (PinnedKernel(split, names),)}, file="plan.toml")

    pinned((1, 4, 2, 2)).check_kernel("node", 0, kernel, 16)
    pinned((1, 4, 2, 2)).check_kernel("other", 0, kernel, 16)
    wrong = [
        pinned((1, 4, 2, 4)),
        pinned((2, 1, 1, 1)),
        pinned((1, 1, 1, 16), (1, 1, 1, 2)),
        pinned((1, 1, 1, 1), names=("b", "m", "k", "x")),
    ]
    for plan in wrong:
        with pytest.raises(UsageError, match=r"plan.toml.*kernels: node 'node', kernel 0"):
            plan.check_kernel("node", 0, kernel, 16)


def test_axes_of_equal_names_are_told_apart(tmp_path: Path) -> None:
    kernel = matmul(2, 4, 8, 16)
    twins = replace(kernel, axes=tuple(replace(axis, name="d") for axis in kernel.axes))
    split = Split((2, 1, 4, 1), (1, 1, 1, 1), (3, 2, 1, 0))
    plan = PinnedPlan(kernels={"node": (PinnedKernel.of(twins, split),)})
    write_plan(plan, tmp_path / "plan.toml")
    read = read_plan(tmp_path / "plan.toml")
    read.check_kernel("node", 0, twins, 16)
    assert read.splits == {"node": (split,)}


def test_kernels_that_a_form_does_not_have_are_named() -> None:
    builder = FormBuilder()
    kernel = matmul(1, 4, 8, 16)
    operands = [builder.value(DType.FLOAT16, access.shape) for access in (*kernel.reads, *kernel.writes)]
    builder.call(kernel, (operands[0], operands[1]), (operands[2],))
    form = builder.finish(operands[2])
    entry = PinnedKernel.of(kernel, Split((1, 2, 1, 1), (1,) * 4, (0, 1, 2, 3)))
    PinnedPlan(kernels={"node": (entry,)}).check_form("node", form, 16)
    with pytest.raises(UsageError, match="node 'node' has no kernel 1, only 1 in all"):
        PinnedPlan(kernels={"node": (entry, entry)}).check_form("node", form, 16)
    with pytest.raises(UsageError, match="2 tiles, the machine has 1"):
        PinnedPlan(kernels={"node": (entry,)}).check_form("node", form, 1)


class FakeNode:
    def __init__(self, name: str) -> None:
        self.name = name


class FakeGraph:
    def __init__(self, nodes: list[FakeNode]) -> None:
        self.nodes = nodes


def cuts(plan: PinnedPlan, *names: str) -> tuple[int, ...] | None:
    nodes = [FakeNode(name) for name in names]
    return plan.cuts(cast("Graph", FakeGraph(nodes)), cast("list[Node]", nodes))


def test_cuts_are_the_first_nodes_of_stages() -> None:
    assert cuts(PinnedPlan(), "a", "b") is None
    assert cuts(PinnedPlan(stage_of_node={"c": 1, "d": 2}), "a", "b", "c", "d", "e") == (0, 2, 3)
    with pytest.raises(UsageError, match="'c' is in stage 2"):
        cuts(PinnedPlan(stage_of_node={"c": 2}), "a", "b", "c")
    with pytest.raises(UsageError, match="'b' is in stage 0"):
        cuts(PinnedPlan(stage_of_node={"a": 0, "c": 1, "b": 0}), "a", "c", "b")
    with pytest.raises(UsageError, match="no node 'conv'"):
        cuts(PinnedPlan(stage_of_node={"conv": 0}), "conv1")


def test_splits_stop_at_a_kernel_that_follows() -> None:
    kernel = PinnedKernel(Split((2,), (1,), (0,)), ("m",))
    following = PinnedKernel(Split((2,), (1,), (0,)), ("m",), (0, 0))
    plan = PinnedPlan(kernels={"a": (kernel, following, kernel), "b": (following,), "c": (None, kernel)})
    assert plan.splits == {"a": (kernel.split,)}
