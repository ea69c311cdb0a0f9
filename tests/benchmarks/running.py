"""Programs run as whole processes, in turn, each from nothing.

Imports nothing large: the peak memory of a process is never less than that of the one that
started it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
SKRY = [str(Path(sys.executable).with_name("skry"))]
IMAGES = (".tif", ".tiff", ".png", ".fits", ".fit")


class Run(NamedTuple):
    """One run of a program.

    Parameters
    ----------
    wall, cpu
        Seconds, of all its threads and processes.
    peak
        MiB, as the operating system counts memory.
    said
        Its standard output.
    """

    wall: float
    cpu: float
    peak: float
    said: str = ""

    @property
    def summary(self) -> dict[str, Any]:
        """What ``skry stack --json`` tells."""
        return json.loads(self.said)

    @property
    def seconds(self) -> dict[str, float]:
        """Of each phase, from its summary."""
        return {name: phase["seconds"] for name, phase in self.summary["phases"].items()}

    @property
    def in_phases(self) -> float:
        """Seconds of all phases together, without starting and writing the image."""
        return sum(self.seconds.values())

    @property
    def throughput(self) -> float:
        """Frames per second of all phases together."""
        return self.summary["frames"] / self.in_phases


@dataclass(frozen=True)
class Program:
    """A command that makes a stack.

    Parameters
    ----------
    name
        In tables.
    command
        What to run; its working folder holds links to the captures.
    captures
        Files to link.
    warm_up
        What to run once before, where not the command itself: compiles, fills caches.
    """

    name: str
    command: Sequence[str]
    captures: Sequence[Path]
    warm_up: Sequence[str] | None = None

    @classmethod
    def skry(cls, name: str, capture: Path, *options: str) -> Program:
        """Make ``skry stack`` of a capture."""
        command = [*SKRY, "stack", capture.name, "-o", "stack.tif", "--json", *options]
        return cls(name, command, [capture], [*command, "--frames", ":16"])

    @classmethod
    def peer(cls, template: str, captures: Sequence[Path]) -> Program:
        """Make a program of ``NAME=COMMAND``, in which {avi} and {ser} stand for captures.

        Raises
        ------
        ValueError
            If there is no name or no command, or it asks for something else.
        """
        name, _, command = template.partition("=")
        files = {path.suffix[1:]: path.name for path in captures}
        try:
            filled = shlex.split(command.format(**files))
        except (KeyError, IndexError):
            filled = []
        if not name.strip() or not filled:
            words = " or ".join(f"{{{suffix}}}" for suffix in files)
            raise ValueError(
                f"--peer is {template!r}: give NAME=COMMAND, with {words} for the capture"
            )
        return cls(name.strip(), filled, captures)


def run(command: Sequence[str], folder: Path) -> Run:
    """Run a command, and exit with what it said where it fails."""
    environment = os.environ | {"PYTHONPATH": search_path()}
    out, log = folder / "out.txt", folder / "log.txt"
    began = time.perf_counter()
    with out.open("w") as told, log.open("w") as errors:
        child = subprocess.Popen(command, stdout=told, stderr=errors, cwd=folder, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        said = log.read_text() or out.read_text()
        sys.exit(f"{shlex.join(command)} failed with {child.returncode}:\n{said}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, usage.ru_maxrss / 1024, out.read_text())


def search_path() -> str:
    """Path on which processes find this checkout first."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def in_turn(
    programs: Sequence[Program], n_runs: int, folder: Path
) -> tuple[dict[str, list[Run]], dict[str, Path | None]]:
    """Run programs in turn, A B A B ..., each in a folder of its own that is emptied before.

    Returns
    -------
    Runs of each, and the newest image that each left behind.
    """
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    homes = {}
    for i, program in enumerate(programs):
        homes[program.name] = home = folder / f"program{i}"
        empty(home, program)
        run(program.warm_up or program.command, home)
    for _ in range(n_runs):
        for program in programs:
            home = homes[program.name]
            empty(home, program)
            runs[program.name].append(run(program.command, home))
    return runs, {name: newest_image(home) for name, home in homes.items()}


def empty(home: Path, program: Program) -> None:
    """Leave nothing in a program's folder but links to its captures."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for capture in program.captures:
        # Hard links: programs that resolve symbolic ones would write beside the original.
        os.link(capture, home / capture.name)


def newest_image(home: Path) -> Path | None:
    """Find the image that a program has written last."""
    images = [path for path in home.rglob("*") if path.suffix in IMAGES]
    return max(images, key=lambda path: path.stat().st_mtime_ns, default=None)


def median(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    """Take the median of a figure."""
    return statistics.median(map(figure, runs))


def ratio(runs: Sequence[Run], others: Sequence[Run], figure: Callable[[Run], float]) -> str:
    """Median of the ratio of a figure, pair by pair, with its range."""
    pairs = [figure(a) / figure(b) for a, b in zip(runs, others, strict=True)]
    return f"{statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"
