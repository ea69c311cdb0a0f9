"""The whole job: open → align → quality → track → stack.

Each phase's graph is computed, its small result stored under its digest, and the next phase starts
from there; a result that is already stored is not computed again. These barriers are here and
nowhere else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.capture.calibrate import calibrate, master_dark, master_flat
from skry_dask.capture.open import in_chunks, open_capture, open_selected
from skry_dask.capture.source import store_of
from skry_dask.errors import OptionsError
from skry_dask.geometry.mesh import everything_seen
from skry_dask.graph.datasets import BRIGHT, region_of, too_bright, why_inactive
from skry_dask.graph.runner import resources
from skry_dask.io.images.write import kind_of, write_image
from skry_dask.io.positions import read_positions
from skry_dask.options import Canvas, Options, as_json
from skry_dask.phases.align import align
from skry_dask.phases.quality import estimate_quality
from skry_dask.phases.stack import stack
from skry_dask.phases.track import track
from skry_dask.pipeline.memory_budget import (
    Limit,
    Shapes,
    check,
    frames_per_chunk,
    limit_of_machine,
    parse_size,
)
from skry_dask.pipeline.outputs import (
    UNKNOWN,
    Outputs,
    Summary,
    is_colourless,
    place_of_results,
    profile,
    provenance,
    scale_in_words,
)
from skry_dask.store.digest import digest_of
from skry_dask.store.frames import is_store
from skry_dask.store.results import ResultStore, large_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from skry_dask.capture.source import Input
    from skry_dask.graph.runner import Runner
    from skry_dask.options import PhaseOptions, ReadOptions, SelectOptions
    from skry_dask.profiling import Spent

log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """How far a job is: the phase, chunks (of ``import``: frames) done, and of how many."""

    phase: str
    done: int
    total: int | None


def run(
    source: Input,
    *,
    output: str | os.PathLike[str] | None = None,
    output_format: str | None = None,
    composite: bool = False,
    table: bool = False,
    anchors_file: str | os.PathLike[str] | None = None,
    points_file: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    memory_limit: str | int | None = None,
    progress: Callable[[Progress], None] | None = None,
    options: Options | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Stack a capture: the whole pipeline, with store, reuse and progress.

    Parameters
    ----------
    source
        A video, a folder, pattern or list of images, a store or its URL.
    output
        Image to write; its suffix says which kind (``.tif``, ``.png``, ``.bmp``, ``.fits``). None =
        write no image.
    output_format
        "tiff16", "tiff32", "png8", "png16", "bmp" or "fits", whatever the suffix.
    composite
        Also write the best-fragments composite: ``moon.tif`` → ``moon_composite.tif``.
    table
        Also write tables of all frames and of the reference points: ``moon.tif`` →
        ``moon_frame_quality.csv``, ``moon_points.csv``.
    anchors_file, points_file
        Text files with positions for `AlignOptions.anchors` and `TrackOptions.points`; see
        `read_positions`.
    store
        Where results are kept; by default beside the input, or beside the output where the
        input's folder cannot be written.
    scheduler
        Address of a dask scheduler; by default an active client, else threads.
    workers
        Number of threads.
    memory_limit
        How much memory the process may use, on a cluster each worker: "2GiB", "500MB", or a number
        of bytes; by default what the machine or the container has. Fewer frames are read at a time
        where that makes the job fit; the result is the same.
    progress
        Called as work goes on, from any thread.
    options
        Of the whole job; or give single options by name:
    **choices
        Options of `ReadOptions`, `SelectOptions`, `CalibrationOptions`, `AlignOptions`,
        `QualityOptions`, `TrackOptions` and `StackOptions`.

    Returns
    -------
    xarray.Dataset
        Of the stack phase, computed; see `stack`. ``attrs["summary"]`` is a `Summary` as a dict.

    Raises
    ------
    SkryError
        Of the kind that fits: what is wrong, where, and the remedy.

    Examples
    --------
    >>> import skry_dask as skry
    >>> result = skry.run("moon.ser", percent=20, output="moon.tif")  # doctest: +SKIP
    """
    began = time.perf_counter()
    options = options or Options.of(**choices)
    outputs = Outputs(
        image=None if output is None else Path(output),
        kind=output_format,
        composite=composite,
        table=table,
    )
    given = options.calibrate
    flags = options.select.active_flags
    outputs.check(source, given.dark, given.flat, flags, anchors_file, points_file)
    options = _with_positions(options, anchors_file, points_file)
    summary = Summary(input=_in_words(source), output=None if output is None else str(output))
    place = place_of_results(source, outputs.image, Path(store) if store else None, summary)
    report = progress or (lambda _: None)
    given_limit = None if memory_limit is None else Limit(parse_size(memory_limit), "the limit is")
    with contextlib.ExitStack() as tidy:
        runner = tidy.enter_context(resources(scheduler, workers))
        limit = given_limit or (limit_of_machine() if runner.client is None else None)
        capture, budget = _open(source, place, options, report, summary, runner, limit)
        digest = capture.attrs["digest"]
        phases = tidy.enter_context(_Phases(runner, ResultStore(place), report, summary, digest))
        alignment = phases.run(options.align, partial(align, capture))
        _describe(alignment, capture, summary)
        if options.stack.canvas is Canvas.UNION:
            offset, active = alignment["offset"].to_numpy(), alignment["active"].to_numpy()
            seen = everything_seen(offset, active, *capture["frames"].shape[1:3])
            budget = replace(budget, canvas=seen.height * seen.width)
            check(budget, capture["frames"].data.chunksize[0], limit)
        quality = phases.run(options.quality, partial(estimate_quality, capture, alignment))
        points = phases.run(options.track, partial(track, capture, alignment, quality))
        summary.points = points.sizes["point"]
        if not summary.points:
            summary.notes.append(
                "no reference point could be placed: frames are aligned as a whole, local seeing "
                "is not undone"
            )
        # Of a copy: what stack loads need not stay.
        result = phases.run(
            options.stack, lambda chosen: stack(capture, alignment, quality.copy(), points, chosen)
        )
        _describe_image(result, options, summary)
        # While the store is written.
        metadata = provenance(capture, options, summary)
        others = outputs.write(result, alignment, quality, points, metadata)
    summary.files = [str(path) for path in others]
    summary.seconds = round(time.perf_counter() - began, 3)
    summary.peak_memory_mib = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return result.assign_attrs(summary=as_json(summary))


