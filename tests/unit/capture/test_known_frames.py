"""The beginning of a capture that grew is recognised by samples, and a changed one is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

from skry_dask.capture import known_frames
from skry_dask.capture.known_frames import KnownFrames
from skry_dask.store.places.lazy_array import lazy_array

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Frames


class Rows:
    """Frames that count the rows that are read."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.shape = frames.shape
        self.dtype = frames.dtype
        self.n_bytes = 0

    def __getitem__(self, key: tuple[Any, ...]) -> Frames:
        found: Frames = self.frames[key]
        self.n_bytes += found.nbytes
        return found


def capture(
    frames: Frames | Rows, digest: str, numbers: AnyArray | None = None, n_samples: int = 64
) -> KnownFrames:
    array = lazy_array(frames if isinstance(frames, Rows) else Rows(frames))
    numbers = np.arange(array.shape[0]) if numbers is None else numbers
    dims = ("frame", "y", "x", "channel")[: len(array.shape)]
    dataset = xr.Dataset({"frames": (dims, array)}, {"frame": numbers}, {"digest": digest})
    return KnownFrames(dataset, n_samples)


@pytest.mark.parametrize("sample_bytes", [2**14, 300])  # all is read, or samples
def test_a_capture_that_grew_begins_with_what_it_was(
    sample_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_frames, "SAMPLE_BYTES", sample_bytes)
    for shape in ((50, 20, 30), (30, 20, 30, 3)):
        frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        whole, n = capture(frames, "whole"), 25
        before = capture(frames[:n], "before").about
        assert whole.begin_with(before)
        assert not capture(frames[:n], "other").begin_with(before)  # as long, and another digest
        assert not capture(frames[: n - 1], "shorter").begin_with(before)
        assert not capture(frames[1:], "later").begin_with(before)
        assert not capture(frames[:, ::-1], "turned").begin_with(before)
        assert not capture(frames.astype("u2"), "deeper").begin_with(before)
        numbers = np.delete(np.arange(len(frames) + 1), 3)
        assert not capture(frames, "frame 3 was dropped", numbers).begin_with(before)
        assert whole.begin_with(whole.about)
        assert not capture(frames, "decoded", n_samples=16).begin_with(before)
        remote = capture(frames, "before", n_samples=0)  # whose samples take long
        assert remote.begin_with(before)
        assert remote.begin_with(remote.about)
        assert not capture(frames, "whole", n_samples=0).begin_with(before)
        for damaged in ({}, {"digest": 1}, before | {"n_frames": "1"}, before | {"sampled": 10**9}):
            assert not whole.begin_with(damaged | {"digest": "x"})


def test_every_frame_of_a_short_capture_counts_and_a_long_one_takes_few_reads() -> None:
    short = np.random.default_rng(1).integers(0, 256, (20, 8, 9), np.uint8)
    before = capture(short[:15], "before").about
    for i in range(15):
        changed = short.copy()
        changed[i, i % 8, i % 9] ^= 1
        assert not capture(changed, "after").begin_with(before)
    watched = Rows(np.zeros((200, 300, 400), np.uint8))
    assert capture(watched, "long").about["n_frames"] == 200
    assert watched.n_bytes <= known_frames.SAMPLES * (known_frames.SAMPLE_BYTES + 400)
