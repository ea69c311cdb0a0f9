"""What people see in a terminal: progress bars, summaries, errors.

Progress and errors go to standard error, results to standard output.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import xarray as xr

    from skry_dask.errors import SkryError
    from skry_dask.pipeline.progress import Progress


def say_error(error: SkryError) -> None:
    """Print why a command failed: one line."""
    print(f"skry: {error}", file=sys.stderr)


class _Said(logging.Handler):
    """Prints what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"skry: {record.getMessage()}", file=sys.stderr)


@contextlib.contextmanager
def saying_when_compiling() -> Iterator[None]:
    """Say on standard error when kernels must be compiled first, which looks like hanging."""
    log = logging.getLogger("skry_dask.kernels.compilation.disk_cache")
    handler, before = _Said(logging.INFO), log.level
    log.addHandler(handler)
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextlib.contextmanager
def bars_on_terminal() -> Iterator[Callable[[Progress], None]]:
    """Progress bars on standard error, when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
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


def summary_in_words(summary: dict[str, Any]) -> str:
    """Describe a job from its `Summary` as a dict."""
    image = summary["image"]
    phases = ", ".join(
        f"{name} {'reused' if p['status'] == 'reused' else format(p['seconds'], '.1f') + ' s'}"
        for name, p in summary["phases"].items()
    )
    lines = [
        f"{summary['output']}: {image['width']} x {image['height']} px from "
        f"{summary['active_frames']} of {summary['frames']} frames, {summary['points']} points",
        f"  {phases}; {summary['seconds']:.1f} s in all, "
        f"{summary['peak_memory_mib']:.0f} MiB at most",
        *_profile_in_words(summary["phases"]),
        *(f"  note: {note}" for note in summary["notes"]),
    ]
    return "\n".join(lines)


def _profile_in_words(phases: dict[str, Any]) -> list[str]:
    """Describe what the phases that ran took: a line, or none."""
    known = [
        f"{name} {p['frames_per_second']:.0f} frames/s, {p['read_bytes'] / 1e6:.0f} MB read, "
        f"{p['kernel_share']:.0%} in kernels"
        for name, p in phases.items()
        if "kernel_share" in p
    ]
    return [f"  {'; '.join(known)}"] if known else []


def size_in_words(capture: xr.Dataset) -> str:
    """Describe the frames of a capture."""
    frames = capture["frames"]
    n_frames, height, width, *_ = frames.shape
    colour = " RGB" if "channel" in frames.dims else ""
    return f"{n_frames} frames of {width} x {height} px,{colour} {frames.dtype.name}"
