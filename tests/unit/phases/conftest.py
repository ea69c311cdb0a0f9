"""Captures that the tests of all phases share, and the results of the phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import pytest

import skry_dask as skry
from tests.phase_results import Results, run_phases
from tests.small_captures import capture_of, noise_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

    from skry_dask.types import Frames

BLACK_FRAME, NOISE_FRAME, GREY_FRAME = 3, 6, 11
"""Frames of `spoiled_frames` that cannot be used."""


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run graphs in the calling thread: these captures are too small for more."""
    with dask.config.set(scheduler="sync"):
        yield


@pytest.fixture(scope="session")
def simulated() -> xr.Dataset:
    """Twelve frames of the Moon with their truth, in memory."""
    options = skry.SimulateOptions(frames=12, height=160, width=208, drift=(5, -7), seed=2)
    return skry.simulate("moon", options, frames_per_chunk=4).compute(scheduler="sync")


@pytest.fixture(scope="session")
def moon12(simulated: xr.Dataset) -> xr.Dataset:
    """The capture of these frames, in chunks of three."""
    return capture_of(simulated["frames"].to_numpy(), bits=8)


@pytest.fixture(scope="session")
def results(moon12: xr.Dataset) -> Results:
    """The results of all phases for it."""
    with dask.config.set(scheduler="sync"):
        return run_phases(moon12)


@pytest.fixture(scope="session")
def spoiled_frames(simulated: xr.Dataset) -> Frames:
    """The same frames, but one is black, one is unrelated noise, and one is grey."""
    frames = simulated["frames"].to_numpy().copy()
    frames[BLACK_FRAME] = 0
    frames[NOISE_FRAME] = noise_frame(frames[NOISE_FRAME].shape)
    frames[GREY_FRAME] = 120
    return frames


@pytest.fixture(scope="session")
def spoiled(spoiled_frames: Frames) -> xr.Dataset:
    """The capture of these frames."""
    return capture_of(spoiled_frames, bits=8)


@pytest.fixture(scope="session")
def spoiled_results(spoiled: xr.Dataset) -> Results:
    """The results of all phases for it."""
    with dask.config.set(scheduler="sync"):
        return run_phases(spoiled)


@pytest.fixture(scope="session")
def bad() -> list[int]:
    """The frames of the spoiled capture that cannot be used."""
    return [BLACK_FRAME, NOISE_FRAME, GREY_FRAME]


@pytest.fixture(scope="session")
def good(bad: list[int]) -> list[int]:
    """The frames of the spoiled capture that can be used."""
    return [i for i in range(12) if i not in bad]
