"""Frames that are known from an earlier run: the same capture, or the beginning of one that grew.

A capture is known by its digest. One that is longer now has another digest, so each result also
keeps a digest of samples of its frames, by which they are recognised at the price of a few reads.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.profiling import looking
from skry_dask.store.digest import digest_of

if TYPE_CHECKING:
    import xarray as xr

SAMPLES = 64
"""Number of places, evenly spaced over the frames, where a raw video is sampled."""

SAMPLES_DECODED = 16
"""Number of places where frames have to be decompressed, which takes about 1 ms each."""

SAMPLE_BYTES = 2**14
"""Size of a sample: whole rows of a frame. Altogether 1 MiB, which takes 3 ms."""


class KnownFrames:
    """The frames of a capture, to be compared with those of earlier runs.

    Parameters
    ----------
    capture
        As it was opened: all frames, which are read when they are used; its attribute ``digest``.
    n_samples
        Number of samples: `SAMPLES`, `SAMPLES_DECODED`, or 0, where reading takes long: then only
        the same capture is recognised.
    """

    def __init__(self, capture: xr.Dataset, n_samples: int) -> None:
        self.digest = str(capture.attrs["digest"])
        self._frames = capture["frames"].variable
        self._numbers = capture["frame"].to_numpy()
        self._n_samples = n_samples

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """What another run needs to recognise these frames; JSON-compatible. Reads samples."""
        n_frames, n_samples = len(self._numbers), self._n_samples
        if not n_samples:
            return {"digest": self.digest}
        samples = self.samples(n_frames, n_samples)
        return {
            "digest": self.digest,
            "n_frames": n_frames,
            "sampled": n_samples,
            "samples": samples,
        }

    def begin_with(self, about: dict[str, Any]) -> bool:
        """Return whether these are the frames of an earlier run, or begin with them.

        Parameters
        ----------
        about
            Attribute `about` of that run.
        """
        if about.get("digest") == self.digest:
            return True
        n_frames, n_samples = about.get("n_frames"), about.get("sampled")
        if not isinstance(n_frames, int) or n_samples != self._n_samples or not n_samples:
            return False
        # Of the same length, they have changed somewhere: perhaps not in a sample.
        if not 0 < n_frames < len(self._numbers):
            return False
        return self.samples(n_frames, n_samples) == about.get("samples")

    @functools.cache  # noqa: B019 - lives as long as a job
    def samples(self, n_frames: int, n_samples: int) -> str:
        """Compute a digest of samples of the first frames.

        Parameters
        ----------
        n_frames
            Number of frames, at least 1.
        n_samples
            Number of samples, at least 2.
        """
        frames, numbers = self._frames[:n_frames], self._numbers[:n_frames]
        height, row_bytes = frames.shape[1], max(1, frames[0, :1].nbytes)
        n_rows = min(height, -(-SAMPLE_BYTES // row_bytes))
        content = hashlib.sha256(np.ascontiguousarray(numbers, np.int64).tobytes())
        with looking():
            if frames.nbytes <= n_samples * SAMPLE_BYTES:
                content.update(np.ascontiguousarray(frames.to_numpy()).data)
            else:
                for i in range(n_samples):
                    frame, row = divmod(i * (n_frames * height - n_rows) // (n_samples - 1), height)
                    row = min(row, height - n_rows)
                    rows = frames[frame, row : row + n_rows].to_numpy()
                    content.update(np.ascontiguousarray(rows).data)
        return digest_of(frames.shape, frames.dtype.str, content.hexdigest())
