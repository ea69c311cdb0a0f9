"""Reports: what a job did and why, from its record and its results."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.inputs import check_input, sidecar
from skry_dask.errors import OptionsError, ReaderError, SkryError, StoreError
from skry_dask.finishing.stacked_images import read_stack
from skry_dask.io.atomic import write_if_new
from skry_dask.io.remote import RemotePath, is_url, located
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.pipeline.finished_job import FinishedJob
from skry_dask.pipeline.job_record import JobRecord, read_record
from skry_dask.pipeline.tables import frame_table
from skry_dask.reporting.charts import chart_of_steps, charts, charts_of_halves
from skry_dask.reporting.libraries import check_libraries
from skry_dask.reporting.page import Page
from skry_dask.reporting.pictures import Picture, best_frame, on_pixels_of, to_small_uri, white_of
from skry_dask.store.frames.open import STORE_SUFFIX, is_group
from skry_dask.store.results.reading import open_results

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import xarray as xr

    from skry_dask.io.remote import Location
    from skry_dask.reporting.charts import Chart

LIBRARIES = ("dask", "numba", "numpy", "scipy", "xarray", "zarr")
"""Libraries that compute results, whose versions a report states."""

SHOWN_RANGES = 40
"""Largest number of ranges of frames that are listed for a reason."""


def report(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | RemotePath | None = None,
    *,
    store: str | os.PathLike[str] | RemotePath | None = None,
) -> Path | RemotePath:
    """Write a report on the newest job of a capture: one HTML file, which opens offline.

    Parameters
    ----------
    source
        The capture, or the store that holds its results.
    output
        The file to write, or its URL [default: ``moon.ser`` → ``moon-report.html`` in the current
        folder].
    store
        Where results are kept, if not beside the capture.

    Returns
    -------
    The file.

    Raises
    ------
    StoreError
        If there is no finished job, or the file cannot be written.
    ReaderError
        If the capture is not there any more.
    SkryError
        If jinja2 or matplotlib is missing.

    Examples
    --------
    >>> import skry_dask as skry
    >>> result = skry.run("moon.ser")
    >>> skry.report("moon.ser").name
    'moon-report.html'
    """
    check_input(source)
    check_libraries()
    results = open_results(str(_store_of(source, store)))
    record = read_record(results)
    name = Path(record.about["source"]).stem
    target = located(output) if output is not None else Path(f"{name}-report.html")
    _check_target(target, record)
    content = page_of(FinishedJob.of(record, results)).render().encode()
    if isinstance(target, RemotePath):
        target.write_bytes(content)
    else:
        write_if_new(target, content)
    return target


def _store_of(
    source: str | os.PathLike[str], store: str | os.PathLike[str] | RemotePath | None
) -> Location:
    if store is not None:
        return located(store)
    given = located(source)
    if isinstance(given, RemotePath) or is_group(given) or given.suffix == STORE_SUFFIX:
        return given
    if not given.exists():
        raise ReaderError(f"{given}: there is no such file or folder: name a capture or its store")
    beside = sidecar(str(source))
    if not is_group(beside):
        raise StoreError(
            f"{given} has no results yet, since there is no {beside}: run skry stack {given} "
            "first, or give the store with --store"
        )
    return beside


def _check_target(target: Location, record: JobRecord) -> None:
    """Refuse what cannot be written, and a capture that is gone, before any work."""
    if target.suffix.lower() not in (".html", ".htm"):
        raise OptionsError(f"{target} has the suffix {target.suffix!r}: a report is .html")
    if isinstance(target, Path) and not target.absolute().parent.is_dir():
        raise StoreError(
            f"{target}: there is no folder {target.absolute().parent}: create it first"
        )
    for name in record.source:
        if not is_url(name) and not any(c in name for c in "*?[") and not Path(name).exists():
            raise ReaderError(
                f"{name}, the capture of this job, is gone: put it back, since the report shows "
                "its best frame"
            )


def page_of(job: FinishedJob) -> Page:
    """Collect what the report of a job shows.

    Parameters
    ----------
    job
        The job.
    """
    record, capture, alignment, quality = job.record, job.capture, job.alignment, job.quality
    libraries = {name: version(name) for name in LIBRARIES}
    return Page(
        title=record.about["source"],
        figures=_figures(record),
        notes=record.notes,
        pictures=_pictures(job),
        charts=[
            *charts(alignment, quality, job.tracked, job.points, job.stacked),
            *_charts_of_frames(job),
        ],
        left_out=left_out(frame_table(capture, alignment, quality, job.stacked)),
        timings=[_timing(name, figures) for name, figures in record.phases.items()],
        options={**record.options, "stack": _options_of_stacks(job)},
        versions={"made by": record.about["software"], **libraries},
    )


def _options_of_stacks(job: FinishedJob) -> dict[str, Any]:
    """Take the options of the stack as they were settled, with all of several percentages."""
    percent = [one.percent for one in job.stacks]
    options: dict[str, Any] = job.stacked.attrs["options"]
    return {**options, "percent": percent} if len(percent) > 1 else options


def _charts_of_frames(job: FinishedJob) -> list[Chart]:
    """Draw what half stacks and steps tell, where there are any."""
    drawn = []
    if "resolution" in job.record.stacks[-1]:
        from skry_dask.finishing.resolution.measurement import measure_resolution

        drawn += charts_of_halves(job.stacked, measure_resolution(job.stacked))
    return drawn if job.steps is None else [*drawn, chart_of_steps(job.steps.load())]


def _figures(record: JobRecord) -> dict[str, str]:
    about = record.about
    seconds = sum(figures["seconds"] for figures in record.phases.values())
    return {
        "frames": f"{about['frames']}",
        "aligned": f"{about['active_frames']}",
        **_averaged(record.stacks),
        "region": f"{about['region']['width']} x {about['region']['height']} px",
        "reference points": f"{about['points']}",
        "time of all phases": f"{seconds:.2f} s",
        **_of_halves(record.stacks[-1]),
    }


def _averaged(stacks: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Write how many frames pixels are the mean of, for each stack."""
    written = {}
    for about in stacks:
        mean, least, most = (about["averaged"].get(name, 0) for name in ("mean", "least", "most"))
        percent = about["options"]["stack"]["percent"]
        which = f"{percent:g} %: " if len(stacks) > 1 else ""
        written[f"{which}frames averaged per pixel"] = f"{mean:g} ({least:g} to {most:g})"
    return written


