"""How much memory a job needs, estimated from shapes before it runs.

Frames are read in chunks. So memory depends on the size of a frame, the number of threads and the
options, and little on the number of frames. Chunks are made smaller until the job fits its limit.
Accumulators and images do not depend on chunks: they set the smallest limit.

One function per phase says what that phase needs. Estimates are upper bounds. MiB, two threads, the
peak of the command line without the second pass, as the operating system counts it:

=============================================  ========  ========
capture                                        measured  estimate
=============================================  ========  ========
634 frames of 840 x 612 x 8 bit                     238       329
the same on one thread                              226       319
6340 frames of 840 x 612 x 8 bit                    264       399
300 frames of 840 x 612 x 16 bit                    235       326
300 frames of 840 x 612 x 8 bit, raw colour         290       391
the same as mono, drizzled 2                        325       533
the same in raw colour, drizzled 2                  505       749
40 frames of 3000 x 2000 x 16 bit                   495       757
200 frames of 4096 x 3000 x 16 bit                  783      1308
634 frames of 420 x 306 x 8 bit                     239       296
6340 frames of 420 x 306 x 8 bit                    244       313
=============================================  ========  ========
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.errors import BudgetError
from skry_dask.graph.frame_folds import accumulators_alive, dtype_of_sums, runs_of_chunks
from skry_dask.kernels.stacking.resample import MAX_INCREMENT_BITS
from skry_dask.options import Canvas, HotPixels
from skry_dask.options.steps import steps_up_to
from skry_dask.phases.refining.tiles import SPACING
from skry_dask.pipeline.memory_limit import MIB, in_mib

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.options import Options
    from skry_dask.pipeline.memory_limit import Limit

START = 345 * MIB
"""A process with all of its imports and all kernels loaded, before it holds a frame, bytes: in a
program that uses the package as a library, where each thread has a heap of its own. The command
line, whose threads share one, takes 25 MiB less. Of LLVM's library 40 to 96 MiB are resident: Linux
maps more of a file whose pages lie together, as after an installation."""

SUM_BYTES = 8
"""Bytes per pixel of the sum of all frames, and again where pixels are counted one by one.
Accumulators inside tasks may take half of that: see `dtype_of_sums`."""

TABLE_BYTES = 8
"""Bytes per point and frame of tables held as a whole: the displacement until the mean of all
frames is known, and the quality of the point's area, or the frame's weight there."""

ROW_BYTES = 2 * 1728
"""Bytes per frame of what align keeps of it, whatever its size: differences of 3 x 576 cells, while
they are gathered."""

ALIGN_PIXEL_BYTES = 32
"""Bytes per pixel of the frame on which anchors are placed."""

MASTER_PIXEL_BYTES = 32
"""Bytes per pixel of a dark and a flat, as they are read and as they are applied."""

BUILD_PIXEL_BYTES = 60
"""Bytes per pixel of an image on which points are placed, from which tiles are cut, which a mesh
covers, or whose holes are filled."""

TILE_BLOCK_BYTES = 80 * MIB
"""While filters of tiles are made, block by block."""

FRAME_PIXEL_BYTES = 12
"""Bytes per pixel of the frame that a thread works on: its planes, windows and blocks."""

FINISH_PIXEL_BYTES = 40
"""Bytes per pixel of the image while sums are converted to brightness."""

IMAGE_BYTES = 4
"""Bytes per pixel of an image that is finished."""

CHUNK_BYTES = 50_000
"""Bytes per chunk in the graph of a phase, for its tasks and small arrays. They set a lower limit
to the size of chunks."""

FRAGMENTATION = 1.25
"""Ratio of the memory that the system counts to the memory in use: not all freed memory goes
back."""

WORTH_ONE_THREAD = 0.95
"""One thread is a remedy where it needs less than this share of the memory of all threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """The quantities on which the memory of a job depends.

    Parameters
    ----------
    n_frames, height, width
        Shape of the capture.
    raw_bytes
        Bytes per pixel as it is read, all channels.
    grey_bytes
        Bytes per pixel of the grey copy that most phases work on; 0 where frames are grey.
    master_bytes
        Bytes per pixel of the masters; 0 without masters.
    n_planes
        Number of planes of the image: 1, or 3 in colour.
    peak
        Largest value that a plane can have.
    unbounded
        Whether the value that a frame adds to the stack has no known bound: it is drizzled,
        normalised or weighted.
    counted
        Whether frames are counted for each pixel: they are drizzled, weighted, or do not all
        show it.
    n_halves
        Number of parts in which frames are stacked: 1, or two halves.
    n_stacks
        Number of images that are stacked, of as many percentages.
    n_steps
        Number of steps, each of which has half stacks.
    n_canvas_pixels
        Number of pixels of the canvas: of quality, points, and the image before it is drizzled.
    scale
        Drizzle scale.
    spacing
        Side of the cells of reference points, px.
    refined
        Whether frames are measured a second time.
    n_threads
        Number of threads that share the memory of one process.
    shares_accumulators
        Whether these threads share accumulators too: see `Runner.shares_accumulators`.
    """

    n_frames: int
    height: int
    width: int
    raw_bytes: int
    grey_bytes: int
    master_bytes: int
    n_planes: int
    peak: int
    unbounded: bool
    counted: bool
    n_halves: int
    n_stacks: int
    n_steps: int
    n_canvas_pixels: int
    scale: float
    spacing: float
    refined: bool
    n_threads: int
    shares_accumulators: bool = True

    @classmethod
    def of(
        cls,
        capture: xr.Dataset,
        options: Options,
        n_threads: int,
        *,
        steps: tuple[int, ...] | None = None,
        shares_accumulators: bool = True,
    ) -> Shapes:
        """Collect the quantities of a job from its options and its capture, not calibrated yet."""
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
        developed = developed or developer.filling is not None
        drizzled, weighted = options.stack.drizzle > 1, options.weighted
        return cls(
            n_frames=n_frames,
            height=height,
            width=width,
            raw_bytes=itemsize * n_channels,
            grey_bytes=(2 if masters else itemsize) if developed else 0,
            master_bytes=MASTER_PIXEL_BYTES * n_channels if masters else 0,
            n_planes=len(developer.planes),
            peak=developer.peak(developer.planes),
            unbounded=drizzled or options.stack.normalise or weighted,
            counted=drizzled or options.align.canvas is Canvas.UNION or weighted,
            n_halves=1 + options.stack.halves,
            n_stacks=len(options.stack.of_each),
            n_steps=0 if steps is None else len(steps_up_to(steps, n_frames)),
            n_canvas_pixels=height * width,
            scale=options.stack.drizzle,
            spacing=options.track.spacing,
            refined=not options.refine.quick,
            n_threads=n_threads,
            shares_accumulators=shares_accumulators,
        )

    @property
    def n_pixels(self) -> int:
        """Number of pixels of a frame."""
        return self.height * self.width