def _in_words(source: Input) -> str:
    """Name a source: its path, or the first of several images."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    return str(next(iter(source), ""))


def _with_positions(
    options: Options,
    anchors_file: str | os.PathLike[str] | None,
    points_file: str | os.PathLike[str] | None,
) -> Options:
    """Put positions from files where the same positions would be if given one by one."""
    for file, phase, name in (
        (anchors_file, "align", "anchors"),
        (points_file, "track", "points"),
    ):
        if file is None:
            continue
        of_phase = getattr(options, phase)
        if getattr(of_phase, name):
            raise OptionsError(
                f"{name} ({len(getattr(of_phase, name))} given) and {name}_file {file} contradict "
                "each other: give one of them"
            )
        positions = read_positions(Path(file))
        options = replace(options, **{phase: replace(of_phase, **{name: positions})})
    return options


class _Phases:
    """Runs phases one after the other, and stores their results.

    A result is written while the next phase runs on it; on leaving the context all are written,
    whatever became of later phases. One that is large is written while it is computed, and the next
    phase reads it.
    """

    def __init__(
        self,
        runner: Runner,
        store: ResultStore,
        report: Callable[[Progress], None],
        summary: Summary,
        digest: str,
    ) -> None:
        self.runner = runner
        self.store = store
        self.report = report
        self.summary = summary
        self.digest = digest
        self.writer = ThreadPoolExecutor(1, "skry-store")
        self.written: list[Future[None]] = []

    def __enter__(self) -> _Phases:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.shutdown()
        for result in self.written:
            result.result()

    def run(self, options: PhaseOptions, build: Callable[[Any], xr.Dataset]) -> xr.Dataset:
        """Take a phase's result from the store, or compute it and store it."""
        began = time.perf_counter()
        name = options.phase
        self.digest = digest_of(self.digest, name, options.version, as_json(options))
        result = self.store.find(name, self.digest)
        status = "ran" if result is None else "reused"
        if result is not None and self.runner.client is not None:
            result.load()
        spent = None
        if result is None:
            result, spent = self._compute(name, build(options))
        seconds = time.perf_counter() - began
        about = {"status": status, "seconds": round(seconds, 3), "digest": self.digest}
        if spent is not None:
            about |= profile(spent, self.summary.frames, seconds, self.runner.n_threads)
        elif status == "ran":
            self.summary.notes.append(f"{name}: {UNKNOWN}")
        self.summary.phases[name] = about
        log.info("%s %s in %.3f s", name, status, seconds)
        return result

    def _compute(self, name: str, lazy: xr.Dataset) -> tuple[xr.Dataset, Spent | None]:
        """Compute a phase's result and store it; also tell what that took, if it is known."""

        def progress(done: int, total: int) -> None:
            self.report(Progress(name, done, total))

        # Workers of a cluster need not see the store.
        if self.runner.client is None and large_tables(lazy):
            with self.store.new(name, self.digest) as new:
                computed, spent = self.runner.measure(new.write_tables(lazy), progress)
                # Not here: in a notebook this thread has an event loop.
                self.writer.submit(new.finish, computed).result()
            return self.store.open(name, self.digest), spent
        result, spent = self.runner.measure(lazy, progress)
        self.written.append(self.writer.submit(self.store.save, name, self.digest, result))
        return result, spent


