"""Jobs that are killed at a chosen moment, in a process of their own.

``python -m tests.kill_points 300`` kills a job of 40 frames at so many random moments, and compares
what the next run of the same job makes with a job that was not interrupted.

A moment is a write to the disk (opening a file to write, renaming, removing, making a folder) or a
finished chunk of frames. Processes are forked from one that has imported the package, where the
system can do that.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import xarray as xr

import skry_dask as skry

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
    method = "spawn" if sys.platform == "win32" else "forkserver"
    context: Any = multiprocessing.get_context(method)
    context.set_forkserver_preload(["skry_dask.pipeline.run"])
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
        xr.testing.assert_identical(found[name].load(), known[name].load())
    names = [{path.name for path in place.rglob("*")} for place in (store, expected)]
    different = names[0] ^ names[1]
    assert not different, f"{different} should not be there, or be there"


def main(n_moments: int, seed: int = 0) -> None:
    """Kill a job at random moments, and complain about each that it does not survive."""
    from skry_dask.simulation.simulate import write_capture
    from tests.conftest import MOON

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, whole = folder / "moon.ser", folder / "whole"
        write_capture(source, skry.simulate("moon", MOON).chunk({"frame": 16}))
        n_possible = killed_job(source, whole, None, {"workers": 2})
        rng, n_read = random.Random(seed), []
        for i in range(n_moments):
            moment = rng.randrange(n_possible)
            killed = killed_job(source, folder / str(i), moment, {"workers": 2})
            try:
                phases = skry.run(source, store=folder / str(i)).attrs["summary"]["phases"]
                n_read.append(sum(phase.get("read_bytes", 0) for phase in phases.values()) / 43200)
                assert_same_results(folder / str(i), whole)
            except (AssertionError, skry.SkryError) as error:
                print(f"moment {moment} of {n_possible}, seed {seed}: {error}")  # noqa: T201
            words = "killed" if killed < 0 else "ended before"
            print(f"{i}: {words} at {moment}, then {n_read[-1]:.0f} frames read")  # noqa: T201
        print(f"{n_moments} moments, {sum(n_read) / n_moments:.0f} frames read on average")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(int, sys.argv[2:]))
