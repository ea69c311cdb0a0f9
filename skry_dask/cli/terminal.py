"""What the user sees in the terminal: progress bars, summaries, notes and errors.

Results go to standard output; progress, errors and everything else to standard error.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import xarray as xr

    from skry_dask.errors import SkryError
    from skry_dask.pipeline.progress import Progress, Report


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
def reporting_compilation() -> Iterator[None]:
    """Print when kernels are compiled, because the program seems to hang meanwhile."""
    log = logging.getLogger("skry_dask.kernels")
    handler, level = _PrintingHandler(logging.INFO), log.level
    log.addHandler(handler)
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextlib.contextmanager
def progress_bars() -> Iterator[Report]:
    """Show a progress bar for each phase if standard error is a terminal.

    Yields
    ------
    Function to call with progress; it does nothing where there is no terminal.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    # 16 ms, which no other run has to spend.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = ("[progress.description]{task.description:>8}", BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(event: Progress) -> None:
            if event.phase not in tasks:
                tasks[event.phase] = bars.add_task(event.phase, total=event.total)
            bars.update(tasks[event.phase], completed=event.done, total=event.total)

        yield report


def describe_job(summary: dict[str, Any]) -> str:
    """Describe a job in a few lines.

    Parameters
    ----------
    summary
        `Summary` as a dict.
    """
    image = summary["image"]
    phases = ", ".join(
        f"{name} {'reused' if phase['status'] == 'reused' else format(phase['seconds'], '.1f')}"
        for name, phase in summary["phases"].items()
    )
    lines = [
        f"{summary['output']}: {image['width']} x {image['height']} px from "
        f"{summary['active_frames']} of {summary['frames']} frames, {summary['points']} points",
        f"  seconds: {phases}; {summary['seconds']:.1f} in all, peak memory "
        f"{summary['peak_memory_mib']:.0f} MiB",
        *_describe_throughput(summary["phases"]),
        *(f"  note: {note}" for note in summary["notes"]),
    ]
    return "\n".join(lines)


def _describe_throughput(phases: dict[str, Any]) -> list[str]:
    """Describe how fast the phases were that ran: one line, or none."""
    described = [
        f"{name} {phase['frames_per_second']:.0f} frames/s, {phase['read_bytes'] / 1e6:.0f} MB "
        f"read, {phase['kernel_share']:.0%} in kernels"
        for name, phase in phases.items()
        if "kernel_share" in phase
    ]
    return [f"  {'; '.join(described)}"] if described else []


def describe_frames(capture: xr.Dataset) -> str:
    """Describe number, size, colour and dtype of the frames of a capture."""
    frames = capture["frames"]
    n_frames, height, width, *_ = frames.shape
    colour = " RGB" if "channel" in frames.dims else ""
    return f"{n_frames} frames of {width} x {height} px,{colour} {frames.dtype.name}"
