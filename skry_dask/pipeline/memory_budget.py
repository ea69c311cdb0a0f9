"""Budget: how much memory a job needs, known from shapes before it runs.

Frames are read in chunks, so that memory depends on the frames' size, the number of threads and
what is made of them, and little on how many they are. Chunks are made smaller until the job fits
its limit; accumulators and images do not depend on chunks, and so set the smallest limit.

What a phase needs is told by a function of its own below. Estimates are upper bounds. MiB, the peak
of a process of its own as the operating system counts it, two threads:

=============================================  ========  ========
capture                                        measured  estimate
=============================================  ========  ========
634 frames of 840 x 612 x 8 bit                     238       304
the same on one thread                              226       294
6340 frames of 840 x 612 x 8 bit                    264       374
300 frames of 840 x 612 x 16 bit                    235       301
300 frames of 840 x 612 x 8 bit, raw colour         290       366
the same as mono, drizzled 2                        325       508
the same in raw colour, drizzled 2                  505       724
40 frames of 3000 x 2000 x 16 bit                   495       732
200 frames of 4096 x 3000 x 16 bit                  783      1283
634 frames of 420 x 306 x 8 bit                     239       271
6340 frames of 420 x 306 x 8 bit                    244       288
=============================================  ========  ========
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from skry_dask.capture.develop import Developer
from skry_dask.errors import BudgetError, OptionsError
from skry_dask.graph.frame_passes import accumulators_alive, dtype_of_sums
from skry_dask.kernels.stacking.resample import MOST_BITS
from skry_dask.options import Canvas, HotPixels

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.options import Options

MIB = 2**20

START = 240 * MIB
"""A process with all that it imports and all kernels loaded, before it holds a frame."""

SUM_BYTES = 8
"""Of a pixel of the sum of all frames, and as much again where pixels are counted one by one. In
accumulators inside tasks they may have half of that: see `dtype_of_sums`."""

TABLE_BYTES = 8
"""Of what is known of one point in one frame: its displacement while the mean of all frames is not
known yet, and the quality of its area. Nothing else that grows with frames is held as a whole."""

ALIGN_PIXEL_BYTES = 32
"""Of a pixel of the frame whose anchors are placed."""

MASTER_PIXEL_BYTES = 32
"""Of a pixel of a dark and a flat, as read and as they are applied."""

BUILD_PIXEL_BYTES = 60
"""Of a pixel of the image on which points are placed, which a mesh covers, or whose holes are
filled."""

FRAME_PIXEL_BYTES = 12
"""Of a pixel of the frame that a thread works on: its planes, windows, blocks."""

FINISH_PIXEL_BYTES = 40
"""Of a pixel of the image while sums become light."""

CHUNK_BYTES = 50_000
"""Of a chunk in the graph of a phase, its tasks and small arrays: too small chunks cost memory."""

FREED = 1.25
"""What is freed is not all given back: so much more than what is held is seen from outside."""

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
         "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """What the memory of a job depends on.

    Parameters
    ----------
    n_frames, height, width
        Of the capture.
    raw_bytes
        Of a pixel as it is read: all channels.
    grey_bytes
        Of a pixel of the grey copy that most phases work on; 0 where frames are grey as they are.
    master_bytes
        Of a pixel of the masters; 0 where there is none.
    n_planes
        Of the image: 1, or 3 in colour.
    peak
        The greatest value that its planes can have.
    wide
        Whether nothing is known of what a frame adds to the stack: it is drizzled or normalised.
    counted
        Whether pixels are counted one by one: they are drizzled, or not all frames show them.
    canvas
        Pixels of the image, before it is drizzled.
    scale
        By how much it is drizzled.
    spacing
        Of reference points, px.
    n_threads
        Of one process.
    """

    n_frames: int
    height: int
    width: int
    raw_bytes: int
    grey_bytes: int
    master_bytes: int
    n_planes: int
    peak: int
    wide: bool
    counted: bool
    canvas: int
    scale: float
    spacing: float
    n_threads: int

    @classmethod
    def of(cls, capture: xr.Dataset, options: Options, n_threads: int) -> Shapes:
        """Take the shapes from a capture that is not calibrated yet."""
        n_frames, height, width, *channels = capture["frames"].shape
        n_channels = channels[0] if channels else 1
        itemsize = capture["frames"].dtype.itemsize
        developer = Developer.of(capture)
        calibrate = options.calibrate
        masters = calibrate.dark is not None or calibrate.flat is not None
        if masters:
            developer = replace(developer, dtype="uint16")
        developed = masters or calibrate.hot_pixels is not HotPixels.NONE
        developed = developed or n_channels > 1 or developer.cfa is not None
        return cls(
            n_frames=n_frames,
            height=height,
            width=width,
            raw_bytes=itemsize * n_channels,
            grey_bytes=(2 if masters else itemsize) if developed else 0,
            master_bytes=MASTER_PIXEL_BYTES * n_channels if masters else 0,
            n_planes=len(developer.planes),
            peak=developer.peak(developer.planes),
            wide=options.stack.drizzle > 1 or options.stack.normalise,
            counted=options.stack.drizzle > 1 or options.stack.canvas is Canvas.UNION,
            canvas=height * width,
            scale=options.stack.drizzle,
            spacing=options.track.spacing,
            n_threads=n_threads,
        )

    @property
    def pixels(self) -> int:
        """Of a frame."""
        return self.height * self.width


# --- what each phase needs, beyond what all need ---------------------------------------------


def align_bytes(shapes: Shapes, _n_chunk: int) -> int:
    """Placing anchors on one frame, then each thread with a frame."""
    return shapes.pixels * (ALIGN_PIXEL_BYTES + FRAME_PIXEL_BYTES * shapes.n_threads)


def quality_bytes(shapes: Shapes, n_chunk: int) -> int:
    """Accumulators of the composite and of the reference image."""
    return _folded(shapes, n_chunk, shapes.pixels * (shapes.n_planes + 1))


def track_bytes(shapes: Shapes, _n_chunk: int) -> int:
    """Placing points on the reference image, then each thread with a frame."""
    return shapes.pixels * max(BUILD_PIXEL_BYTES, FRAME_PIXEL_BYTES * shapes.n_threads)


def stack_bytes(shapes: Shapes, n_chunk: int) -> int:
    """Laying the mesh; accumulators; then their sum and the images, their holes filled."""
    pixels = round(shapes.canvas * shapes.scale**2)
    holes = BUILD_PIXEL_BYTES if shapes.scale > 1 else 0
    finished = pixels * max(BUILD_PIXEL_BYTES, FINISH_PIXEL_BYTES * shapes.n_planes + holes)
    sums = pixels * shapes.n_planes * (1 + shapes.counted)
    folded = _folded(shapes, n_chunk, sums, wide=shapes.wide)
    return max(folded, finished)


def _folded(shapes: Shapes, n_chunk: int, sums: int, *, wide: bool = False) -> int:
    """Accumulators of so many sums, the sum of them, and the frame that each thread adds."""
    sizes = [min(n_chunk, shapes.n_frames - i) for i in range(0, shapes.n_frames, n_chunk)]
    narrow = not wide and dtype_of_sums(sizes, shapes.peak << MOST_BITS).itemsize < SUM_BYTES
    inside = sums * SUM_BYTES // (2 if narrow else 1)
    accumulators = inside * (accumulators_alive(shapes.n_threads) - 1) + sums * SUM_BYTES
    planes = shapes.n_planes * shapes.pixels * FRAME_PIXEL_BYTES * shapes.n_threads
    return accumulators + planes


PHASES = (align_bytes, quality_bytes, track_bytes, stack_bytes)


def estimate(shapes: Shapes, n_chunk: int) -> int:
    """Estimate the peak memory of a job in one process, bytes.

    Parameters
    ----------
    shapes
        Of the job.
    n_chunk
        Frames per chunk.
    """
    chunk = min(n_chunk, shapes.n_frames) * shapes.pixels
    chunks = chunk * (shapes.raw_bytes + shapes.grey_bytes) * shapes.n_threads
    cells = shapes.pixels / shapes.spacing**2
    tables = round(shapes.n_frames * cells * TABLE_BYTES)
    graph = -(-shapes.n_frames // n_chunk) * CHUNK_BYTES
    held = chunks + tables + graph + shapes.pixels * shapes.master_bytes
    return START + round(FREED * (held + max(phase(shapes, n_chunk) for phase in PHASES)))


# --- limits ----------------------------------------------------------------------------------


class Limit(NamedTuple):
    """How much memory may be used, bytes, and who says so."""

    size: int
    why: str


def parse_size(text: str | float) -> int:
    """Turn "2GiB", "500 MB" or a number of bytes into bytes.

    Raises
    ------
    OptionsError
        If it is anything else, or nothing is left.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", str(text).lower())
    size = 0
    if found and found[2] in UNITS:
        size = int(float(found[1]) * UNITS[found[2]])
    if size < 1:
        raise OptionsError(
            f"memory_limit is {text!r}: it must be a size such as 2GiB, 500MB or a number of bytes"
        )
    return size


