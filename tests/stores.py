"""Frames and phase results for tests of stores."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import xarray as xr

from skry_dask.io.reader import CaptureInfo, DecodedFrame
from skry_dask.store.frames import importing as imports
from skry_dask.store.frames.into_folder import import_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

INFO = CaptureInfo(format="test", n_frames=None, height=6, width=5, dtype="uint16", bits=12)
IMAGES = np.random.default_rng(0).integers(0, 4096, (150, 6, 5)).astype(np.uint16)


def decoded_frames(n_frames: int = 150, *, damaged: int | None = None) -> Iterator[DecodedFrame]:
    """Decode a video of which one frame may be damaged."""
    for number in range(n_frames):
        if number == damaged:
            yield DecodedFrame(number, None, None, "damaged packet")
        else:
            yield DecodedFrame(number, IMAGES[number], number * 1000)


def write_frames(
    path: Path, info: CaptureInfo, frames: Iterable[DecodedFrame], attrs: dict[str, Any]
) -> None:
    """Import frames into a folder."""
    with import_folder(path) as place:
        imports.write_frames(
            place, info, lambda start: (f for f in frames if f.number >= start), attrs
        )


def small_result(start: float = 0.0) -> xr.Dataset:
    """Make a phase result with numbers, labels, units and options."""
    offset = start + np.arange(6.0).reshape(3, 2)
    return xr.Dataset(
        {"offset": (("frame", "axis"), offset, {"units": "px"})},
        {"frame": [4, 5, 7], "axis": ["y", "x"]},
        {"phase": "align", "options": {"anchors": [[1.0, 2.0]], "reference": None}},
    )


def fail_with_full_disk(*_: object) -> NoReturn:
    """Fail as the operating system does when a disk is full."""
    raise OSError(errno.ENOSPC, "No space left on device")
