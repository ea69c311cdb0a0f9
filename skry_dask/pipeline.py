"""The whole job: open → align → quality → track → stack.

Each phase's graph is computed, its small result stored under its digest, and the next phase starts
from there; a result that is already stored is not computed again. These barriers are here and
nowhere else.
"""

from __future__ import annotations

import logging
import resource
import time
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.align import align
from skry_dask.capture import can_write_in, open_capture, sidecar
from skry_dask.errors import StoreError
from skry_dask.execute import resources
from skry_dask.io.image import kind_of, write_image
from skry_dask.options import Options, as_json
from skry_dask.quality import estimate_quality
from skry_dask.results import full_scale, region_of, why_inactive
from skry_dask.stack import stack
from skry_dask.store import ResultStore, digest_of, is_group, is_store
from skry_dask.track import track

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import xarray as xr

    from skry_dask.execute import Runner
    from skry_dask.options import PhaseOptions

log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """How far a job is: the phase, chunks (of ``import``: frames) done, and of how many."""

    phase: str
    done: int
    total: int | None


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a job did, JSON-compatible when taken as a dict.

    Parameters
    ----------
    input, output, store
        Paths; ``output`` is None where no image was written.
    phases
        Per phase: ``seconds``, ``status`` ("ran" or "reused") and ``digest``.
    frames, active_frames
        Their numbers.
    region
        ``y``, ``x``, ``height``, ``width`` on the canvas, px.
    points
        Number of reference points.
    notes
        What the user should know: problems of the file, frames left out, where results went.
    seconds
        The whole job, wall time.
    peak_memory_mib
        Of this process so far, as the operating system counts it.
    """

    input: str
    output: str | None = None
    store: str = ""
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    frames: int = 0
    active_frames: int = 0
    region: dict[str, int] = field(default_factory=dict)
    points: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory_mib: float = 0.0


def run(
    path: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    output_format: str | None = None,
    store: str | os.PathLike[str] | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    options: Options | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Stack a capture: the whole pipeline, with store, reuse and progress.

    Parameters
    ----------
    path
        A video or a store.
    output
        Image to write; its suffix says which kind (``.tif``, ``.png``). None = write no image.
    output_format
        "tiff16", "tiff32" or "png16", whatever the suffix.
    store
        Where results are kept; by default beside the input, or beside the output where the
        input's folder cannot be written.
    scheduler
        Address of a dask scheduler; by default an active client, else threads.
    workers
        Number of threads.
    progress
        Called as work goes on, from any thread.
    options
        Of all phases; or give single options by name:
    **choices
        Options of `AlignOptions`, `QualityOptions`, `TrackOptions` and `StackOptions`.

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
    path = Path(path)
    options = options or Options.of(**choices)
    target = None if output is None else _check_output(path, Path(output), output_format)
    summary = Summary(input=str(path), output=None if target is None else str(target))
    place = _place_of_results(path, target, Path(store) if store else None, summary)
    report = progress or (lambda _: None)
    with resources(scheduler, workers) as runner:
        capture = _open(path, place, report, summary)
        phases = _Phases(runner, ResultStore(place), report, summary, capture.attrs["digest"])
        alignment = phases.run(options.align, partial(align, capture))
        _describe(alignment, capture, summary)
        quality = phases.run(options.quality, partial(estimate_quality, capture, alignment))
        points = phases.run(options.track, partial(track, capture, alignment, quality))
        summary.points = points.sizes["point"]
        result = phases.run(options.stack, partial(stack, capture, alignment, quality, points))
    if target is not None:
        metadata = provenance(capture, options, summary)
        image = result["stack"].to_numpy()
        write_image(target, image, kind=output_format or kind_of(target), metadata=metadata)
    summary.seconds = round(time.perf_counter() - began, 3)
    summary.peak_memory_mib = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return result.assign_attrs(summary=as_json(summary))


class _Phases:
    """Runs phases one after the other, each on the stored result of those before."""

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

    def run(self, options: PhaseOptions, build: Callable[[Any], xr.Dataset]) -> xr.Dataset:
        """Take a phase's result from the store, or compute it and store it."""
        began = time.perf_counter()
        name = options.phase
        self.digest = digest_of(self.digest, name, options.version, as_json(options))
        result = self.store.find(name, self.digest)
        status = "ran" if result is None else "reused"
        if result is None:
            result = self.runner.compute(
                build(options), lambda done, total: self.report(Progress(name, done, total))
            )
            self.store.save(name, self.digest, result)
        seconds = round(time.perf_counter() - began, 3)
        self.summary.phases[name] = {"status": status, "seconds": seconds, "digest": self.digest}
        log.info("%s %s in %.3f s", name, status, seconds)
        return result


