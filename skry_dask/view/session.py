"""A session: one capture, the options of its job, and what its phases give.

Pages show a session and change it; it knows nothing of pages. All methods may be called by any
thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.inputs import first_name
from skry_dask.capture.source import resolve
from skry_dask.errors import StoreError
from skry_dask.graph.datasets import with_excluded
from skry_dask.io.remote import absolute, is_url, located
from skry_dask.options import OF_PHASES, Options
from skry_dask.options.files import read_toml
from skry_dask.options.outputs import OutputOptions
from skry_dask.pipeline.batch_plan import image_name
from skry_dask.pipeline.job import JobRequest
from skry_dask.pipeline.options_file import write_options
from skry_dask.pipeline.outputs import Outputs
from skry_dask.pipeline.progress import Progress
from skry_dask.pipeline.results_place import place_of_results
from skry_dask.view.choices import Choices
from skry_dask.view.criteria import count_what_is_taken
from skry_dask.view.folders import Folders
from skry_dask.view.frames import FrameSource
from skry_dask.view.newest_job import options_of_newest_job
from skry_dask.view.positions import on_whole_frame
from skry_dask.view.running import LAST, JobThread, RunState
from skry_dask.view.shown import CAPTURE, Shown
from skry_dask.view.signals import Signals, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from skry_dask.capture.inputs import Input
    from skry_dask.io.remote import Location
    from skry_dask.options import Positions
    from skry_dask.pipeline.phase_runner import PhaseResult
    from skry_dask.pipeline.progress import Report
    from skry_dask.types import Float32Array, IntArray
    from skry_dask.view.criteria import Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What jobs of a session run on; see `run`."""

    workers: int | None = None
    memory_limit: str | int | None = None
    after_compute: Callable[[], None] | None = None


