"""Distinct rows by one number per row against NumPy's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from halo_py.tiling.plan import distinct_rows


@given(st.integers(0, 30), st.integers(0, 4), st.sampled_from([1, 3, 10**4, 10**17]), st.integers(0, 2**32))
def test_distinct_rows(count: int, columns: int, most: int, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, most + 1, (count, columns))
    found, inverse, counts = distinct_rows(rows)
    np.testing.assert_array_equal(found[inverse], rows)
    assert int(counts.sum()) == count
    if columns and count:
        wanted, wanted_counts = np.unique(rows, axis=0, return_counts=True)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(counts, wanted_counts)