def _of_halves(about: dict[str, Any]) -> dict[str, str]:
    """Write noise and resolution, where half stacks tell them."""
    if "resolution" not in about:
        return {}
    half = about["resolution"]["half"]
    in_arcsec = about.get("resolution_arcsec", {}).get("half")
    angle = "" if in_arcsec is None else f" = {in_arcsec:.3g} arcsec"
    resolution = "none" if half is None else f"{1 / half:.2f} px{angle} ({half:.3f} cycles/px)"
    return {"resolution": resolution, "noise": f"{about['noise']} of full scale"}


def _pictures(job: FinishedJob) -> list[Picture]:
    """Show the stack, the best frame and the composite on one scale of brightness."""
    stacked, quality = job.stacked, job.quality
    white = white_of(stacked["stack"].to_numpy())
    number, frame = best_frame(job.capture, job.alignment, quality, stacked)
    composite = on_pixels_of(stacked, quality["composite"])
    several = len(job.stacks) > 1
    stacks = [
        Picture(
            f"stack of {one.percent:g} %" if several else "stack",
            "The stack: the mean of "
            f"{f'the best {one.percent:g} % of the' if several else 'all'} frames, unwarped",
            to_small_uri(one.data["stack"].to_numpy(), white),
        )
        for one in reversed(job.stacks)
    ]
    return [
        stacks[0],
        Picture(
            f"best frame, {number}", f"Frame {number}, the sharpest one", to_small_uri(frame, white)
        ),
        *stacks[1:],
        *_sharpened(job),
        Picture(
            "best fragments",
            "A composite of the sharpest fragments, each from one frame",
            to_small_uri(composite, white),
        ),
    ]


def _sharpened(job: FinishedJob) -> list[Picture]:
    """Show the sharpened images of the job that are still there."""
    shown = []
    several = len(job.stacks) > 1
    for place, one in zip(job.record.sharpened, job.stacks, strict=False):
        try:
            read = read_stack(place)
        except SkryError:  # it was moved, or is no image any more
            continue
        if read.metadata.get("digest") != job.record.about["digest"]:
            continue
        title = f"sharpened, {one.percent:g} %" if several else "sharpened"
        image = read.pixels
        shown.append(Picture(title, "The stack, sharpened", to_small_uri(image, white_of(image))))
    return shown


def left_out(frames: xr.Dataset) -> dict[str, str]:
    """Say which frames are not stacked, and why.

    Parameters
    ----------
    frames
        As from `frame_table`.

    Returns
    -------
    dict
        Numbers of frames as text (ranges include their last frame), by the reason in words.
    """
    numbers, reasons = frames["frame"].to_numpy(), frames["reason"].to_numpy()
    found = sorted(set(reasons.tolist()) - {Reason.ACTIVE.words})
    return {reason: _ranges(numbers[reasons == reason].tolist()) for reason in found}


def _ranges(numbers: list[int]) -> str:
    """Write increasing numbers as ranges: 3, 7 to 9, and how many."""
    at = np.flatnonzero(np.diff(numbers) != 1) + 1
    runs = [part.tolist() for part in np.split(np.array(numbers), at)]
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    listed = ", ".join(words[:SHOWN_RANGES]) + (", …" if len(words) > SHOWN_RANGES else "")
    return f"{listed} ({len(numbers)})"


def _timing(name: str, figures: dict[str, Any]) -> list[str]:
    return [
        name.replace("_", " "),
        str(figures["status"]),
        f"{figures['seconds']:.3f}",
        f"{figures['frames_per_second']:g}" if "frames_per_second" in figures else "",
        str(figures.get("digest", ""))[:12],
    ]
