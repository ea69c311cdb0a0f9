"""The whole job: frames → align → quality → track → first stack → refine → stack → image.

Derotate follows on align, if it is asked for. Refine measures frames a second time, against a first
stack of the best of them. With ``quick``, the stack follows on track.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from skry_dask.graph.datasets import stacked_frames
from skry_dask.options import Choose, StackOptions, as_json
from skry_dask.options.steps import StepOptions, steps_up_to
from skry_dask.phases.align import align
from skry_dask.phases.quality import estimate_quality
from skry_dask.phases.reference import choose_reference
from skry_dask.phases.refine import refine, why_not_refined
from skry_dask.phases.stack import stack
from skry_dask.phases.survey import survey_frames
from skry_dask.phases.track import track
from skry_dask.pipeline.finished_job import FinishedJob
from skry_dask.pipeline.job import (
    JobRequest,
    check_canvas,
    open_frames,
    start_job,
    with_all_frames,
    with_measured_frames,
)
from skry_dask.pipeline.job_record import keep_record
from skry_dask.pipeline.job_results import ROTATION, JobResults
from skry_dask.pipeline.memory_limit import PeakMemory
from skry_dask.pipeline.phase_runner import PhaseRunner
from skry_dask.pipeline.progress import shows_progress
from skry_dask.pipeline.stack_figures import StackFigures
from skry_dask.pipeline.steps import measure_steps
from skry_dask.pipeline.summary import provenance, summarise

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import xarray as xr

    from skry_dask.capture.inputs import Input
    from skry_dask.graph.kept.pieces import Pieces
    from skry_dask.options import AlignOptions, Options, RefineOptions
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.pipeline.job import Job
    from skry_dask.pipeline.phase_runner import PhaseResult
    from skry_dask.pipeline.progress import Report


FIRST_STACK = StackOptions(choose=Choose.FRAGMENTS, percent=30)
"""Options of the stack against which frames are measured a second time."""


@shows_progress
def run(
    source: Input,
    *,
    output: str | os.PathLike[str] | None = None,
    output_format: str | None = None,
    composite: bool = False,
    table: bool = False,
    steps: str | Sequence[int] | None = None,
    sharpen: str | os.PathLike[str] | SharpenOptions | None = None,
    stretch: str | Sequence[float] | None = None,
    report: bool = False,
    anchors_file: str | os.PathLike[str] | None = None,
    points_file: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    processes: int | None = None,
    wait_workers: float | None = None,
    memory_limit: str | int | None = None,
    progress: Report | None = None,
    after_compute: Callable[[], None] | None = None,
    options: Options | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Stack a capture: the whole pipeline, with store, reuse and progress.

    Parameters
    ----------
    source
        A video, a folder, pattern or list of images, a store; the URL of a store, or of a SER or
        uncompressed AVI file.
    output
        Image to write; its suffix says which kind (``.tif``, ``.png``, ``.bmp``, ``.fits``). Of
        several percentages ``moon.tif`` becomes ``moon-p5.tif``, ``moon-p15.tif``, and
        ``moon-{percent}.tif`` says it in another way. An image that is there already is replaced;
        a note of the summary says so, if it was made with other options. None = write no image.
    output_format
        "tiff8", "tiff16", "tiff32", "png8", "png16", "bmp" or "fits"; by default as the suffix
        says.
    composite
        Also write the best-fragments composite: ``moon.tif`` → ``moon_composite.tif``.
    table
        Also write tables of all frames and of the reference points: ``moon.tif`` →
        ``moon_frames.csv``, ``moon_points.csv``, and ``moon_frame_quality.txt`` as Stackistry
        writes it, with more columns ``moon_frame_quality.csv``.
    steps
        Numbers of frames, such as [10, 30, 100], or "auto": also stack the best of so many frames,
        and write how noise, sharpness and resolution change: ``moon.tif`` → ``moon-steps.csv`` and
        ``moon-steps.png`` (needs matplotlib).
    sharpen
        Also write the stack sharpened: ``moon.tif`` → ``moon-sharpened.tif``. "auto", a TOML file
        of ``skry sharpen --save-options``, or options.
    stretch
        Percentiles of brightness, such as (0.1, 99.9), that become black and white in images of 8
        and 16 bits. What is returned and stored is not stretched.
    report
        Also write a report beside the image: ``moon.tif`` → ``moon-report.html``.
    anchors_file, points_file
        Text files with positions for `AlignOptions.anchors` and `TrackOptions.points`; see
        `read_positions`.
    store
        Where results are kept, a folder or its URL, such as ``s3://bucket/moon.skry``; by default
        beside the input, or beside the output where the input's folder cannot be written.
    scheduler
        Address of a dask scheduler; by default an active client, else threads.
    workers
        Number of threads, by default one per core; with ``processes`` of each process, by default
        one.
    processes
        Compute in this number of processes of this machine.
    wait_workers
        How long to wait for workers of a cluster that has none, s; by default 5 s at first, and
        10 s when all are lost.
    memory_limit
        How much memory the process may use, on a cluster each worker: "2 GB", "500MiB", or a number
        of bytes; by default what the machine or the container has. Fewer frames are read at a time
        where that makes the job fit; the result is the same.
    progress
        Called as work goes on, from any thread, with a `Progress`; by default bars are shown in a
        notebook, and nothing elsewhere. Without a cluster, an exception that it raises ends the
        job, and is raised by `run`; the same job continues later.
    after_compute
        Called without arguments when a phase has been computed: a program can return freed memory
        to the system there.
    options
        Options of the whole job; or give single options by name:
    **choices
        Options of `ReadOptions`, `SelectOptions`, `CalibrationOptions`, `AlignOptions`,
        `RotationOptions`, `QualityOptions`, `TrackOptions`, `RefineOptions` and `StackOptions`.
        ``percent=(5, 15, 30)`` makes an image of each percentage, from one pass over the frames.

    Returns
    -------
    xarray.Dataset
        Result of the stack phase, computed; see `stack`: of several percentages,
        ``result["stack"].sel(percent=15)`` is one image. ``attrs["summary"]`` is a `Summary` as a
        dict. `open_results` opens the results of all phases.

    Raises
    ------
    SkryError
        If anything fails; the message says what, where, and what to do about it.

    Examples
    --------
    >>> import skry_dask as skry
    >>> result = skry.run("moon.ser", percent=20, output="moon.tif")
    >>> result["stack"].dims, result.attrs["summary"]["active_frames"]
    (('y', 'x'), 16)
    """
    request = JobRequest.of(
        source,
        output=output,
        output_format=output_format,
        composite=composite,
        table=table,
        steps=steps,
        sharpen=sharpen,
        stretch=stretch,
        report=report,
        options=options,
        anchors_file=anchors_file,
        points_file=points_file,
        store=store,
        scheduler=scheduler,
        workers=workers,
        processes=processes,
        wait_workers=wait_workers,
        memory_limit=memory_limit,
        progress=progress,
        after_compute=after_compute,
        **choices,
    )
    return run_request(request)


