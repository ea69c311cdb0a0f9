from __future__ import annotations

import dask.array as da
import numpy as np

from skry_dask.phases.rotation.trend import without_trend


def test_what_is_proportional_to_the_rotation_is_removed_and_the_rest_stays() -> None:
    rng = np.random.default_rng(3)
    turn = np.linspace(-3.0, 3.0, 60)
    air = rng.normal(scale=100, size=(60, 2, 2))
    air -= turn[:, None, None] * (turn[:, None, None] * air).sum(axis=0) / (turn**2).sum()
    measured = np.rint(air + turn[:, None, None] * [[300.0, -90.0], [0.0, 500.0]]).astype(np.int16)
    found = without_trend(da.from_array(measured, chunks=(20, 2, 2)), turn).compute()
    np.testing.assert_allclose(found, air, atol=5)


def test_what_the_air_does_by_chance_stays() -> None:
    turn = np.linspace(-3.0, 3.0, 60)
    air = np.random.default_rng(3).normal(scale=500, size=(60, 50, 2)).astype(np.int16)
    found = without_trend(da.from_array(air, chunks=(20, 50, 2)), turn).compute()
    np.testing.assert_array_equal(found, air)


def test_vectors_that_were_not_measured_stay_so() -> None:
    turn = np.linspace(-3.0, 3.0, 20)
    measured = np.rint(turn[:, None, None] * np.full((1, 2), 100.0)).astype(np.int16)
    measured[4], measured[7] = -(2**15), 1 - 2**15
    found = without_trend(da.from_array(measured, chunks=(20, 1, 2)), turn).compute()
    assert (found[4] == -(2**15)).all()
    assert (found[7] == 1 - 2**15).all()
    assert (np.abs(np.delete(found, [4, 7], axis=0)) <= 1).all()