# --- what each phase needs, beyond what all need ---------------------------------------------


def align_bytes(shapes: Shapes, _n_chunk: int) -> int:
    """Estimate the align phase: anchors are placed on one frame, then each thread has a frame."""
    return shapes.n_pixels * (ALIGN_PIXEL_BYTES + FRAME_PIXEL_BYTES * shapes.n_threads)


def quality_bytes(shapes: Shapes, n_chunk: int) -> int:
    """Estimate the quality phase: accumulators of the composite and of the reference image."""
    return _accumulator_bytes(shapes, n_chunk, shapes.n_canvas_pixels * (shapes.n_planes + 1))


def track_bytes(shapes: Shapes, _n_chunk: int) -> int:
    """Estimate the track phase: points are placed on one image, then each thread has a frame."""
    frames = shapes.n_pixels * FRAME_PIXEL_BYTES * shapes.n_threads
    return max(shapes.n_canvas_pixels * BUILD_PIXEL_BYTES, frames)


def refine_bytes(shapes: Shapes, _n_chunk: int) -> int:
    """Estimate the refine phase: filters of tiles are made, then each thread has a frame."""
    if not shapes.refined:
        return 0
    frames = FRAME_PIXEL_BYTES * shapes.n_threads
    filters = shapes.n_canvas_pixels * BUILD_PIXEL_BYTES
    return filters + shapes.n_pixels * frames + TILE_BLOCK_BYTES


def stack_bytes(shapes: Shapes, n_chunk: int) -> int:
    """Estimate the stack phase: accumulators, then their sum and the images, holes filled."""
    n_pixels = round(shapes.n_canvas_pixels * shapes.scale**2)
    holes = BUILD_PIXEL_BYTES if shapes.scale > 1 else 0
    n_images = shapes.n_planes * (2 * shapes.n_halves - 1)  # the whole, and each half twice
    at_once = min(shapes.n_threads, shapes.n_stacks)
    finished = n_pixels * max(BUILD_PIXEL_BYTES, FINISH_PIXEL_BYTES * n_images + holes) * at_once
    n_sums = n_pixels * shapes.n_planes * shapes.n_halves * (1 + shapes.counted) * shapes.n_stacks
    if shapes.n_stacks > 1:  # the sums of each, and running sums
        finished += 2 * n_sums * SUM_BYTES
        finished += n_pixels * IMAGE_BYTES * (n_images + 2) * (shapes.n_stacks - at_once)
    return max(_accumulator_bytes(shapes, n_chunk, n_sums, bounded=not shapes.unbounded), finished)


def steps_bytes(shapes: Shapes, n_chunk: int) -> int:
    """Estimate the steps: accumulators of all, then their running sums, and images of some."""
    n_pixels = round(shapes.n_canvas_pixels * shapes.scale**2) * shapes.n_planes
    n_sums = n_pixels * 2 * (1 + shapes.counted) * shapes.n_steps
    if not n_sums:
        return 0
    at_once = min(shapes.n_threads, shapes.n_steps)
    finished = 2 * n_sums * SUM_BYTES + n_pixels * 3 * FINISH_PIXEL_BYTES * at_once
    return max(_accumulator_bytes(shapes, n_chunk, n_sums, bounded=not shapes.unbounded), finished)


