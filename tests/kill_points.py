"""Jobs that are killed at a chosen moment, in a process of their own.

`tests.benchmarks.faults` ends commands at hundreds of random moments.

A moment is a write to the disk (opening a file to write, renaming, removing, making a folder) or a
finished chunk of frames. Processes are forked from one that has imported the package, where the
system can do that.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import xarray as xr

import skry_dask as skry
from tests.forked_processes import forking

if TYPE_CHECKING:
    from pathlib import Path

WRITES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link")

CHUNK = 7
"""Number of frames in a chunk of these jobs."""


def killed_job(source: Path, store: Path, moment: int | None, choices: dict[str, Any]) -> int:
    """Run a job that is killed at a moment.

    Parameters
    ----------
    source, store, choices
        As for `skry.run`; rows are kept as soon as they are measured.
    moment
        At which the process is killed, counted from 0; None: it is not.

    Returns
    -------
    Number of moments that there were; -1 if the process was killed.
    """
    context = forking()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(source, store, moment, choices, sender))
    process.start()
    sender.close()
    try:
        return int(receiver.recv())
    except EOFError:
        return -1
    finally:
        process.join()


def _run(
    source: Path, store: Path, moment: int | None, choices: dict[str, Any], sender: Any
) -> None:
    import dask

    from skry_dask.pipeline import job

    n_moments = 0

    def one() -> None:
        nonlocal n_moments
        if n_moments == moment:
            if sys.platform == "win32":
                os._exit(1)
            os.kill(os.getpid(), signal.SIGKILL)
        n_moments += 1

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        if writes or event in WRITES:
            one()

    job.frames_per_chunk = lambda *_: CHUNK  # type: ignore[assignment]
    sys.addaudithook(look)
    with dask.config.set({"skry.flush-seconds": 0}):
        skry.run(source, store=store, progress=lambda _: one(), **choices)
    sender.send(n_moments)


def assert_same_results(store: Path, expected: Path) -> None:
    """Compare all that two stores hold, and look for files that are left over."""
    found, known = skry.open_results(store), skry.open_results(expected)
    assert sorted(found) == sorted(known)
    for name in known:
        if name == "job":  # how long it took
            continue
        xr.testing.assert_identical(found[name].load(), known[name].load())
    names = [{path.name for path in place.rglob("*")} for place in (store, expected)]
    different = names[0] ^ names[1]
    assert not different, f"{different} should not be there, or be there"
