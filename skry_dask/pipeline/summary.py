"""What a job did: in figures, in notes for the user, and in the metadata of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.calibration.develop import cfa_at_first_pixel, full_scale
from skry_dask.geometry.globe.rotation import Direction, Globe
from skry_dask.graph.datasets import (
    stacked_frames,
)
from skry_dask.options import Demosaic, as_json
from skry_dask.pipeline.alignment_notes import notes_on_alignment
from skry_dask.pipeline.outputs import brightness_scale, software
from skry_dask.pipeline.overwriting import left_open
from skry_dask.pipeline.phase_figures import figures_of
from skry_dask.pipeline.recorded import recorded
from skry_dask.pipeline.steps import NO_PLOT, can_plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

    from skry_dask.io.remote import Location
    from skry_dask.pipeline.job import Job
    from skry_dask.pipeline.job_results import JobResults, OneStack
    from skry_dask.pipeline.outputs import WrittenFiles
    from skry_dask.pipeline.stack_figures import StackFigures
    from skry_dask.types import AnyArray

UNKNOWN = "what it took is not known, because tasks ran in processes that cannot be asked"
"""Note on a phase that has no profile."""

COLOURLESS = 0.02
"""An image is colourless if its colours differ from green by less than this fraction of the
standard deviation of green."""

CAMERA_BITS = (10, 12, 14)
"""Depths of cameras whose samples are stored in 16 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a job did, JSON-compatible when taken as a dict.

    Parameters
    ----------
    input, output, store
        Paths; ``output`` is None where no image was written.
    sharpened
        Path of the sharpened image, or None.
    files
        The other files of the job: the composite, the sharpened image, the tables of frames
        and points.
    up_to_date
        Whether there was nothing to do: all results were stored and all files were there, with
        the content that they should have.
    phases
        For each phase: ``seconds``, ``status`` ("ran" or "reused") and ``digest``; if it ran, what
        that took, see `profile`.
    frames, active_frames
        Number of frames that are not excluded, and of those of them that were aligned.
    excluded_frames
        Number of frames that are excluded from the stack.
    averaged
        Number of frames that pixels of the stack are the mean of: ``mean``, ``least``, ``most``.
    stacks
        For each image, of which there are several where several percentages are given:
        ``percent``, and its own ``output``, ``sharpened``, ``averaged``, ``noise``, ``resolution``
        ``seeing``, ``pixel_scale`` and ``resolution_arcsec``. Outside of this list, these are those
        of the first image.
    region
        Rectangle of the canvas that results cover, seen in every frame that may be stacked or (a
        union) in any: ``y``, ``x``, ``height``, ``width``, px.
    image
        ``height`` and ``width`` of the stack, px.
    points
        Number of reference points.
    noise, resolution, seeing, pixel_scale, resolution_arcsec
        See `StackFigures`; None where they are not known, as without half stacks.
    notes
        What the user should know: problems of the file, frames left out, where results went.
    seconds
        Wall time of the whole job.
    peak_memory_mib
        Peak memory of this process; see `PeakMemory`.

    Examples
    --------
    >>> import skry_dask as skry
    >>> summary = skry.Summary(**skry.run("moon.ser").attrs["summary"])
    >>> summary.frames, summary.image
    (16, {'height': 144, 'width': 171})
    """

    input: str
    output: str | None
    store: str
    sharpened: str | None
    files: list[str]
    up_to_date: bool
    phases: dict[str, dict[str, Any]]
    frames: int
    active_frames: int
    excluded_frames: int
    averaged: dict[str, float]
    stacks: list[dict[str, Any]]
    region: dict[str, int]
    image: dict[str, int]
    points: int
    noise: float | None
    resolution: dict[str, float | None] | None
    seeing: float | None
    pixel_scale: float | None
    resolution_arcsec: dict[str, float | None] | None
    notes: list[str]
    seconds: float
    peak_memory_mib: float


def summarise(
    job: Job,
    results: JobResults,
    figures: Sequence[StackFigures],
    files: WrittenFiles,
    seconds: float,
    peak_bytes: int,
) -> Summary:
    """Sum up a job that is done.

    Parameters
    ----------
    job, results
        The job, and what its phases gave.
    figures
        Of each stack.
    files
        What was written.
    seconds
        Wall time of the whole job.
    peak_bytes
        Peak memory of this process.
    """
    images = job.outputs.images or [{} for _ in figures]
    sizes = results.stack.sizes
    stacks = [
        _summary_of_stack(one, paths, of_one)
        for one, paths, of_one in zip(results.stacks, images, figures, strict=True)
    ]
    several = len(stacks) > 1
    estimated = (
        "; the sharpened image takes its noise from the finest structure"
        if job.outputs.sharpen is not None and job.outputs.sharpen[0].uses_halves
        else ""
    )
    of_figures = [
        (f"{one['percent']:g} %: {note}" if several else note) + estimated
        for one, of_one in zip(stacks, figures, strict=True)
        for note in of_one.notes
    ]
    first = stacks[0]
    return Summary(
        input=job.source.name,
        output=first["output"],
        store=str(job.store.path),
        sharpened=first["sharpened"],
        files=[str(path) for path in files.others],
        up_to_date=not files.changed and all(phase.status != "ran" for phase in results),
        phases={
            phase.name: figures_of(phase, results.n_measured) for phase in results if phase.status
        },
        frames=results.n_frames,
        active_frames=results.n_active,
        excluded_frames=results.n_excluded,
        averaged=first["averaged"],
        stacks=stacks,
        region=results.region,
        image={"height": sizes["y"], "width": sizes["x"]},
        points=results.n_points,
        noise=first["noise"],
        resolution=first["resolution"],
        seeing=first["seeing"],
        pixel_scale=first["pixel_scale"],
        resolution_arcsec=first["resolution_arcsec"],
        notes=[*notes(job, results), *of_figures],
        seconds=round(seconds, 3),
        peak_memory_mib=round(peak_bytes / 2**20, 1),
    )


def _summary_of_stack(
    one: OneStack, images: Mapping[str, Location], figures: StackFigures
) -> dict[str, Any]:
    """Return the entry of a stack in `Summary.stacks`; see there."""
    return {
        "percent": one.percent,
        "output": str(images["stack"]) if images else None,
        "sharpened": str(images["sharpened"]) if "sharpened" in images else None,
        "averaged": one.averaged,
        "noise": figures.noise,
        "resolution": figures.resolution,
        "seeing": figures.seeing,
        "pixel_scale": figures.pixel_scale,
        "resolution_arcsec": figures.resolution_arcsec,
    }


def notes(job: Job, results: JobResults) -> list[str]:
    """Collect what the user should know, in the order in which it came up."""
    unknown = [
        f"{phase.name}: {UNKNOWN}"
        for phase in results.phases
        if phase.status == "ran" and phase.spent is None
    ]
    return [
        *job.notes,
        *job.runner.notes,
        *job.store.damaged,
        *(str(problem) for problem in results.capture.attrs["problems"]),
        *notes_on_alignment(results),
        *_notes_on_rotation(results),
        *unknown,
        *_notes_on_points(results),
        *_notes_on_stack(job, results),
        *_notes_on_depth(results),
        *([NO_PLOT] if job.steps is not None and not can_plot() else []),
    ]


def _notes_on_rotation(results: JobResults) -> list[str]:
    """Say what was assumed of the globe, so that a wrong direction is noticed."""
    rotation = results.rotation
    if rotation is None:
        return []
    turned = float(np.ptp(rotation["turn"].to_numpy()))
    disc = Globe.of_values(rotation["globe"].to_numpy()).disc
    mirrored = ", in a mirror" if disc.mirrored else ""
    how = {
        Direction.GIVEN: "from north_angle",
        Direction.FOUND: "found by what moves",
        Direction.LIT: "found by where its light ends",
        Direction.ASSUMED: "assumed, because too little moves to tell: --north-angle states where "
        "north is",
    }[Direction(int(rotation["direction"]))]
    return [
        f"{rotation.attrs['options']['derotate']} turned by {turned:.2f} degrees; disc of "
        f"{disc.radius:.1f} px at y {disc.y:.1f}, x {disc.x:.1f}, its pole {disc.pole_angle:.1f} "
        f"degrees from up{mirrored}: {how}"
    ]


def _notes_on_points(results: JobResults) -> list[str]:
    found = []
    if not results.n_points:
        found.append(
            "no reference point could be placed: frames are aligned as a whole, local seeing is "
            "not undone"
        )
    skipped = [phase.data.attrs["skipped"] for phase in results if "skipped" in phase.data.attrs]
    return found + [f"no second pass: {reason}" for reason in skipped]


def _notes_on_stack(job: Job, results: JobResults) -> list[str]:
    result = results.stacks[-1].data
    image = result["stack"]
    found = [result.attrs["note"]] if "note" in result.attrs else []
    if job.options.track.align_channels and "channel" not in image.dims:
        found.append("align_channels has nothing to align: the stack is grey")
    bilinear = job.options.stack.demosaic is Demosaic.BILINEAR
    if bilinear and cfa_at_first_pixel(results.capture) is None:
        found.append("demosaic has nothing to do: frames are not raw colour")
    if is_colourless(image.to_numpy()):
        found.append("there is hardly any colour: --grey takes less time and memory")
    return found


def _notes_on_depth(results: JobResults) -> list[str]:
    """Say where samples of fewer bits than the file states would explain a dark image."""
    attrs, white = results.capture.attrs, full_scale(results.capture)
    if "header_bits" in attrs or attrs.get("trailing_zero_bits"):
        return []
    peak = float(results.stack["stack"].max())
    brightest = 0 if np.isnan(peak) else round(peak * white)
    fitting = (bits for bits in CAMERA_BITS if brightest < 2**bits < white / 2)
    return [
        f"the brightest pixel of the stack is {brightest} of {white}: if the camera has {bits} "
        f"bits, --bits {bits} makes them full scale"
        for bits in fitting
    ][:1]


def is_colourless(image: AnyArray) -> bool:
    """Return whether a colour image has only one hue, such as a mono camera's MP4.

    Parameters
    ----------
    image
        float (y, x) or (y, x, channel), any scale; NaN where nothing is known.
    """
    if image.ndim < 3:
        return False
    green = image[..., 1]
    spread = max(float(np.nanstd(image[..., i] - green)) for i in (0, 2))
    return spread < COLOURLESS * max(float(np.nanstd(green)), 1e-9)


def stack_times(alignment: xr.Dataset, capture: xr.Dataset) -> dict[str, str] | None:
    """Return when the frames of a stack were taken, UTC.

    Parameters
    ----------
    alignment, capture
        As given to `stack`.

    Returns
    -------
    dict or None
        ``first``, ``middle`` (the mean) and ``last``, as ISO 8601; None if it is not known.
    """
    stacked = stacked_frames(alignment, capture)
    if "time" not in capture.coords or not stacked.any():
        return None
    times = np.sort(capture["time"].to_numpy()[stacked].astype("datetime64[us]"))
    middle = times[0] + (times - times[0]).mean()
    named = {"first": times[0], "middle": middle, "last": times[-1]}
    return {name: f"{np.datetime_as_string(time, unit='ms')}Z" for name, time in named.items()}


def provenance(
    job: Job, results: JobResults, one: OneStack, figures: StackFigures
) -> dict[str, Any]:
    """Collect what the image of a stack should say about how it was made, JSON-compatible."""
    capture = results.capture
    return {
        "software": software(),
        "source": Path(job.source.name).name,
        "time": stack_times(results.alignment, capture),
        "source_attributes": {
            k: v for k, v in capture.attrs.items() if k not in ("source", "store", "problems")
        },
        "options": as_json(job.options) | {"stack": one.data.attrs["options"]},
        "left_open": left_open(job.options.stack, one.data.attrs["options"]),
        "frames": results.n_frames,
        "active_frames": results.n_active,
        "excluded_frames": results.n_excluded,
        "averaged": one.averaged,
        "region": results.region,
        "points": results.n_points,
        "digest": results["stack"].digest,
        "scale": brightness_scale(capture),
        **recorded(job, results),
        **figures.metadata,
    }
