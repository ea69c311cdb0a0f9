"""What the user sees in the terminal: progress bars, summaries, notes and errors.

Results go to standard output; progress, errors and everything else to standard error.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skry_dask.pipeline.progress import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import xarray as xr
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from skry_dask.errors import SkryError
    from skry_dask.pipeline.progress import Progress

REPORTING = (
    "skry_dask.capture.decode",
    "skry_dask.graph.cluster",
    "skry_dask.kernels",
    "skry_dask.store.frames.into_folder",
    "skry_dask.store.frames.importing",
    "skry_dask.store.places.locks",
)
"""Modules whose INFO messages users see: kernels are compiled, imports go on, processes wait."""


def print_error(error: SkryError, job: str | None = None) -> None:
    """Print why a command failed: one line on standard error.

    Parameters
    ----------
    error
        The reason.
    job
        Name of the job that failed, of several; named where the reason does not name it.
    """
    where = "" if job is None or job in str(error) else f"{job}: "
    print(f"skry: {where}{error}", file=sys.stderr)


def print_notes(notes: Iterable[str]) -> None:
    """Print what the user should know about a result, one line each."""
    for note in notes:
        print(f"  note: {note}")


class _PrintingHandler(logging.Handler):
    """Prints log messages on standard error, each as a line of ``skry``."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"skry: {record.getMessage()}", file=sys.stderr)


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Print what is going on where the program seems to hang, or continues an earlier run."""
    handler = _PrintingHandler(logging.INFO)
    with contextlib.ExitStack() as at_end:
        for name in REPORTING:
            log = logging.getLogger(name)
            at_end.callback(log.setLevel, log.level)
            at_end.callback(log.removeHandler, handler)
            log.addHandler(handler)
            log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
        yield


class ProgressBars:
    """Progress bars on standard error: one for each phase, or one for each of several captures.

    Parameters
    ----------
    bars
        Draws the bars; None where standard error is no terminal: nothing is drawn then.
    several
        Whether there are several captures.
    """

    def __init__(self, bars: Bars | None = None, *, several: bool = False) -> None:
        self._bars = bars
        self._several = several
        self._tasks: dict[str, TaskID] = {}

    def report(self, event: Progress) -> None:
        """Show progress; may be called from any thread."""
        if self._bars is None:
            return
        text = in_words(event.phase)
        name = event.capture or text
        if event.capture:
            text = f"{Path(event.capture).name} {text}"
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(text, total=event.total, rate="")
        task = self._bars.tasks[self._bars.task_ids.index(self._tasks[name])]
        rate = ""
        if event.frames and event.total and task.elapsed and event.done:
            done = event.frames * event.done / event.total
            rate = f"{done / task.elapsed:.0f} frames/s"
        self._bars.update(
            task.id, description=text, completed=event.done, total=event.total, rate=rate
        )

    @contextlib.contextmanager
    def paused(self, capture: str = "") -> Iterator[None]:
        """Draw nothing while something is printed; the bar of a finished capture is removed."""
        if self._bars is None:
            yield
            return
        task = self._tasks.pop(capture, None)
        if task is not None:
            self._bars.remove_task(task)
        self._bars.stop()
        try:
            yield
        finally:
            if self._several:
                self._bars.start()


@contextlib.contextmanager
def progress_bars(*, several: bool = False) -> Iterator[ProgressBars]:
    """Show progress bars while the context lasts, if standard error is a terminal.

    Parameters
    ----------
    several
        Whether there are several captures: a bar for each that is being stacked, in place of one
        for each phase.
    """
    if not sys.stderr.isatty():
        yield ProgressBars()
        return
    # 16 ms, which no other run has to spend.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = ("[progress.description]{task.description:>11}", BarColumn(), MofNCompleteColumn())
    # Redirected, standard output would go where the bars go.
    with Bars(
        *columns,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}"),
        console=Console(stderr=True),
        redirect_stdout=False,
        transient=several,
    ) as bars:
        yield ProgressBars(bars, several=several)


def describe_job(summary: dict[str, Any]) -> str:
    """Describe a job in a few lines.

    Parameters
    ----------
    summary
        `Summary` as a dict.
    """
    image = summary["image"]
    phases = ", ".join(
        f"{in_words(name)} "
        f"{'reused' if phase['status'] == 'reused' else format(phase['seconds'], '.1f')}"
        for name, phase in summary["phases"].items()
    )
    done = "up to date, " if summary["up_to_date"] else ""
    stacks = summary["stacks"]
    several = len(stacks) > 1
    lines = [
        f"{in_a_word(summary)}: {done}{image['width']} x {image['height']} px from "
        f"{summary['active_frames']} of {summary['frames']} frames, "
        f"{'' if several else _averaged(summary)}{summary['points']} points",
        *(line for one in stacks if several for line in _describe_stack(one)),
        f"  seconds: {phases}; {summary['seconds']:.1f} in all, peak memory "
        f"{summary['peak_memory_mib']:.0f} MiB",
        *([] if several else _describe_finish(summary)),
        *_describe_throughput(summary["phases"]),
        *(f"  note: {note}" for note in summary["notes"]),
    ]
    return "\n".join(lines)


def in_a_word(summary: dict[str, Any]) -> str:
    """Name the image of a job, or the first of several and how many there are."""
    n_more = len(summary["stacks"]) - 1
    return f"{summary['output']}{f' and {n_more} more' if n_more else ''}"


def _describe_stack(stack: dict[str, Any]) -> list[str]:
    """Describe one of several stacks: see `Summary.stacks`."""
    what = f"{stack['percent']:g} %, {_averaged(stack)}".rstrip(", ")
    return [f"  {stack['output']}: {what}", *("  " + line for line in _describe_finish(stack))]


def _describe_finish(stack: dict[str, Any]) -> list[str]:
    """Describe what was made of a stack, and its figures."""
    sharpened = [f"  sharpened: {stack['sharpened']}"] if stack["sharpened"] else []
    return sharpened + _describe_figures(stack)


def _averaged(summary: dict[str, Any]) -> str:
    """Say how many frames a pixel is the mean of."""
    found = summary["averaged"]
    if not found:
        return ""
    return f"{found['mean']:g} at each pixel ({found['least']:g} to {found['most']:g}), "


def _describe_figures(summary: dict[str, Any]) -> list[str]:
    """Describe noise, resolution and seeing: a line where they are known."""
    if summary["resolution"] is None:
        return []
    ends = []
    for threshold, (name, frequency) in zip(
        ("1/2", "1/7"), summary["resolution"].items(), strict=True
    ):
        if frequency is not None:
            sizes = summary["resolution_arcsec"]
            angle = "" if sizes is None else f" = {sizes[name]:.3g} arcsec"
            cycles = f"({frequency:.3f} cycles/px)"
            ends.append(f"{1 / frequency:.2f} px{angle} {cycles} at correlation {threshold}")
    noise = f"noise {summary['noise']} of full scale"
    seeing = ""
    if summary["seeing"] is not None:
        seeing = f"; seeing D/r0 {summary['seeing']}, if lambda / D is 2.5 px"
    return [f"  resolution: {', '.join(ends) or 'none'}; {noise}{seeing}"]


def _describe_throughput(phases: dict[str, Any]) -> list[str]:
    """Describe how fast the phases were that ran: two lines, or none."""
    ran = {in_words(name): phase for name, phase in phases.items() if "kernel_share" in phase}
    if not ran:
        return []
    rates = ", ".join(f"{name} {phase['frames_per_second']:.0f}" for name, phase in ran.items())
    shares = ", ".join(f"{name} {phase['kernel_share']:.0%}" for name, phase in ran.items())
    read = sum(phase["read_bytes"] for phase in ran.values())
    return [f"  frames/s: {rates}; {read / 1e6:.0f} MB read", f"  in kernels: {shares}"]


def describe_frames(capture: xr.Dataset) -> str:
    """Describe number, size, colour and dtype of the frames of a capture."""
    frames = capture["frames"]
    n_frames, height, width, *_ = frames.shape
    colour = " RGB" if "channel" in frames.dims else ""
    return f"{n_frames} frames of {width} x {height} px,{colour} {frames.dtype.name}"