def _accumulator_bytes(shapes: Shapes, n_chunk: int, n_sums: int, *, bounded: bool = True) -> int:
    """Estimate accumulators of ``n_sums`` sums, their total, and a frame for each thread."""
    sizes = [min(n_chunk, shapes.n_frames - i) for i in range(0, shapes.n_frames, n_chunk)]
    max_increment = shapes.peak << MAX_INCREMENT_BITS
    dtype = dtype_of_sums(sizes, max_increment)
    narrow = bounded and dtype.itemsize < SUM_BYTES
    inside = n_sums * SUM_BYTES // (2 if narrow else 1)
    shared = shapes.shares_accumulators
    max_frames = int(np.iinfo(dtype).max) // max_increment if narrow else shapes.n_frames
    n_tasks = len(runs_of_chunks(sizes, max_frames))
    n_alive = accumulators_alive(shapes.n_threads, n_tasks, shared=shared)
    # Only the total is int64 where they are shared; sums of sums are where they are not.
    accumulators = (inside if shared else n_sums * SUM_BYTES) * (n_alive - 1) + n_sums * SUM_BYTES
    planes = shapes.n_planes * shapes.n_pixels * FRAME_PIXEL_BYTES * shapes.n_threads
    return accumulators + planes


PHASES = (align_bytes, quality_bytes, track_bytes, refine_bytes, stack_bytes, steps_bytes)


def estimate(shapes: Shapes, n_chunk: int) -> int:
    """Estimate the peak memory of a job in one process, bytes.

    Parameters
    ----------
    shapes
        The job.
    n_chunk
        Number of frames per chunk.
    """
    chunk = min(n_chunk, shapes.n_frames) * shapes.n_pixels
    chunks = chunk * (shapes.raw_bytes + shapes.grey_bytes) * shapes.n_threads
    n_points = shapes.n_canvas_pixels / shapes.spacing**2
    if shapes.refined:
        n_points += shapes.n_canvas_pixels / SPACING**2
    tables = round(shapes.n_frames * (n_points * TABLE_BYTES + ROW_BYTES))
    graph = -(-shapes.n_frames // n_chunk) * CHUNK_BYTES
    held = chunks + tables + graph + shapes.n_pixels * shapes.master_bytes
    return START + round(FRAGMENTATION * (held + max(phase(shapes, n_chunk) for phase in PHASES)))


# --- fitting a job to its limit --------------------------------------------------------------


def frames_per_chunk(shapes: Shapes, preferred: int, limit: Limit | None) -> int:
    """Choose how many frames are read at a time.

    Parameters
    ----------
    shapes
        The job.
    preferred
        Number of frames per chunk where memory does not matter.
    limit
        The limit, or None.

    Returns
    -------
    int
        At most the preferred number; results do not depend on it.

    Raises
    ------
    BudgetError
        If the job does not fit, whatever the number.
    """
    if limit is None:
        return preferred
    fitting = (n for n in _chunk_sizes(preferred) if estimate(shapes, n) <= limit.size)
    n_chunk = next(fitting, None)
    if n_chunk is None:
        raise _does_not_fit(shapes, preferred, limit)
    return n_chunk


def smallest_limit(shapes: Shapes, preferred: int) -> int:
    """Find the smallest limit that the job fits, bytes."""
    return min(estimate(shapes, n) for n in _chunk_sizes(preferred))


def check(shapes: Shapes, n_chunk: int, limit: Limit | None) -> None:
    """Refuse a job that does not fit with chunks of ``n_chunk`` frames.

    Raises
    ------
    BudgetError
        With the smallest limit that the job fits.
    """
    if limit is not None and estimate(shapes, n_chunk) > limit.size:
        raise _does_not_fit(shapes, n_chunk, limit)


def _chunk_sizes(preferred: int) -> list[int]:
    """List the numbers of frames per chunk to choose from, the preferred one first."""
    return [preferred >> i for i in range(preferred.bit_length())]


def _does_not_fit(shapes: Shapes, n_chunk: int, limit: Limit) -> BudgetError:
    n_all = limit.n_processes
    needed = n_all * smallest_limit(shapes, n_chunk)
    alone = n_all * smallest_limit(replace(shapes, n_threads=1), n_chunk)
    remedy = f"give --memory-limit {in_mib(needed)} or more"
    if alone < WORTH_ONE_THREAD * needed:
        remedy += f", or --workers 1 with {in_mib(alone)} or more"
    if shapes.n_steps:
        remedy += f", fewer than {shapes.n_steps} --steps"
    if shapes.n_stacks > 1:
        remedy += f", fewer than {shapes.n_stacks} percentages"
    where = f"{shapes.n_threads} threads"
    if n_all > 1:
        each = "one thread" if shapes.n_threads == 1 else f"{where} each"
        where = f"{n_all - 1} processes of {each}"
        remedy += ", fewer --processes"
    return BudgetError(
        f"stacking {shapes.n_frames} frames of {shapes.width} x {shapes.height} px on "
        f"{where} needs up to {in_mib(needed)}, {limit.origin} "
        f"{n_all * limit.size // MIB}MiB: {remedy}, or --roi to use fewer pixels of each frame"
    )
