"""Frames that know how often each of them was read, and how many chunks were in memory at a time.

What is watched belongs to this process, and outlives copies of the frames in the tasks of threads
or of workers that share it.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import Frames

_WATCHED: dict[str, Watch] = {}


class Watch:
    """What has been read.

    Parameters
    ----------
    n_frames
        Number of frames.
    """

    def __init__(self, n_frames: int) -> None:
        self.reads = np.zeros(n_frames, int)
        self.alive = self.most_alive = 0
        self._lock = threading.Lock()

    def add(self, frames: slice, chunk: Frames) -> None:
        """Count a chunk that is read, until it is freed."""
        with self._lock:
            self.reads[frames] += 1
            self.alive += 1
            self.most_alive = max(self.most_alive, self.alive)
        weakref.finalize(chunk, self._free)

    def _free(self) -> None:
        with self._lock:
            self.alive -= 1


class WatchedFrames:
    """An array of frames that are made when they are read.

    Parameters
    ----------
    n_frames, height, width
        Its shape.
    """

    def __init__(self, n_frames: int, height: int = 4, width: int = 5) -> None:
        self.shape = (n_frames, height, width)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 3
        self.name = uuid.uuid4().hex
        _WATCHED[self.name] = Watch(n_frames)

    @property
    def watch(self) -> Watch:
        """What has been read of these frames."""
        return _WATCHED[self.name]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Frames:
        numbers = np.arange(np.prod(self.shape), dtype=np.int64)
        return (numbers * 7919 % 251).astype(np.uint8).reshape(self.shape)

    def __getitem__(self, key: tuple[Any, ...]) -> Frames:
        chunk = np.asarray(self)[key].copy()
        self.watch.add(key[0], chunk)
        return chunk

    def lazy(self, sizes: Sequence[int] | int = 5) -> da.Array:
        """Make a dask array, in chunks of these numbers of frames."""
        sizes = sizes if isinstance(sizes, int) else tuple(sizes)
        name = f"watched-{uuid.uuid4().hex}"
        return da.from_array(self, (sizes, -1, -1), name, meta=np.empty((0, 0, 0), np.uint8))