def run_request(request: JobRequest) -> xr.Dataset:
    """Do what `run` does.

    Parameters
    ----------
    request
        The arguments of `run`.

    Raises
    ------
    SkryError
        See `run`.
    """
    began = time.perf_counter()
    with PeakMemory() as peak, start_job(request) as job:
        with PhaseRunner(job.runner, job.store, job.report, job.source.check_unchanged) as phases:
            results = JobResults.of(_told(run_phases(job, phases), request.on_phase))
            # Images are written while the last result is stored.
            scale = results.capture.attrs.get("pixel_scale")
            figures = [StackFigures.of_stack(one.data, scale) for one in results.stacks]
            about = [
                provenance(job, results, one, of_one)
                for one, of_one in zip(results.stacks, figures, strict=True)
            ]
            files = job.outputs.write(about, results)
            record = keep_record(job, results, about, phases)
        if job.outputs.report:
            # matplotlib and jinja2, which most jobs need not import.
            from skry_dask.pipeline.report import page_of

            page = page_of(FinishedJob.of_results(record, results))
            job.outputs.write_report(page.render())
        seconds = time.perf_counter() - began
        summary = summarise(job, results, figures, files, seconds, peak.size)
    return results.stack.assign_attrs(summary=as_json(summary))


def run_part(request: JobRequest, last: str) -> None:
    """Run the phases of a job up to one of them; nothing is written but results in the store.

    Parameters
    ----------
    request
        The arguments of `run`; its ``on_phase`` is given what the phases give.
    last
        Name of the last phase to run: "align", "quality", "track", "refine" or "stack".

    Raises
    ------
    SkryError
        See `run`.
    """
    with (
        start_job(request) as job,
        PhaseRunner(job.runner, job.store, job.report, job.source.check_unchanged) as phases,
    ):
        for result in _told(run_phases(job, phases), request.on_phase):
            if result.name == last:
                return


