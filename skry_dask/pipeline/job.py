"""A job: one capture, its options, and what it runs on, checked before anything is computed."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.calibration.calibrate import calibrate
from skry_dask.capture.calibration.standing import mask_standing
from skry_dask.capture.known_frames import SAMPLES, SAMPLES_DECODED, KnownFrames
from skry_dask.capture.open import in_chunks
from skry_dask.capture.select import select
from skry_dask.capture.source import RawSource, resolve
from skry_dask.graph.datasets import (
    excluded_frames,
    is_union,
    measured_frames,
    region_of,
    with_excluded,
)
from skry_dask.graph.resources import resources
from skry_dask.io.remote import absolute, is_url, located
from skry_dask.options import OPTION_NAMES, Mask, Options
from skry_dask.options.given import check_names
from skry_dask.options.steps import parse_steps
from skry_dask.options.tone import ToneOptions
from skry_dask.pipeline.given_positions import with_positions
from skry_dask.pipeline.memory_budget import START, Shapes, check, estimate, frames_per_chunk
from skry_dask.pipeline.memory_limit import Limit, in_mib, machine_limit, parse_size
from skry_dask.pipeline.outputs import Outputs
from skry_dask.pipeline.overwriting import find_other_image
from skry_dask.pipeline.phase_runner import PhaseResult
from skry_dask.pipeline.progress import Progress, report_nothing
from skry_dask.pipeline.results_place import place_of_results
from skry_dask.store.digest import digest_of
from skry_dask.store.frames.into_folder import sweep_import
from skry_dask.store.results.writing import ResultStore

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import xarray as xr

    from skry_dask.capture.inputs import Input
    from skry_dask.capture.source import Source
    from skry_dask.graph.runner import Runner
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.pipeline.memory_limit import SharedMemory
    from skry_dask.pipeline.progress import Report
    from skry_dask.types import BoolArray


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that a job is made of.

    Parameters
    ----------
    source
        The capture.
    options
        Options of all phases, positions from files included.
    outputs
        The files to write.
    steps
        See `parse_steps`.
    store
        Keeps results, and the frames of a capture that must be decoded.
    runner
        Computes graphs.
    limit
        How much memory the process may use, on a cluster each worker; None = no limit.
    report
        Called with progress.
    held
        Closed at the end of the job.
    memory
        Memory that jobs share which run at the same time.
    notes
        What the user should know about the job before it runs.
    """

    source: Source
    options: Options
    outputs: Outputs
    steps: tuple[int, ...] | None
    store: ResultStore
    runner: Runner
    limit: Limit | None
    report: Report
    held: contextlib.ExitStack
    memory: SharedMemory | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job as the user asks for it, not checked yet; see `run`, and `parse_steps` for steps.

    ``runner`` is what it runs on, where that has been opened for several jobs; ``memory`` is what
    they share. ``overwrite`` replaces images of other options without a word. ``on_phase`` is
    called with the capture, and with the result of each phase.
    """

    source: Input
    options: Options
    outputs: Outputs
    steps: tuple[int, ...] | None = None
    anchors_file: str | os.PathLike[str] | None = None
    points_file: str | os.PathLike[str] | None = None
    store: str | os.PathLike[str] | None = None
    scheduler: str | None = None
    workers: int | None = None
    processes: int | None = None
    wait_workers: float | None = None
    memory_limit: str | int | None = None
    overwrite: bool = False
    progress: Report | None = None
    after_compute: Callable[[], None] | None = None
    runner: Runner | None = None
    memory: SharedMemory | None = None
    on_phase: Callable[[PhaseResult], None] | None = None

    @classmethod
    def of(
        cls,
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
        options: Options | None = None,
        **others: Any,
    ) -> JobRequest:
        """Make a request of the arguments of `run`.

        Raises
        ------
        OptionsError
            If there is no such option, or a value is out of range.
        """
        own = {field.name for field in fields(cls)}
        single = {name: others.pop(name) for name in others.keys() - own}
        check_names(single, [*OPTION_NAMES, *ARGUMENTS], "a job")
        image = None if output is None else located(output)
        options = Options.of(options, **single)
        numbers = parse_steps(steps)
        writes_halves, sharpening = options.stack.halves, None
        if sharpen is not None:
            # What sharpens takes 0.1 s to import.
            from skry_dask.pipeline.sharpened import chosen_sharpening

            sharpening = chosen_sharpening(sharpen)
        if sharpening is not None and sharpening[0].uses_halves:
            options = replace(options, stack=replace(options.stack, halves=True))
        tone = None if stretch is None else ToneOptions(stretch=stretch)  # type: ignore[arg-type]
        if sharpening is not None and tone is not None and sharpening[1].stretch is None:
            sharpening = sharpening[0], replace(sharpening[1], stretch=tone.stretch)
        return cls(
            source=source,
            options=options,
            outputs=Outputs(
                image=image,
                kind=output_format,
                halves=writes_halves,
                composite=composite,
                table=table,
                steps=numbers is not None,
                sharpen=sharpening,
                stretch=tone,
                report=report,
                percent=options.stack.percent,
            ),
            steps=numbers,
            **others,
        )

    def resources(self) -> AbstractContextManager[Runner]:
        """Provide what the job runs on, for as long as the context lasts.

        Raises
        ------
        OptionsError
            If that is not possible; see `resources`.
        """
        if self.runner is not None:
            return contextlib.nullcontext(self.runner)
        return resources(
            self.scheduler,
            self.workers,
            self.after_compute,
            processes=self.processes,
            wait_workers=self.wait_workers,
        )


_OF_FILES = {"output", "output_format", "composite", "table", "sharpen", "stretch", "report"}
_OWN = {"outputs", "runner", "memory"}
ARGUMENTS = sorted(({field.name for field in fields(JobRequest)} - _OWN) | _OF_FILES)
"""Names of the arguments of `run` besides single options."""


@contextlib.contextmanager
def start_job(request: JobRequest) -> Iterator[Job]:
    """Check a request, and provide what its job runs on while the context lasts.

    Raises
    ------
    SkryError
        If something cannot be done; nothing has been written then.
    """
    outputs = request.outputs
    outputs.check()
    options = with_positions(request.options, request.anchors_file, request.points_file)
    limit = None
    if request.memory_limit is not None:
        limit = Limit(parse_size(request.memory_limit), "the limit is")
    with contextlib.ExitStack() as held, request.resources() as runner:
        if limit is None and runner.memory_shares:
            limit = machine_limit()
        if limit is not None and runner.memory_shares:
            limit = limit.shared(runner.memory_shares)
        source = resolve(request.source, options.read)
        outputs.check_inputs(
            source,
            options.calibrate.dark,
            options.calibrate.flat,
            options.select.active_flags,
            request.anchors_file,
            request.points_file,
        )
        replaced = find_other_image(outputs, options, source.name)
        chosen = None if request.store is None else located(request.store)
        place = place_of_results(source, outputs, chosen)
        yield Job(
            source=source,
            options=options,
            outputs=outputs,
            steps=request.steps,
            # Workers of a cluster have other working folders.
            store=ResultStore(absolute(place.store), source.owner),
            runner=runner.for_job(),
            limit=limit,
            report=request.progress or report_nothing,
            held=held,
            memory=request.memory,
            notes=(
                *(() if place.note is None else (place.note,)),
                *(() if replaced is None or request.overwrite else (replaced.note,)),
            ),
        )


def open_frames(job: Job) -> tuple[PhaseResult, Shapes]:
    """Open the capture, select and calibrate; frames are decoded into the store if they must be.

    Returns
    -------
    frames
        The capture, lazy, with chunks that fit the job's memory limit.
    shapes
        The quantities on which the memory of the job depends.

    Raises
    ------
    BudgetError
        If the job does not fit its memory limit.
    SkryError
        If the capture cannot be opened, selected from or calibrated.
    """
    began = time.perf_counter()

    def progress(done: int, total: int | None) -> None:
        job.report(Progress("import", done, total))

    opened = job.source.open(job.store.path, progress)
    if opened.decoded is None and isinstance(job.store.path, Path):
        sweep_import(job.store.path)
    samples = {opened.capture["frames"].dtype.str[1:]}
    if job.options.calibrate.dark is not None or job.options.calibrate.flat is not None:
        samples.add("u2")
    job.runner.require(opened.identity, store=job.store.path, samples=sorted(samples))
    capture = select(opened.capture, job.options.select)
    capture = mask_standing(capture, job.options.calibrate)
    shapes = Shapes.of(
        capture,
        job.options,
        job.runner.threads_together,
        steps=job.steps,
        shares_accumulators=job.runner.shares_accumulators,
    )
    preferred = opened.n_chunk * job.runner.chunks_per_task(len(capture["frame"]) // opened.n_chunk)
    n_chunk = frames_per_chunk(shapes, preferred, job.limit)
    log.info(
        "%d frames of %d x %d px are read %d at a time by %d threads: up to %s of memory",
        *(shapes.n_frames, shapes.width, shapes.height, n_chunk, shapes.n_threads),
        in_mib(estimate(shapes, n_chunk)),
    )
    capture = in_chunks(capture, n_chunk)
    seconds = time.perf_counter() - began
    if job.memory is not None:
        limit = None if job.limit is None else job.limit.size - START
        job.held.enter_context(job.memory.taken(estimate(shapes, n_chunk) - START, limit))
    # What stands still has been looked for already.
    capture = calibrate(capture, replace(job.options.calibrate, mask=Mask.OFF))
    frames = PhaseResult(
        name="import",
        data=capture,
        digest=capture.attrs["digest"],
        status={None: None, True: "ran", False: "reused"}[opened.decoded],
        seconds=seconds,
        n_threads=job.runner.n_threads,
        known=_known_frames(job.source, opened.capture),
    )
    return _excluding(frames, excluded_frames(capture)), shapes


def _known_frames(source: Source, capture: xr.Dataset) -> KnownFrames:
    """Prepare to compare frames with those of earlier runs: at URLs by their digest alone."""
    if is_url(source.given):
        return KnownFrames(capture, 0)
    return KnownFrames(capture, SAMPLES if isinstance(source, RawSource) else SAMPLES_DECODED)


def with_all_frames(frames: PhaseResult) -> PhaseResult:
    """Take a capture as if no frame were excluded, for a phase that measures all of them alike."""
    return _excluding(frames, np.zeros(frames.data.sizes["frame"], bool))


def with_measured_frames(frames: PhaseResult, alignment: PhaseResult) -> PhaseResult:
    """Take a capture as if all frames that are measured were stacked, excluded ones too."""
    region = region_of(alignment.data, frames.data)
    measured = measured_frames(alignment.data, frames.data, region)
    others = alignment.data["active"].to_numpy() & ~measured
    return _excluding(frames, others)


def _excluding(frames: PhaseResult, excluded: BoolArray) -> PhaseResult:
    """Exclude some frames, and no others: bool (frame)."""
    data = with_excluded(frames.data, excluded)
    digest = data.attrs["digest"]
    if excluded.any():
        digest = digest_of(digest, "excluded", data["frame"].to_numpy()[excluded].tolist())
    return replace(frames, data=data, digest=digest)


def check_canvas(job: Job, shapes: Shapes, frames: PhaseResult, alignment: PhaseResult) -> None:
    """Refuse a job whose canvas is too small, or takes more memory than the job may use.

    Raises
    ------
    AlignmentError
        If no frame may be stacked, or these frames have too little in common.
    BudgetError
        If the canvas "union", whose size is known now, does not fit the memory limit.
    """
    region = region_of(alignment.data, frames.data)
    if is_union(alignment.data):
        union = replace(shapes, n_canvas_pixels=region.height * region.width)
        check(union, frames.data["frames"].data.chunksize[0], job.limit)