def _open(
    source: Input,
    place: Path,
    options: Options,
    report: Callable[[Progress], None],
    summary: Summary,
    runner: Runner,
    limit: Limit | None,
) -> tuple[xr.Dataset, Shapes]:
    """Open the capture, decoding it into the store if it must be, select and calibrate.

    Raises
    ------
    BudgetError
        If the job does not fit the limit.
    """
    began = time.perf_counter()
    decoded = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal decoded
        decoded = done
        report(Progress("import", done, total))

    capture, preferred = open_selected(source, options.read, options.select, place, progress)
    budget = Shapes.of(capture, options, runner.threads_together)
    capture = in_chunks(capture, frames_per_chunk(budget, preferred, limit))
    if decoded or (store_of(source) is None and is_store(place)):
        seconds = round(time.perf_counter() - began, 3)
        status = "ran" if decoded else "reused"
        summary.phases["import"] = {"status": status, "seconds": seconds}
    capture = calibrate(capture, options.calibrate)
    summary.frames = capture.sizes["frame"]
    summary.notes += [str(problem) for problem in capture.attrs["problems"]]
    return capture, budget


def _describe(alignment: xr.Dataset, capture: xr.Dataset, summary: Summary) -> None:
    """Sum up the alignment; raises where there is no region."""
    region = region_of(alignment, capture)
    summary.active_frames = int(alignment["active"].sum())
    summary.region = as_json(region)
    if summary.active_frames < summary.frames:
        left_out = summary.frames - summary.active_frames
        summary.notes.append(f"{left_out} frames are left out: {why_inactive(alignment)}")
    bright = too_bright(alignment)
    if bright:
        some = ",".join(map(str, bright[:8])) + (",..." if len(bright) > 8 else "")
        summary.notes.append(
            f"{len(bright)} frames are over {BRIGHT:g} times as bright as most: --exclude {some} "
            "leaves them out, --normalise evens them out"
        )


def _describe_image(result: xr.Dataset, options: Options, summary: Summary) -> None:
    """Sum up the stack."""
    summary.image = {"height": result.sizes["y"], "width": result.sizes["x"]}
    if options.track.align_channels and "channel" not in result["stack"].dims:
        summary.notes.append("align_channels has nothing to align: the stack is grey")
    if is_colourless(result["stack"].to_numpy()):
        summary.notes.append("there is hardly any colour: --grey takes less time and memory")


def make_master(
    source: Input,
    output: str | os.PathLike[str],
    *,
    flat: bool = False,
    dark: str | os.PathLike[str] | None = None,
    output_format: str | None = None,
    read: ReadOptions | None = None,
    selection: SelectOptions | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> xr.Dataset:
    """Make a master dark or flat from a video, and write it as an image.

    Parameters
    ----------
    source
        A video or images of nothing (for a dark), or of an evenly lit field (for a flat).
    output
        Image to write; ``.tif`` keeps float32.
    flat
        Whether it is a flat.
    dark
        Master dark to be subtracted from the flat.
    output_format
        Kind of image, whatever the suffix; by default float32 where the suffix allows it.
    read, selection
        See `open_capture`.
    scheduler, workers, progress
        See `run`.

    Returns
    -------
    xarray.Dataset
        ``master`` float32 (y, x[, channel]), 1 = full scale, and ``n_frames``, computed; attribute
        ``problems``, what the user should know.

    Raises
    ------
    SkryError
        Of the kind that fits: what is wrong, where, and the remedy.
    """
    output = Path(output)
    kind = output_format or ("tiff32" if kind_of(output) == "tiff16" else kind_of(output))
    Outputs(image=output, kind=kind).check(source, dark)
    name = "flat" if flat else "dark"
    report = progress or (lambda _: None)
    with resources(scheduler, workers) as runner:
        capture = open_capture(
            source,
            read,
            selection,
            progress=lambda done, total: report(Progress("import", done, total)),
        )
        lazy = master_flat(capture, dark) if flat else master_dark(capture)
        made = runner.compute(lazy, lambda done, total: report(Progress(name, done, total)))
    about = {
        "software": f"skry_dask {version('skry_dask')}",
        "image": f"master {name}",
        "source": Path(capture.attrs["source"]).name,
        "frames": capture.sizes["frame"],
        "scale": scale_in_words(capture),
    }
    write_image(output, made["master"].to_numpy(), kind=kind, metadata=about)
    problems = [*capture.attrs["problems"], *made.attrs.get("problems", ())]
    return made.assign_attrs(problems=problems)
