"""What exporters spell out is found, in every spelling, and values stay."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from halo_py.ir.graph import Value
from halo_py.passes.base import PassContext, Pipeline
from halo_py.passes.canonicalize import Canonicalize
from halo_py.passes.cse import MergeEqualNodes
from halo_py.passes.recognize import Recognize
from tests.passes.equality import check_pass
from tests.passes.make import Make, check_golden, kinds

PIPELINE = Pipeline("test", (Canonicalize(), MergeEqualNodes(), Recognize()))
Spelling = Callable[[Make, Value], Value]

SQRT2, K = math.sqrt(2), math.sqrt(2 / math.pi)
GELUS: dict[str, Spelling] = {
    "bert": lambda m, x: m.Mul(m.Mul(x, m.Add(m.Erf(m.Div(x, SQRT2)), 1.0)), 0.5),
    "half first": lambda m, x: m.Mul(m.Mul(x, 0.5), m.Add(1.0, m.Erf(m.Div(x, 1.4142)))),
    "half inside": lambda m, x: m.Mul(x, m.Mul(m.Add(m.Erf(m.Mul(x, 1 / SQRT2)), 1.0), 0.5)),
    "divided": lambda m, x: m.Div(m.Mul(m.Add(m.Erf(m.Div(x, SQRT2)), 1.0), x), 2.0),
}
TANH_GELUS: dict[str, Spelling] = {
    "gpt2": lambda m, x: m.Mul(m.Mul(0.5, x), m.Add(1.0, m.Tanh(m.Mul(K, m.Add(x, m.Mul(0.044715, m.Pow(x, 3.0))))))),
    "products": lambda m, x: m.Mul(
        0.5, m.Mul(x, m.Add(m.Tanh(m.Mul(m.Add(x, m.Mul(m.Mul(m.Mul(x, x), x), 0.044715)), 0.797885)), 1.0))
    ),
    "factored": lambda m, x: m.Mul(
        m.Mul(x, m.Add(m.Tanh(m.Mul(m.Mul(x, K), m.Add(m.Mul(m.Mul(x, x), 0.044715), 1.0))), 1.0)), 0.5
    ),
}
OTHERS: dict[str, tuple[str, Spelling]] = {
    "swish": ("Swish", lambda m, x: m.Mul(m.Sigmoid(x), x)),
    "quick gelu": ("Swish", lambda m, x: m.Mul(x, m.Sigmoid(m.Mul(x, 1.702)))),
    "hard swish": ("HardSwish", lambda m, x: m.Div(m.Mul(x, m.Clip(m.Add(x, 3.0), 0.0, 6.0)), 6.0)),
    "hard swish 2": ("HardSwish", lambda m, x: m.Mul(x, m.Mul(m.Clip(m.Add(3.0, x), 0.0, 6.0), 1 / 6))),
    "hard swish 3": ("HardSwish", lambda m, x: m.Mul(x, m.HardSigmoid(x, alpha=1 / 6, beta=0.5))),
    "hard sigmoid": ("HardSigmoid", lambda m, x: m.Div(m.Clip(m.Add(x, 3.0), 0.0, 6.0), 6.0)),
    "softplus": ("Softplus", lambda m, x: m.Log(m.Add(m.Exp(x), 1.0))),
    "mish": ("Mish", lambda m, x: m.Mul(x, m.Tanh(m.Log(m.Add(1.0, m.Exp(x)))))),
    "softmax": (
        "Softmax",
        lambda m, x: _softmax(m, m.Exp(m.Sub(x, m.ReduceMax(x, [-1])))),
    ),
}


def _softmax(m: Make, e: Value) -> Value:
    return m.Div(e, m.ReduceSum(e, [1]))


@pytest.mark.parametrize("spelling", GELUS.values(), ids=list(GELUS))
def test_gelu(spelling: Spelling) -> None:
    m = Make()
    found = check_pass(PIPELINE, m.case(spelling(m, m.input("x", 3, 8))), 1e-4)
    assert kinds(found) == ["Gelu"]
    assert found.nodes[0].op.attributes()["approximate"] == "none"


@pytest.mark.parametrize("spelling", TANH_GELUS.values(), ids=list(TANH_GELUS))
def test_gelu_by_tanh(spelling: Spelling) -> None:
    m = Make()
    found = check_pass(PIPELINE, m.case(spelling(m, m.input("x", 3, 8))), 1e-4)
    assert kinds(found) == ["Gelu"]
    assert found.nodes[0].op.attributes()["approximate"] == "tanh"


@pytest.mark.parametrize(("kind", "spelling"), OTHERS.values(), ids=list(OTHERS))
def test_others(kind: str, spelling: Spelling) -> None:
    m = Make()
    found = check_pass(PIPELINE, m.case(spelling(m, m.input("x", 3, 8))))
    assert kinds(found) == [kind]


def test_gelu_keeps_its_name_and_remembers_what_it_absorbed() -> None:
    m = Make()
    found = PIPELINE.run(m.case(GELUS["bert"](m, m.input("x", 3, 8))).graph)
    check_golden("recognize_gelu", found)
    assert set(found.nodes[0].where.merged) | {found.nodes[0].where.node} >= {"erf", "div", "add", "mul"}


ALIKE: list[Spelling] = [
    lambda m, x: m.Mul(m.Mul(x, m.Add(m.Erf(m.Div(x, 1.5)), 1.0)), 0.5),
    lambda m, x: m.Mul(m.Mul(x, m.Add(m.Erf(m.Div(x, SQRT2)), 2.0)), 0.5),
    lambda m, x: m.Mul(x, m.Sigmoid(m.Add(x, 1.0))),
    lambda m, x: m.Log(m.Add(m.Exp(x), 2.0)),
    lambda m, x: m.Div(m.Clip(m.Add(x, 3.0), 0.0, 5.0), 6.0),
]


@pytest.mark.parametrize("spelling", ALIKE)
def test_what_is_only_alike_is_left_alone(spelling: Spelling) -> None:
    m = Make()
    case = m.case(spelling(m, m.input("x", 3, 8)))
    assert kinds(check_pass(Recognize(), case)) == kinds(case.graph)


def test_a_part_that_is_read_elsewhere_is_kept() -> None:
    m = Make()
    x = m.input("x", 3, 8)
    erf = m.Erf(m.Div(x, SQRT2))
    case = m.case(m.Mul(m.Mul(x, m.Add(erf, 1.0)), 0.5), erf)
    assert "Gelu" not in kinds(check_pass(PIPELINE, case))


def _deviations() -> dict[str, Callable[[Make, Value], Value]]:
    return {
        "div sqrt": lambda m, v: m.Sqrt(v),
        "pow": lambda m, v: m.Pow(v, 0.5),
    }


@pytest.mark.parametrize("deviation", _deviations().values(), ids=list(_deviations()))
@pytest.mark.parametrize("square", ["pow", "mul", "again"])
def test_layer_norm(square: str, deviation: Callable[[Make, Value], Value]) -> None:
    m = Make()
    x = m.input("x", 2, 3, 8)
    centred = m.Sub(x, m.ReduceMean(x, [-1]))
    other = m.Sub(x, m.ReduceMean(x, [2])) if square == "again" else centred
    power = m.Mul(other, other) if square == "mul" else m.Pow(other, 2.0)
    normal = m.Div(centred, deviation(m, m.Add(m.ReduceMean(power, [-1]), 1e-5)))
    case = m.case(m.Add(m.Mul(normal, m.weights(8)), m.weights(8)))
    found = check_pass(PIPELINE, case, 1e-4)
    assert kinds(found) == ["LayerNormalization"]
    assert len(found.nodes[0].inputs) == 3
    if square == "pow" and deviation is _deviations()["div sqrt"]:
        check_golden("recognize_layer_norm", found)


@pytest.mark.parametrize("form", ["reciprocal", "one over", "pow"])
def test_layer_norm_by_a_product(form: str) -> None:
    m = Make()
    x = m.input("x", 2, 3, 4, 5)
    centred = m.Sub(x, m.ReduceMean(x, [-2, -1]))
    variance = m.Add(m.ReduceMean(m.Mul(centred, centred), [2, 3]), 1e-3)
    factor = {
        "reciprocal": lambda: m.Reciprocal(m.Sqrt(variance)),
        "one over": lambda: m.Div(1.0, m.Sqrt(variance)),
        "pow": lambda: m.Pow(variance, -0.5),
    }[form]()
    found = check_pass(PIPELINE, m.case(m.Mul(m.weights(4, 5), m.Mul(centred, factor))), 1e-4)
    assert kinds(found) == ["LayerNormalization"]
    assert found.nodes[0].op.attributes()["axis"] == -2


def test_normalisation_over_channels_in_the_middle_is_left_alone() -> None:
    m = Make()
    x = m.input("x", 2, 3, 8)
    centred = m.Sub(x, m.ReduceMean(x, [1]))
    case = m.case(m.Div(centred, m.Sqrt(m.Add(m.ReduceMean(m.Mul(centred, centred), [1]), 1e-5))))
    assert "LayerNormalization" not in kinds(check_pass(PIPELINE, case))


@pytest.mark.parametrize("scaled", [True, False])
def test_rms_norm(scaled: bool) -> None:
    m = Make()
    x = m.input("x", 2, 3, 8)
    normal = m.Mul(x, m.Reciprocal(m.Sqrt(m.Add(m.ReduceMean(m.Pow(x, 2.0), [-1]), 1e-6))))
    found = check_pass(PIPELINE, m.case(m.Mul(m.weights(8), normal) if scaled else normal), 1e-4)
    assert kinds(found) == ["RMSNormalization"]


def test_attention_is_noted() -> None:
    m = Make()
    q, k, v = (m.input(name, 2, 4, 8) for name in "qkv")
    scores = m.Softmax(m.Div(m.MatMul(q, m.Transpose(k, perm=(0, 2, 1))), 8**0.5), axis=-1)
    context = PassContext()
    PIPELINE.run(m.case(m.MatMul(scores, v)).graph, context)
    assert [str(note) for note in context.notes] == [
        "recognize: 1 attention block(s): softmax between two matrix products"
    ]
