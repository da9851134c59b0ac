"""The documentation's table of operators is what the declarations and the recorded runs of ONNX's suite say."""

from __future__ import annotations

import json

from benchmarks.operator_table import RECORDS, TABLE, table
from halo_frontends.mentions import operators_mentioned
from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.table import table as aten_table


def test_the_table_is_up_to_date() -> None:
    assert TABLE.read_text() == table(), "run `python -m benchmarks.operator_table`"


def test_the_records_are_of_the_whole_suite() -> None:
    for device in ("cpu", "ipu-1"):
        passed, cases = json.loads(RECORDS.read_text())[device]["operators"][""][:2]
        assert cases == 2033
        assert passed >= 2026


def test_what_a_mapping_names_is_found_through_what_it_calls() -> None:
    assert "Conv" in operators_mentioned(aten_table()["aten::conv2d"].handler, Maker)
    assert "Acos" in operators_mentioned(aten_table()["aten::acos"].handler, Maker)
    assert "Asin" not in operators_mentioned(aten_table()["aten::acos"].handler, Maker)
    assert operators_mentioned(len) == frozenset()
