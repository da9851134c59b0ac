"""Source text to trees: records that differ in mangled names share one parse, and keep their own names."""

from __future__ import annotations

import pytest

from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.parse import parse_source
from halo_frontends.torchscript.sharing import number_names
from halo_py.errors import ModelError, Where

TEXT = """class Conv(Module):
  kind = "{a} or x{a}"
  inner : __torch__.{b}.Inner
  def forward(self: __torch__.{a}.Conv,
    x: Tensor) -> Tensor:
    return __torch__.{b}.helper(x, {a}=1, {a}_more=2)
"""


def _name(number: int) -> str:
    return f"___torch_mangle_{number}"


def _conv(a: str, b: str, text: str = TEXT) -> syntax.Class:
    return parse_source(text.replace("{a}", a).replace("{b}", b), "code/net.py", Where("net.pt"))[0]["Conv"]


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1), (7, 7), (12, 1), (1, 12)])
def test_each_record_has_its_own_names(a: int, b: int) -> None:
    conv = _conv(_name(a), _name(b))
    forward = conv.methods["forward"]
    (statement,) = forward.body

    assert conv.values["kind"] == syntax.Literal(f"{_name(a)} or x{_name(a)}")
    assert conv.fields["inner"].type == syntax.Name(("__torch__", _name(b), "Inner"), 3)
    assert forward.parameters[0].type == syntax.Name(("__torch__", _name(a), "Conv"), 4)
    assert isinstance(statement, syntax.Return)
    assert isinstance(statement.value, syntax.Call)
    assert statement.value.function == syntax.Name(("__torch__", _name(b), "helper"), 6)
    assert [name for name, _ in statement.value.keywords] == [_name(a), f"{_name(a)}_more"]


def test_records_that_differ_in_names_are_one_text() -> None:
    first, second = ("self.{a}({b}, {a})".format(a=_name(a), b=_name(b)) for a, b in ((3, 5), (10, 2)))
    assert number_names(first).text == number_names(second).text
    assert number_names(first).text != number_names(f"self.{_name(3)}({_name(3)}, {_name(5)})").text


@pytest.mark.parametrize("odd", ["___mangled_place_0", "___mangled_place_1x", r"\x5f__mangled_place_0"])
def test_a_text_that_names_a_place_itself_keeps_its_names(odd: str) -> None:
    conv = _conv(_name(4), _name(5), TEXT.replace("{a} or", f"{odd} {{a}} or"))
    told = odd.replace(r"\x5f", "_")
    assert conv.values["kind"] == syntax.Literal(f"{told} {_name(4)} or x{_name(4)}")


def test_an_error_names_the_record_and_its_line() -> None:
    for number in (1, 2):
        with pytest.raises(ModelError, match=f"code/{_name(number)}.py, line 3: is not TorchScript source"):
            parse_source(
                f"class A(Module):\n  x : {_name(number)}\n  y = = 1\n", f"code/{_name(number)}.py", Where("n")
            )