def _open(
    path: Path, place: Path, report: Callable[[Progress], None], summary: Summary
) -> xr.Dataset:
    """Open the capture, decoding it into the store if it must be."""
    began = time.perf_counter()
    decoded = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal decoded
        decoded = done
        report(Progress("import", done, total))

    capture = open_capture(path, store=place, progress=progress)
    seconds = round(time.perf_counter() - began, 3)
    if "store" not in capture.attrs and capture.attrs["format"].endswith("video"):
        status = "ran" if decoded else "reused"
        summary.phases["import"] = {"status": status, "seconds": seconds}
    summary.frames = capture.sizes["frame"]
    summary.notes += [str(problem) for problem in capture.attrs["problems"]]
    return capture


def _describe(alignment: xr.Dataset, capture: xr.Dataset, summary: Summary) -> None:
    """Sum up the alignment; raises where there is no region."""
    region = region_of(alignment, capture)
    summary.active_frames = int(alignment["active"].sum())
    summary.region = as_json(region)
    if summary.active_frames < summary.frames:
        left_out = summary.frames - summary.active_frames
        summary.notes.append(f"{left_out} frames are left out: {why_inactive(alignment)}")


def _check_output(path: Path, output: Path, output_format: str | None) -> Path:
    """Refuse an output that cannot be written before anything is computed.

    Raises
    ------
    OptionsError
        If the kind of image is not known.
    StoreError
        If the folder is missing or read-only, or the output is the input.
    """
    if output_format is None:
        kind_of(output)
    folder = output.absolute().parent
    if not folder.is_dir():
        raise StoreError(f"{output}: there is no folder {folder}: create it first")
    if output.is_dir():
        raise StoreError(f"{output} is a folder: give the name of a file, such as {output}/out.tif")
    if output.exists() and path.exists() and output.samefile(path):
        raise StoreError(f"{output} is the input: give another name with -o")
    if not can_write_in(folder):
        raise StoreError(f"{output}: folder {folder} is read-only: give another place with -o")
    return output


def _place_of_results(
    path: Path, output: Path | None, store: Path | None, summary: Summary
) -> Path:
    """Choose the store: the user's, the input itself, beside the input, or beside the output."""
    if store is None:
        store = path if is_store(path) else sidecar(path)
        folder = store.absolute().parent
        if folder.is_dir() and not can_write_in(store if store.exists() else folder):
            store = (output or Path.cwd() / "x").absolute().parent / store.name
            summary.notes.append(f"{folder} is read-only: results are kept in {store}")
    elif store.exists() and not is_group(store):
        raise StoreError(f"{store} exists and is not a store: give another place with --store")
    elif not store.absolute().parent.is_dir():
        raise StoreError(f"{store}: there is no folder {store.absolute().parent}: create it first")
    if output is not None and output.resolve().is_relative_to(store.resolve()):
        raise StoreError(f"{output} lies in the store {store}: give another name with -o")
    summary.store = str(store)
    return store


def provenance(capture: xr.Dataset, options: Options, summary: Summary) -> dict[str, Any]:
    """Collect what an image should say of its making, JSON-compatible.

    Parameters
    ----------
    capture
        From `open_capture`.
    options
        Of all phases.
    summary
        Of the job.
    """
    return {
        "software": f"skry_dask {version('skry_dask')}",
        "source": Path(summary.input).name,
        "source_attributes": {
            k: v for k, v in capture.attrs.items() if k not in ("source", "store", "problems")
        },
        "options": as_json(options),
        "frames": summary.frames,
        "active_frames": summary.active_frames,
        "region": summary.region,
        "points": summary.points,
        "digest": summary.phases["stack"]["digest"],
        "scale": f"1 (65535 in 16 bit) is grey level {full_scale(capture)} of the capture",
    }