def _told(
    results: Iterable[PhaseResult], on_phase: Callable[[PhaseResult], None] | None
) -> Iterator[PhaseResult]:
    """Tell each result to whoever asked for it, as soon as there is one."""
    for result in results:
        if on_phase is not None:
            on_phase(result)
        yield result


def run_phases(job: Job, phases: PhaseRunner) -> Iterator[PhaseResult]:
    """Run the phases one after the other, each on what the earlier ones gave.

    Parameters
    ----------
    job
        The job.
    phases
        Runs a phase, or reuses its stored result.

    Yields
    ------
    PhaseResult
        The capture, then the result of each phase as soon as there is one; whoever has seen enough
        need not go on.
    """
    options = job.options
    frames, shapes = open_frames(job)
    yield frames
    all_frames = with_all_frames(frames)
    survey = phases.run(survey_frames, options.align, all_frames, name="survey", keeps_pieces=False)
    reference = phases.run(
        _choose_among, options.align, frames, survey, name="reference", keeps_pieces=False
    )
    alignment = phases.run(_align_to, options.align, all_frames, reference.only())
    alignment = alignment.after(reference).after(survey)
    check_canvas(job, shapes, frames, alignment)
    yield alignment
    offsets = alignment.only("offset", "active", "reason", "union", "foreground", "light")
    if options.derotate.derotate is not None:
        from skry_dask.phases.derotate import derotate  # with scipy's filters, 40 ms

        turning = phases.run(derotate, options.derotate, all_frames, offsets, keeps_pieces=False)
        offsets = turning.only(*offsets.data.data_vars, *ROTATION)
        yield turning
    quality = phases.run(estimate_quality, options.quality, frames, offsets)
    yield quality
    shown = quality.only("reference", "frame_quality")
    points = phases.run(track, options.track, all_frames, offsets, shown)
    yield points
    if not options.refine.quick:
        measured, ranked = with_measured_frames(frames, offsets), quality.only("blended_quality")
        if why_not_refined(measured.data, offsets.data, points.data) is None:
            first = phases.run(
                stack, FIRST_STACK, measured, offsets, ranked, points, name="first_stack"
            )
            yield first
            points = phases.run(refine, options.refine, measured, offsets, points, first)
        else:
            points = phases.run(_not_refined, options.refine, measured, offsets, points)
        yield points
    choice = options.stack.settled(weighted="weight" in points.data)
    yield phases.run(stack, choice, frames, offsets, quality, points)
    if job.steps is not None:
        n_frames = int(stacked_frames(offsets.data, frames.data).sum())
        numbers = steps_up_to(job.steps, n_frames)
        how = replace(choice, halves=True, percent=None, number=None, min_quality=None)
        of_steps = StepOptions(numbers=numbers, stack=how)
        inputs = frames, offsets, quality, points
        yield phases.run(measure_steps, of_steps, *inputs, keeps_pieces=False)


def _choose_among(capture: xr.Dataset, survey: xr.Dataset, options: AlignOptions) -> xr.Dataset:
    return choose_reference(capture, options, survey=survey)


def _not_refined(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    points: xr.Dataset,
    options: RefineOptions,
    *,
    pieces: Pieces | None = None,
) -> xr.Dataset:
    """Take points as they are, without a first stack, and say why."""
    return refine(capture, alignment, points, None, options, pieces=pieces)


def _align_to(
    capture: xr.Dataset, reference: xr.Dataset, options: AlignOptions, *, pieces: Pieces
) -> xr.Dataset:
    return align(capture, options, key_frames=reference, pieces=pieces)
