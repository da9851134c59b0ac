"""What the samples of RegexFullMatch leave out: syntax that RE2 does not have, strings that are not UTF-8, no RE2."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from halo_py.errors import HaloError, UnsupportedError
from halo_py.ir.op import InferArgs
from halo_py.ops import text
from halo_py.ops.text import RegexFullMatch
from halo_py.types import DType, tensor
from tests.ops.operators import evaluated

_STRINGS = InferArgs((tensor(DType.STRING, 2),), (None,), (None,))


def _matches(pattern: str, *texts: str) -> list[bool]:
    (found,) = evaluated(RegexFullMatch(pattern), np.asarray(texts, object))
    assert isinstance(found, np.ndarray)
    return found.tolist()


@pytest.mark.parametrize("pattern", [r"(a)\1", r"(?=a)b", r"(?<!a)b", "(", r"a\Z", "*"])
def test_syntax_that_re2_does_not_have_is_refused(pattern: str) -> None:
    with pytest.raises(HaloError, match="no regular expression of RE2"):
        RegexFullMatch(pattern).infer(_STRINGS)


def test_a_pattern_is_needed() -> None:
    with pytest.raises(HaloError, match="'pattern' is missing"):
        RegexFullMatch().infer(_STRINGS)


def test_time_grows_linearly_with_the_string() -> None:
    begin = time.perf_counter()

    assert _matches("(x+x+)+y", "x" * 200_000) == [False]
    assert time.perf_counter() - begin < 5


def test_syntax_of_re2_that_python_lacks() -> None:
    assert _matches(r"\pN+[[:alpha:]]\z", "12a", "12é", "a") == [True, False, False]
    assert _matches(r"(?U)a+\C", "ab", "abc") == [True, False]


def test_characters_are_those_of_utf8_and_other_bytes_match_no_character() -> None:
    assert _matches("..", "äß", "a", "日本") == [True, False, True]
    assert _matches("a.", "a\udc80", "ab") == [False, True]


def test_without_re2_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(text, "import_module", missing)
    with pytest.raises(UnsupportedError, match="google-re2") as caught:
        RegexFullMatch("a").infer(_STRINGS)
    assert caught.value.hint == "pip install google-re2"
