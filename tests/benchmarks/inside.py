"""Measure what whole processes do not show apart.

    python -m tests.benchmarks.inside capture.ser

Prints three lines: how fast 16-bit frames are read in place, how much of the time of stacking raw
colour is demosaicing, and how much of the time of the whole stack a window of it takes.
"""

from __future__ import annotations

import sys
import tempfile
import timeit
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import skry_dask as skry
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.io.raw.ser_header import HEADER_BYTES
from skry_dask.kernels.frame.demosaic import demosaic
from skry_dask.options import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr


def fastest(call: Callable[[], object], turns: int = 5) -> float:
    """Time a few calls, and return the shortest time, s."""
    return min(timeit.repeat(call, number=1, repeat=turns))


def reading(folder: Path, n_frames: int, height: int, width: int) -> str:
    """Compare reading a 16-bit SER file with `numpy.fromfile`, eight frames at a time."""
    path = folder / "deep.ser"
    images = (np.full((height, width), i, np.uint16) for i in range(n_frames))
    write_ser(path, images, n_frames=n_frames, height=height, width=width, bits=16)
    reader = SerReader(path)
    starts, size = range(0, n_frames, 8), 8 * height * width

    def read_by_reader() -> None:
        for i in starts:
            reader.read(i, i + 8)

    def read_by_numpy() -> None:
        for i in starts:
            np.fromfile(path, np.uint16, size, offset=HEADER_BYTES + 2 * i * height * width)

    ratio = fastest(read_by_numpy) / fastest(read_by_reader)
    return f"16-bit SER read in place at {ratio:.2f} x the speed of numpy.fromfile"


def stack_of(capture: xr.Dataset) -> xr.Dataset:
    """Run the phases before the stack, and stack lazily."""
    alignment = skry.align(capture).compute()
    quality = skry.estimate_quality(capture, alignment).compute()
    points = skry.track(capture, alignment, quality).compute()
    return skry.stack(capture, alignment, quality, points)


def demosaicing(path: Path) -> str:
    """Compare the time of demosaicing with that of stacking, on one thread."""
    first = skry.SelectOptions(frames=":64")
    capture = skry.open_capture(path, ReadOptions(cfa="RGGB"), first)
    stacked = stack_of(capture)
    whole = fastest(lambda: stacked.compute(scheduler="synchronous"), 3)
    frames = capture["frames"].to_numpy()
    alone = fastest(lambda: [demosaic(frame, "RGGB") for frame in frames])
    return (
        f"demosaicing {len(frames)} frames: {alone:.2f} s of {whole:.2f} s that stacking them "
        "takes on one thread"
    )


def windows(path: Path) -> str:
    """Compare the time of a window in the middle of the image with that of the whole image."""
    image = stack_of(skry.open_capture(path))["stack"]
    middle = {dim: slice(n // 2 - 50, n // 2 + 50) for dim, n in image.sizes.items()}

    def window() -> None:
        image.isel(middle).compute()

    share = fastest(window) / fastest(image.compute)
    area = image.isel(middle).size / image.size
    return f"a window of 100 x 100 px, {area:.1%} of the image, takes {share:.1%} of the time"


def main() -> None:
    """Measure reading, demosaicing and windows."""
    path = Path(sys.argv[1])
    height, width = SerReader(path).info.frame_shape
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        print(reading(Path(name), 200, height, width))
    print(demosaicing(path))
    print(windows(path))


if __name__ == "__main__":
    main()