def in_words(size: int) -> str:
    """Round a size up to whole MiB."""
    return f"{-(-size // MIB)}MiB"


def limit_of_machine() -> Limit:
    """Find how much memory this process can have: the machine's, or its container's."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [Limit(whole, "this machine has")]
    for name in CGROUP_LIMITS:
        try:
            limits.append(Limit(int(Path(name).read_text()), "this container may use"))
        except (OSError, ValueError):  # there is none, or it says "max"
            continue
    return min(limits)


def frames_per_chunk(shapes: Shapes, preferred: int, limit: Limit | None) -> int:
    """Choose how many frames are read at a time.

    Parameters
    ----------
    shapes
        Of the job.
    preferred
        Where memory does not matter.
    limit
        If there is one.

    Returns
    -------
    int, at most the preferred number; results do not depend on it.

    Raises
    ------
    BudgetError
        If the job fits with no number.
    """
    sizes = _sizes(preferred)
    if limit is None:
        return preferred
    fitting = [n for n in sizes if estimate(shapes, n) <= limit.size]
    if not fitting:
        check(shapes, preferred, limit)
    return fitting[0]


def _sizes(preferred: int) -> list[int]:
    """Numbers of frames per chunk to choose from, the best one first."""
    return [preferred >> i for i in range(preferred.bit_length())]


def smallest(shapes: Shapes, preferred: int) -> int:
    """Find the smallest limit that would do, bytes."""
    return min(estimate(shapes, n) for n in _sizes(preferred))


def check(shapes: Shapes, n_chunk: int, limit: Limit | None) -> None:
    """Refuse a job that does not fit with chunks of so many frames.

    Raises
    ------
    BudgetError
        With the smallest limit that would do.
    """
    if limit is None or estimate(shapes, n_chunk) <= limit.size:
        return
    needed = in_words(smallest(shapes, n_chunk))
    words = f"give --memory-limit {needed} or more"
    if shapes.n_threads > 1:
        alone = in_words(smallest(replace(shapes, n_threads=1), n_chunk))
        words += f", or --workers 1 with {alone} or more"
    raise BudgetError(
        f"stacking {shapes.n_frames} frames of {shapes.width} x {shapes.height} px on "
        f"{shapes.n_threads} threads needs up to {needed}, {limit.why} {limit.size // MIB}MiB: "
        f"{words}, or --roi for a part of the frames"
    )
