"""The bits of all results do not depend on chunks, scheduler and number of workers."""

from __future__ import annotations

import contextlib
import itertools
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import dask
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import skry_dask as skry
from tests.forked_processes import forking

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr


def whole_job(capture: xr.Dataset, method: str = "anchors") -> dict[str, xr.Dataset]:
    """Build all four phases from lazy results of each other, then compute them."""
    alignment = skry.align(capture, skry.AlignOptions(method=method))
    quality = skry.estimate_quality(capture, alignment)
    points = skry.track(capture, alignment, quality)
    options = skry.StackOptions(halves=True)
    result = skry.stack(capture, alignment, quality, points, options)
    phases = {"align": alignment, "quality": quality, "track": points, "stack": result}
    return {name: phase.compute() for name, phase in phases.items()}


def assert_same_bits(one: dict[str, xr.Dataset], other: dict[str, xr.Dataset]) -> None:
    for phase, dataset in one.items():
        for name, values in dataset.data_vars.items():
            a, b = values.to_numpy(), other[phase][name].to_numpy()
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes(), f"{phase}: {name} differs"


@pytest.fixture(scope="module")
def expected(moon: xr.Dataset) -> dict[str, xr.Dataset]:
    """The results of one thread and one chunk."""
    with dask.config.set(scheduler="synchronous"):
        return whole_job(moon.chunk({"frame": -1}))


@pytest.mark.parametrize(
    ("scheduler", "n_workers", "n_frames"),
    [
        ("synchronous", 1, 1),
        ("synchronous", 1, 16),
        ("threads", 1, 64),
        ("threads", 2, 7),
        ("threads", 4, 16),
        ("threads", 3, -1),
        ("processes", 2, 7),
    ],
)  # all of them: tests/benchmarks/same_bits.py
def test_chunks_and_schedulers_do_not_change_a_bit(
    moon: xr.Dataset,
    expected: dict[str, xr.Dataset],
    scheduler: str,
    n_workers: int,
    n_frames: int,
) -> None:
    with contextlib.ExitStack() as during:
        if scheduler == "processes":
            pool = ProcessPoolExecutor(n_workers, forking())
            during.enter_context(pool)
            during.enter_context(dask.config.set(pool=pool))
        during.enter_context(dask.config.set(scheduler=scheduler, num_workers=n_workers))
        assert_same_bits(expected, whole_job(moon.chunk({"frame": n_frames})))


@st.composite
def chunkings(draw: st.DrawFn, n_frames: int) -> tuple[int, ...]:
    cuts = draw(st.sets(st.integers(1, n_frames - 1), max_size=8))
    edges = [0, *sorted(cuts), n_frames]
    return tuple(b - a for a, b in itertools.pairwise(edges))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_irregular_chunks_do_not_change_a_bit(
    moon: xr.Dataset, expected: dict[str, xr.Dataset], data: st.DataObject
) -> None:
    chunks = data.draw(chunkings(moon.sizes["frame"]))
    assert_same_bits(expected, whole_job(moon.chunk({"frame": chunks})))


def test_centroid_alignment_does_not_depend_on_chunks(planet: xr.Dataset) -> None:
    one, other = (whole_job(planet.chunk({"frame": n}), "centroid") for n in (5, -1))
    assert_same_bits(one, other)


@pytest.fixture
def cluster(two_processes: str) -> Iterator[None]:
    from distributed import Client

    with Client(two_processes):
        yield


@pytest.mark.cluster
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("n_frames", [7, 16, -1])
def test_a_cluster_gives_the_same_bits(
    moon: xr.Dataset, expected: dict[str, xr.Dataset], n_frames: int
) -> None:
    assert_same_bits(expected, whole_job(moon.chunk({"frame": n_frames})))


def test_frames_of_16_bits_stack_like_frames_of_8_bits(moon: xr.Dataset) -> None:
    bright = moon.assign(frames=(moon["frames"].dims, moon["frames"].to_numpy().astype("u2") * 257))
    bright.attrs["bits"] = 16
    one, other = whole_job(moon.chunk({"frame": 16})), whole_job(bright.chunk({"frame": 16}))
    difference = one["stack"]["stack"].to_numpy() - other["stack"]["stack"].to_numpy()
    assert np.abs(difference).max() < 0.02
