"""Run programs as whole processes, in turn, each in an empty folder.

On Linux the peak memory of a process is never less than that of the process that started it, so
nothing large is imported here.
"""

from __future__ import annotations

import contextlib
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

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
"""The checkout."""

SKRY = [shutil.which("skry", path=str(Path(sys.executable).parent)) or "skry"]
"""The command line of this checkout, as a user runs it."""

IMAGES = (".tif", ".tiff", ".png", ".fits", ".fit")
"""Suffixes of stacks."""

SAMPLE_SECONDS = 0.05
"""Time between two looks at a process, where the system does not sum up what it has used."""


class Run(NamedTuple):
    """One run of a program.

    Parameters
    ----------
    wall, cpu
        Wall time and CPU time of all threads and processes, s.
    peak
        Peak memory, MiB, as the operating system counts it.
    output
        Standard output.
    """

    wall: float
    cpu: float
    peak: float
    output: str = ""

    @property
    def summary(self) -> dict[str, Any]:
        """The summary that ``skry stack --json`` has printed."""
        return json.loads(self.output)

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time of each phase, s."""
        return {name: phase["seconds"] for name, phase in self.summary["phases"].items()}

    @property
    def in_phases(self) -> float:
        """Wall time of all phases together, without starting and writing the image, s."""
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
        Name in the tables.
    command
        Command and arguments; its working folder has links to the captures.
    captures
        Files to link.
    warm_up
        Command to run once before, which compiles and fills caches; None for the command itself.
    """

    name: str
    command: Sequence[str]
    captures: Sequence[Path]
    warm_up: Sequence[str] | None = None

    @classmethod
    def skry(cls, name: str, capture: Path, *options: str) -> Program:
        """Define ``skry stack`` of a capture."""
        command = [
            *SKRY,
            "stack",
            capture.name,
            "-o",
            "stack.tif",
            "--json",
            "--overwrite",
            *options,
        ]
        return cls(name, command, [capture], [*command, "--frames", ":16"])

    @classmethod
    def peer(cls, template: str, captures: Sequence[Path]) -> Program:
        """Parse ``NAME=COMMAND``, in which {avi} and {ser} stand for the captures.

        Raises
        ------
        ValueError
            If the name or the command is missing, or the command asks for another file.
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
    """Run a command in a folder; if it fails, exit with what it printed."""
    environment = os.environ | {"PYTHONPATH": search_path()}
    out, log = folder / "out.txt", folder / "log.txt"
    began = time.perf_counter()
    with out.open("w") as output, log.open("w") as errors:
        child = subprocess.Popen(command, stdout=output, stderr=errors, cwd=folder, env=environment)
        cpu, peak = wait(child)
    wall = time.perf_counter() - began
    if child.returncode:
        printed = log.read_text() or out.read_text()
        sys.exit(f"{shlex.join(command)} failed with {child.returncode}:\n{printed}")
    return Run(wall, cpu, peak, out.read_text())


def wait(child: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Wait for a process to end; its CPU time, s, and its peak memory, MiB."""
    if sys.platform == "win32":
        process, cpu, peak = psutil.Process(child.pid), 0.0, 0.0
        while child.returncode is None:
            with contextlib.suppress(psutil.Error):
                times, memory = process.cpu_times(), process.memory_info()
                cpu, peak = times.user + times.system, memory.peak_wset / 2**20
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(SAMPLE_SECONDS)
        return cpu, peak
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    per_mib = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes, or KiB
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / per_mib


def search_path() -> str:
    """Search path with which processes find this checkout first."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def in_turn(
    programs: Sequence[Program], n_runs: int, folder: Path
) -> tuple[dict[str, list[Run]], dict[str, Path | None]]:
    """Run programs in turn, A B A B ..., each in a folder of its own that is emptied before.

    Returns
    -------
    The runs of each program, and the newest image that each has left.
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
    """Empty a program's folder, and link its captures there."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for capture in program.captures:
        # Hard links: programs that follow symbolic ones would write beside the original.
        os.link(capture, home / capture.name)


def newest_image(home: Path) -> Path | None:
    """Find the image that was written last."""
    images = [path for path in home.rglob("*") if path.suffix in IMAGES]
    return max(images, key=lambda path: path.stat().st_mtime_ns, default=None)


def median(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    """Compute the median of a figure over runs."""
    return statistics.median(map(figure, runs))


def ratio(runs: Sequence[Run], others: Sequence[Run], figure: Callable[[Run], float]) -> str:
    """Describe the ratio of a figure between pairs of runs: median, and smallest to largest."""
    pairs = [figure(a) / figure(b) for a, b in zip(runs, others, strict=True)]
    return f"{statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"
