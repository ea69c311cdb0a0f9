"""Figures of phases: how long they took, and what their threads did in that time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skry_dask.pipeline.phase_runner import PhaseResult
    from skry_dask.profiling import Spent


def figures_of(phase: PhaseResult, n_frames: int) -> dict[str, Any]:
    """Return the entry of a phase in `Summary.phases`; see there.

    Parameters
    ----------
    phase
        Its result.
    n_frames
        Number of frames of the capture.
    """
    figures: dict[str, Any] = {"status": phase.status, "seconds": round(phase.seconds, 3)}
    if phase.name != "import":
        figures["digest"] = phase.digest
    if phase.spent is not None:
        figures |= profile(phase.spent, n_frames, phase.seconds, phase.n_threads)
    return figures


def profile(spent: Spent, n_frames: int, seconds: float, n_threads: int) -> dict[str, Any]:
    """Split up what a phase took, JSON-compatible.

    Parameters
    ----------
    spent
        What its tasks took.
    n_frames
        Number of frames of the capture.
    seconds
        Wall time.
    n_threads
        Number of threads that could run tasks.

    Returns
    -------
    dict
        ``frames_per_second``; ``read_bytes``, size of the frames read, decoded, in all passes;
        ``kernel_share``, fraction of the threads' time spent in compiled kernels; ``threads``;
        ``thread_seconds``, the wall time of all threads, split up: ``kernels``; ``reading`` and
        decoding; ``compiling`` or loading of kernels; ``other`` work of tasks that read frames
        (numpy, scipy, Python); ``outside`` of these: dask, small tasks, storing the result, threads
        without work.
    """
    split = {name: getattr(spent, name) for name in ("kernels", "reading", "compiling", "other")}
    whole = seconds * n_threads
    split["outside"] = max(0.0, whole - sum(split.values()))
    return {
        "frames_per_second": round(n_frames / seconds, 1),
        "read_bytes": spent.read_bytes,
        "kernel_share": round(spent.kernels / whole, 3),
        "threads": n_threads,
        "thread_seconds": {name: round(value, 3) for name, value in split.items()},
    }