class ViewSession:
    """One capture, the options of its job, and what its phases give.

    Parameters
    ----------
    source
        The capture, as for `run`. It is opened as a job opens it: a SER or uncompressed AVI file is
        read in place, anything else is decoded once into the store.
    options
        Options of the job, see `Choices`; None = those of the newest finished job of the capture,
        whose results are then shown at once, or the defaults.
    outputs
        Options of the files that are written.
    store
        Where results are kept; see `run`.
    out_dir
        Folder of the files that are written [default: the current folder].
    machine
        What jobs run on.
    progress
        Called while a capture is decoded.

    Raises
    ------
    SkryError
        If the capture cannot be opened.
    """

    def __init__(
        self,
        source: Input,
        *,
        options: Options | None = None,
        outputs: OutputOptions | None = None,
        store: Location | str | None = None,
        out_dir: Path | None = None,
        machine: Machine | None = None,
        progress: Report | None = None,
    ) -> None:
        self.given = source
        self.name = first_name(source)
        self.outputs = outputs or OutputOptions()
        self.signals = Signals()
        self._machine = machine or Machine()
        self._progress = progress
        out = (out_dir or Path()).absolute()
        if not out.is_dir():
            raise StoreError(f"{out} is no folder: create it first, or give another --out-dir")
        resolved = resolve(source, (options or Options()).read)
        image = out / image_name(source, self.outputs.output_format)
        place = place_of_results(
            resolved, Outputs(image=image), None if store is None else located(store)
        )
        self.note = place.note
        self.store = absolute(place.store)
        beside = () if is_url(self.name) else (Path(self.name).absolute().parent,)
        self.folders = Folders(out, beside)
        kept = options_of_newest_job(resolved, self.store) if options is None else None
        first = options or kept or Options()
        self._source = resolved
        self._frames = self._open(first)
        self._shown = Shown(first)
        self.choices = Choices(
            first,
            frames=lambda: self._frames,
            reference=self._reference_number,
            before_change=self._before_change,
            on_change=lambda: self.signals.tell(Topic.OPTIONS),
        )
        self._job = JobThread(lambda: self.signals.tell(Topic.RUN))
        if kept is not None:
            self.run()

    def _open(self, options: Options) -> FrameSource:
        """Open the frames as options want them to be read."""
        if options.read != self._source.read:
            self._source = resolve(self.given, options.read)
        report = self._progress

        def progress(done: int, total: int | None) -> None:
            if report is not None:
                report(Progress("import", done, total))

        opened = self._source.open(self.store, progress)
        return FrameSource.of(opened.capture, options)

    # --- frames ---------------------------------------------------------------------------------

    @property
    def frames(self) -> FrameSource:
        """The frames."""
        return self._frames

    @property
    def numbers(self) -> IntArray:
        """Number of each frame in the file: int64 (frame)."""
        return self._frames.numbers

    @property
    def shown(self) -> Shown:
        """What the phases of the newest job have given so far."""
        return self._shown

    def order(self, *, by_quality: bool = False) -> IntArray:
        """Put the frames into an order: int64 (frame), their numbers.

        Parameters
        ----------
        by_quality
            The best ones first, those without quality last; as in the file where no quality has
            been estimated.
        """
        numbers = self.numbers
        if not by_quality or self.shown.quality is None:
            return numbers
        quality = self.quality()
        return numbers[np.argsort(-np.nan_to_num(quality, nan=-np.inf), kind="stable")]

    def quality(self) -> Any:
        """Quality of each frame, as a fraction of the best: float64 (frame), NaN where unknown."""
        of_job, capture = self.shown.frame_quality, self.shown.capture
        quality = np.full(len(self.numbers), np.nan)
        if of_job is None or capture is None or np.isnan(of_job).all():
            return quality
        numbers = capture["frame"].to_numpy()
        at = np.searchsorted(self.numbers, numbers).clip(0, len(self.numbers) - 1)
        known = self.numbers[at] == numbers
        quality[at[known]] = of_job[known] / np.nanmax(of_job)
        return quality

    def raw_frame(self, number: int) -> Float32Array:
        """Read a frame: see `FrameSource.raw`."""
        return self._frames.raw(number)

    def stabilised_frame(self, number: int) -> Float32Array | None:
        """Read a frame where the reference frame shows the scene; None where that is not known.

        Parameters
        ----------
        number
            Of the frame in the file.
        """
        alignment, region = self.shown.alignment, self.shown.region
        if alignment is None or region is None:
            return None
        numbers = alignment["frame"].to_numpy()
        index = int(np.searchsorted(numbers, number))
        if index == len(numbers) or numbers[index] != number or not alignment["active"][index]:
            return None
        return self._frames.stabilised(number, alignment["offset"].to_numpy()[index], region)

    def reason(self, number: int) -> str:
        """Say in words why a frame is not used; "active" if it is, "" if that is not known."""
        if self.choices.is_excluded(number):
            return "excluded"
        alignment = self.shown.alignment
        if alignment is None:
            return ""
        numbers = alignment["frame"].to_numpy()
        index = int(np.searchsorted(numbers, number))
        found = index < len(numbers) and numbers[index] == number
        return self.shown.reasons[index] if found else ""

    # --- options --------------------------------------------------------------------------------

    @property
    def options(self) -> Options:
        """Options of the next job."""
        return self.choices.options

    @property
    def is_current(self) -> bool:
        """Whether the options are still those of the job whose results are shown."""
        return self.options == self.shown.options

    def _reference_number(self) -> int:
        """Find the number of the reference frame of the shown results; else the first frame's."""
        alignment = self.shown.alignment
        return int(self.numbers[0]) if alignment is None else int(alignment["reference"])

    def _before_change(self, options: Options) -> None:
        """Open the frames again if other options want other ones."""
        if any(
            getattr(options, phase) != getattr(self.options, phase)
            for phase in ("read", "calibrate")
        ) or (options.select.frames != self.options.select.frames):
            self._frames = self._open(options)

    @property
    def found_points(self) -> Positions:
        """Reference points of the shown results: y and x on the whole reference frame, px."""
        tracked = self.shown.phases.get("track")
        if tracked is None:
            return ()
        position = tracked["position"].to_numpy()
        return on_whole_frame(tuple(map(tuple, position.tolist())), self.shown.options)

    # --- jobs -----------------------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """How far the job is."""
        return self._job.state

    def run(self, last: str = LAST, *, output: str | None = None) -> None:
        """Start a job with the options as they are now; results that are kept are reused.

        Parameters
        ----------
        last
            The last phase to run: "align", "quality", "track", "refine" or "stack".
        output
            Name of an image to write, in one of the session's folders.

        Raises
        ------
        SkryError
            If a job runs already.
        StoreError
            If the image would lie elsewhere.
        """
        image = None if output is None else self.folders.place(output)
        request = self.request(image)
        request.outputs.check()
        options = self.options

        def on_phase(result: PhaseResult) -> None:
            begun = Shown(options) if result.name == CAPTURE else self._shown
            self._shown = begun.plus(result.name, result.data)
            if result.name != CAPTURE:
                self.signals.tell(Topic.RESULTS)

        self._job.start(replace(request, on_phase=on_phase), last)

    def request(self, image: Path | None = None) -> JobRequest:
        """Make the request of a job with the options as they are now, and the image to write."""
        files = self.outputs if image is not None else OutputOptions()
        return JobRequest.of(
            self.given,
            output=image,
            **files.arguments,
            options=self.options,
            store=self.store,
            workers=self._machine.workers,
            memory_limit=self._machine.memory_limit,
            after_compute=self._machine.after_compute,
        )

    def cancel(self) -> None:
        """End the job at its next chunk of frames; what is finished is kept."""
        self._job.cancel()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the job; return whether it has ended."""
        return self._job.wait(seconds)

    def taken(self) -> Taken | None:
        """Count the frames and fragments that the options take; None before track.

        Raises
        ------
        SkryError
            If the options take nothing.
        """
        shown = self.shown
        capture, alignment, quality, points = (
            *(shown.capture, shown.alignment),
            *(shown.quality, shown.points),
        )
        if capture is None or alignment is None or quality is None or points is None:
            return None
        of_all = dict(zip(self.numbers.tolist(), self.choices.excluded.tolist(), strict=True))
        excluded = np.array([of_all.get(n, False) for n in capture["frame"].to_numpy().tolist()])
        marked: xr.Dataset = with_excluded(capture, excluded)
        return count_what_is_taken(marked, alignment, quality, points, self.options.stack)

    # --- files ----------------------------------------------------------------------------------

    @property
    def image_name(self) -> str:
        """Name of the image of the job."""
        files = self.outputs
        return image_name(self.given, files.output_format, files.name, self.options)

    def save_image(self, name: str | None = None) -> None:
        """Run the job, as far as it has not run, and write its image: see `run`."""
        self.run(output=name or self.image_name)

    def save_options(self, name: str) -> Path:
        """Write all options into a file that ``skry stack --options`` reads.

        Parameters
        ----------
        name
            In one of the session's folders; .toml.

        Returns
        -------
        The file.

        Raises
        ------
        OptionsError
            If its name does not end with .toml.
        StoreError
            If it would lie elsewhere, or cannot be written.
        """
        path = self.folders.place(name)
        write_options(path, *self.options.of_phases, self.outputs)
        return path

    def load_options(self, name: str) -> None:
        """Take all options from a file, as ``skry stack --options`` does.

        Parameters
        ----------
        name
            In one of the session's folders.

        Raises
        ------
        OptionsError
            If it cannot be read, or has an option that there is not.
        StoreError
            If it lies elsewhere.
        """
        found = read_toml(self.folders.place(name), *OF_PHASES, OutputOptions)
        self.outputs = found.pop("output", OutputOptions())
        self.choices.take(Options(**found))
