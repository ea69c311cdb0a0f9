"""Row differences are the sums that their names say."""

from __future__ import annotations

import numpy as np
import pytest

from skry_dask.kernels.frame.row_differences import N_BANDS, row_differences


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rows_are_compared_with_the_next_and_the_one_after(dtype: type) -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, np.iinfo(dtype).max, (3, 7, 21), dtype, endpoint=True)
    levels = frames.astype(np.int64)
    found = row_differences(frames)
    edges = [band * 21 // N_BANDS for band in range(N_BANDS)]
    for values, (own, other) in zip(
        found,
        (
            (levels[:, :-1], levels[:, 1:]),
            (levels[:, :-2], levels[:, 2:]),
            (levels[..., :-1], levels[..., 1:]),
        ),
        strict=True,
    ):
        squares = (own - other) ** 2
        expected = np.add.reduceat(squares, edges, axis=2)
        assert np.array_equal(values[:, : expected.shape[1]], expected)
        assert not values[:, expected.shape[1] :].any()
