"""Speed of the phases on one thread; without timing, each is only shown to give a result.

The results of earlier phases are computed beforehand, and frames are in memory, so that no file is
read; `measure.py` measures whole processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry

if TYPE_CHECKING:
    import xarray as xr
    from pytest_benchmark.fixture import BenchmarkFixture

TINY = skry.SimulateOptions(frames=8, height=120, width=160, seed=4, drift=(3, -4))
FULL = skry.SimulateOptions(frames=64, height=612, width=840, seed=4, drift=(3, -4))


@pytest.fixture(scope="module")
def capture(request: pytest.FixtureRequest) -> xr.Dataset:
    """A Moon in memory, in chunks."""
    timed = request.config.getoption("benchmark_enable")
    made = skry.simulate("moon", FULL if timed else TINY)
    frames = made["frames"].compute(scheduler="synchronous")
    return made.assign(frames=frames.chunk({"frame": 16 if timed else 4}))


@pytest.fixture(scope="module")
def alignment(capture: xr.Dataset) -> xr.Dataset:
    return skry.align(capture).compute(scheduler="synchronous")


@pytest.fixture(scope="module")
def quality(capture: xr.Dataset, alignment: xr.Dataset) -> xr.Dataset:
    return skry.estimate_quality(capture, alignment).compute(scheduler="synchronous")


@pytest.fixture(scope="module")
def points(capture: xr.Dataset, alignment: xr.Dataset, quality: xr.Dataset) -> xr.Dataset:
    return skry.track(capture, alignment, quality).compute(scheduler="synchronous")


def timed(benchmark: BenchmarkFixture, phase, *arguments):
    """Build and compute the graph of a phase, three times."""

    def whole() -> xr.Dataset:
        return phase(*arguments).compute(scheduler="synchronous")

    found = benchmark.pedantic(whole, rounds=3, warmup_rounds=1)
    if benchmark.enabled:
        n_frames = arguments[0].sizes["frame"]
        benchmark.extra_info["frames_per_second"] = round(n_frames / benchmark.stats["min"], 1)
    return found


def test_align(benchmark, capture):
    found = timed(benchmark, skry.align, capture)
    assert found["active"].all()
    drift = capture["offset"].to_numpy()
    error = found["offset"].to_numpy() - drift
    assert np.abs(error - error.mean(axis=0)).max() < 1.5  # seeing moves whole frames too


def test_quality(benchmark, capture, alignment):
    found = timed(benchmark, skry.estimate_quality, capture, alignment)
    blur = capture["blur"].mean(set(capture["blur"].dims) - {"frame"}).to_numpy()
    assert np.corrcoef(found["frame_quality"], blur)[0, 1] < -0.8


def test_track(benchmark, capture, alignment, quality):
    found = timed(benchmark, skry.track, capture, alignment, quality)
    assert found.sizes["point"] > 5
    assert found["valid_fraction"].mean() > 0.8


def test_stack(benchmark, capture, alignment, quality, points):
    found = timed(benchmark, skry.stack, capture, alignment, quality, points)
    image = found["stack"].to_numpy()
    assert np.isfinite(image).all()
    region = [slice(n, -n) for n in (12, 12)]
    frames = capture["frames"].to_numpy() / 255
    # The mean of the best is sharper than the mean of all.
    assert np.diff(image)[tuple(region)].std() > np.diff(frames.mean(axis=0))[tuple(region)].std()
