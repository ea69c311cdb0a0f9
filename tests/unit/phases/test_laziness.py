"""Building a graph computes nothing over frames; each frame is read once per pass."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback

import skry_dask as skry

if TYPE_CHECKING:
    from skry_dask.types import Frames

READS: list[tuple[int, int]] = []
LOCK = threading.Lock()


class CountingFrames:
    """Frames that note what is read of them."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.shape = frames.shape
        self.dtype = frames.dtype
        self.ndim = frames.ndim

    def __getitem__(self, key: tuple[slice, ...]) -> Frames:
        start, stop, _ = key[0].indices(len(self.frames))
        with LOCK:
            READS.append((start, stop))
        return self.frames[key]


@pytest.fixture
def counted(moon: xr.Dataset) -> xr.Dataset:
    READS.clear()
    source = CountingFrames(moon["frames"].to_numpy())
    frames = da.from_array(source, chunks=(8, -1, -1), asarray=False, meta=np.empty(0, "u1"))
    return xr.Dataset(
        {"frames": (("frame", "y", "x"), frames)}, {"frame": moon["frame"]}, {"bits": 8}
    )


def frames_read() -> int:
    return sum(stop - start for start, stop in READS)


def test_building_a_graph_reads_no_frame(counted: xr.Dataset) -> None:
    alignment = skry.align(counted)
    assert READS == []
    alignment = alignment.compute()
    READS.clear()
    quality = skry.estimate_quality(counted, alignment)
    assert READS == []
    quality = quality.compute()
    READS.clear()
    points = skry.track(counted, alignment, quality)
    assert READS == []
    points = points.compute()
    READS.clear()
    first = skry.stack(counted, alignment, quality, points)
    assert READS == []
    first = first.compute()
    READS.clear()
    skry.refine(counted, alignment, points, first)
    assert READS == []


def test_each_pass_reads_each_frame_once(counted: xr.Dataset) -> None:
    n_frames = counted.sizes["frame"]
    alignment = skry.align(counted).compute()
    # The pass itself; 20 key frames, the reference among 16 of them, and that four times again;
    # three that are aligned to it first.
    assert frames_read() <= n_frames + 20 + 16 + 4 + 3
    READS.clear()
    quality = skry.estimate_quality(counted, alignment).compute()
    assert frames_read() == 2 * n_frames  # quality, then the images made of the best frames
    READS.clear()
    points = skry.track(counted, alignment, quality).compute()
    assert frames_read() == n_frames
    READS.clear()
    first = skry.stack(counted, alignment, quality, points).compute()
    assert frames_read() == n_frames
    READS.clear()
    skry.refine(counted, alignment, points, first).compute()
    assert frames_read() == n_frames


def test_lazy_results_are_loaded_once_and_then_reused(counted: xr.Dataset) -> None:
    alignment = skry.align(counted)
    quality = skry.estimate_quality(counted, alignment)
    READS.clear()
    skry.estimate_quality(counted, alignment)
    assert READS == []
    assert quality["area_quality"].chunks is not None


def test_a_few_tasks_per_chunk_run() -> None:
    frames = da.zeros((6400, 96, 96), dtype="u1", chunks=(16, -1, -1))
    capture = xr.Dataset({"frames": (("frame", "y", "x"), frames)}, {"frame": np.arange(6400)})
    n_chunks, n_key_frames = 400, 100
    alignment = skry.align(capture)
    ran: list[object] = []
    with Callback(pretask=lambda key, *_: ran.append(key)):
        alignment.compute(scheduler="sync")
    assert len(ran) <= 2 * n_chunks + 3 * n_key_frames
