"""Measure the README's figures: time and memory of whole processes, in turn with other programs.

    python tests/benchmarks/measure.py [--only peers,long,threads,depth,large,limited,inside]
        [--peer 'NAME=COMMAND {avi}'] [--quick] [--runs 5] [--frames 634] [--size 612x840]
        [--long 10]

Simulates a lunar capture with known truth (SER and AVI), and prints Markdown. ``--peer``, once for
each other program, runs it in turn with ``skry stack``; in its command {avi} and {ser} stand for
the captures, which lie in its working folder; the newest image that it leaves is scored.
``--quick`` leaves out the second pass of ``skry stack``. Every run starts in an empty folder, with
kernels compiled beforehand; figures are medians, ratios are those of pairs of runs. With the
defaults this takes about 20 minutes and 10 GB in the folder for temporary files (TMPDIR), mostly
for ``large``, and 4 GB for ``limited`` where files can have holes.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import platform
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.running import ROOT, SKRY, Program, Run, in_turn, median, ratio, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CAPTURES = ("capture.ser", "capture.avi")
"""Files with the same frames, for programs that read one or the other."""

USES = ("kernels", "reading", "compiling", "other", "outside")
"""What the time of a phase is spent on; see `skry_dask.pipeline.summary.profile`."""


@dataclass(frozen=True)
class Bench:
    """Where to measure, and how much.

    Parameters
    ----------
    folder
        For captures and results.
    options
        Options of this script.
    """

    folder: Path
    options: argparse.Namespace

    def moon(self, name: str, *more: str) -> Path:
        """Simulate the Moon into a file, unless it exists."""
        height, width = self.options.size
        size = ["--height", str(height), "--width", str(width)]
        command = [*SKRY, "simulate", "moon", "-o", name, *size]
        return self._make(name, [*command, "--frames", str(self.options.frames), *more])

    def other(self, name: str, kind: str, *arguments: str) -> Path:
        """Make another capture, see `tests.benchmarks.captures`, unless it exists."""
        return self._make(name, [*helper("captures"), kind, *arguments])

    def _make(self, name: str, command: Sequence[str]) -> Path:
        path = self.folder / name
        if not path.exists():
            run(command, self.folder)
        return path

    def skry(self, name: str, capture: Path, *more: str) -> Program:
        """Define ``skry stack`` of a capture, without the second pass if that was chosen."""
        return Program.skry(name, capture, *(["--quick"] if self.options.quick else []), *more)

    def in_turn(self, *programs: Program) -> dict[str, list[Run]]:
        """Run programs in turn."""
        return in_turn(programs, self.options.runs, self.folder)[0]


def helper(module: str) -> list[str]:
    """Return the command that runs a module beside this one, in a process of its own."""
    return [sys.executable, "-m", f"tests.benchmarks.{module}"]


# --- tables ------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def usage(runs: Sequence[Run]) -> list[str]:
    """Medians of wall seconds, CPU seconds and peak memory."""
    wall, cpu, peak = (median(runs, lambda r, i=i: r[i]) for i in range(3))
    return [f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}"]


USAGE = ["wall s", "CPU s", "peak MiB"]


def machine() -> str:
    """Describe date, machine and versions."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(s.partition(":")[2].strip() for s in lines if s.startswith("model name"))
    except (OSError, StopIteration):  # another operating system, or processor
        pass
    memory = psutil.virtual_memory().total / 2**30
    process = psutil.Process()
    # macOS has no affinity.
    affinity = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None
    n_cores = len(affinity or []) or psutil.cpu_count()
    versions = ", ".join(f"{name} {version(name)}" for name in ("skry_dask", "numba", "dask"))
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {model}, "
        f"{n_cores} cores, {memory:.0f} GiB, {platform.machine()}; "
        f"Python {platform.python_version()}, {versions}"
    )


def profile(one: Run) -> str:
    """Lay out what the time of a run of ``skry stack --json`` was spent on."""
    phases = {k: v for k, v in one.summary["phases"].items() if "thread_seconds" in v}
    rows = []
    sums = dict.fromkeys(USES, 0.0)
    for name, phase in phases.items():
        spent = phase["thread_seconds"]
        whole = phase["seconds"] * phase["threads"]
        sums = {use: sums[use] + spent[use] / phase["threads"] for use in USES}
        shares = [f"{spent[use] / whole:.0%}" for use in USES]
        rate = f"{phase['frames_per_second']:.0f}"
        rows.append([name, f"{phase['seconds']:.2f}", rate, *shares])
    shares = [f"{sums[use] / one.in_phases:.0%}" for use in USES]
    rows.append(["all phases", f"{one.in_phases:.2f}", f"{one.throughput:.0f}", *shares])
    shares = [f"{sums[use] / one.wall:.0%}" for use in USES]
    rows.append(["whole process", f"{one.wall:.2f}", "", *shares])
    start = (one.wall - one.in_phases) / one.wall
    outside = sums["outside"] / one.wall
    return (
        table(["", "s", "frames/s", *USES], rows)
        + f"\n\nstarting, and writing the image: {start:.0%} of the wall time; "
        f"other work of tasks: {sums['other'] / one.wall:.0%}; "
        f"dask, small tasks, threads without work: {outside:.0%}"
    )


# --- measurements ------------------------------------------------------------------------------


def peers(bench: Bench) -> Iterator[str]:
    """Time, memory and scores, beside other programs; what the time is spent on."""
    options = bench.options
    height, width = options.size
    captures = [bench.moon(name) for name in CAPTURES]
    ours = bench.skry(f"skry_dask {version('skry_dask')}", captures[0])
    programs = [ours, *(Program.peer(text, captures) for text in options.peer)]
    runs, images = in_turn(programs, options.runs, bench.folder)
    size = ["--frames", str(options.frames), "--height", str(height), "--width", str(width)]
    rows = []
    floor = ""
    for name, image in images.items():
        figures = ["", "", ""]
        if image is not None:
            printed = run([*helper("score_stack"), str(image), *size], bench.folder).output
            score = json.loads(printed)
            figures = [f"{score['sigma']:.3f}", f"{score['warp']:.3f}", f"{score['psnr']:.1f}"]
            floor = f"; the capture's mean geometry leaves a warp of {score['floor']:.3f} px"
        rows.append([name, *usage(runs[name]), *figures])
    yield f"{options.frames} frames of {width} x {height} x 8 bit{floor}"
    yield table(["", *USAGE, "sigma px", "warp px", "psnr dB"], rows)
    for peer in programs[1:]:
        pair = runs[ours.name], runs[peer.name]
        wall, cpu, peak = (ratio(*pair, lambda r, i=i: r[i]) for i in range(3))
        yield f"skry_dask / {peer.name}, pair by pair: wall {wall}, CPU {cpu}, peak memory {peak}"
    walls = sorted(runs[ours.name], key=lambda r: r.wall)
    yield profile(walls[len(walls) // 2])


def long(bench: Bench) -> Iterator[str]:
    """Memory and time of a capture with many times the frames."""
    times = bench.options.long
    capture = bench.moon("capture.ser")
    longer = bench.other("long.ser", "repeat", capture.name, "long.ser", str(times))
    n = bench.options.frames
    runs = bench.in_turn(
        bench.skry(f"{n} frames", capture), bench.skry(f"{n * times} frames", longer)
    )
    yield table(["", *USAGE], [[name, *usage(of)] for name, of in runs.items()])
    one, many = runs.values()
    wall, peak = (ratio(many, one, lambda r, i=i: r[i]) for i in (0, 2))
    yield f"{times} times the frames: wall x {wall}, peak memory x {peak}"


def threads(bench: Bench) -> Iterator[str]:
    """One thread against two."""
    capture = bench.moon("capture.ser")
    runs = bench.in_turn(
        bench.skry("1 thread", capture, "--workers", "1"),
        bench.skry("2 threads", capture, "--workers", "2"),
    )
    yield speeds(runs)
    one, two = runs.values()
    yield f"two threads / one, all phases: x {ratio(two, one, lambda r: r.throughput)}"


def speeds(runs: dict[str, list[Run]]) -> str:
    """Lay out frames per second of each phase, and of all."""
    names = list(next(iter(runs.values()))[0].seconds)
    rows = []
    for name, of in runs.items():
        rates = [
            median(of, lambda r, p=phase: r.summary["frames"] / max(r.seconds[p], 1e-3))
            for phase in names
        ]
        rates.append(median(of, lambda r: r.throughput))
        rows.append([name, *usage(of), *(f"{rate:.0f}" for rate in rates)])
    return table(["frames/s", *USAGE, *names, "all phases"], rows)


def depth(bench: Bench) -> Iterator[str]:
    """Deeper samples and raw colour against 8 bits, with the same number of pixels."""
    capture, deep = bench.moon("capture.ser"), bench.moon("deep.ser", "--bits", "16")
    runs = bench.in_turn(
        bench.skry("8 bit", capture),
        bench.skry("16 bit", deep),
        bench.skry("raw colour, 8 bit", capture, "--cfa", "RGGB"),
    )
    yield speeds(runs)
    plain, *others = runs
    for name in others:
        wall = ratio(runs[name], runs[plain], lambda r: r.wall)
        phases = ratio(runs[name], runs[plain], lambda r: r.in_phases)
        yield f"{name} / {plain}, time per pixel: all phases x {phases}, whole process x {wall}"


def large(bench: Bench) -> Iterator[str]:
    """The capture of a large camera."""
    n_frames = bench.options.large_frames
    height, width = bench.options.large_size
    shape = map(str, (n_frames, height, width))
    path = bench.other("large.ser", "large", "large.ser", *shape)
    runs = bench.in_turn(bench.skry("skry stack", path))
    size = path.stat().st_size / 1e9
    yield f"{n_frames} frames of {width} x {height} x 16 bit, {size:.1f} GB"
    yield speeds(runs)


def limited(bench: Bench) -> Iterator[str]:
    """A capture many times larger than the memory that the job may use."""
    shape = map(str, (bench.options.limited_frames, *bench.options.large_size))
    path = bench.other("sparse.ser", "sparse", "sparse.ser", *shape)
    limit = bench.options.memory_limit
    runs = bench.in_turn(bench.skry(f"limit {limit}", path, "--memory-limit", limit))
    yield f"{path.stat().st_size / 1e9:.1f} GB"
    yield speeds(runs)


def inside(bench: Bench) -> Iterator[str]:
    """Reading, demosaicing and windows, which whole processes do not show apart."""
    command = [*helper("inside"), str(bench.moon("capture.ser"))]
    yield from run(command, bench.folder).output.splitlines()


MEASUREMENTS: dict[str, Callable[[Bench], Iterator[str]]] = {
    one.__name__: one for one in (peers, long, threads, depth, large, limited, inside)
}
"""Each by its name for ``--only``; they yield paragraphs of Markdown."""


# --- command line ------------------------------------------------------------------------------


def measurements_of(text: str) -> list[str]:
    """Parse a list of measurements."""
    names = text.split(",")
    for name in names:
        if name not in MEASUREMENTS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(MEASUREMENTS)}")
    return names


def size_of(text: str) -> tuple[int, int]:
    """Parse HEIGHTxWIDTH."""
    height, _, width = text.partition("x")
    return int(height), int(width)


def main() -> None:
    """Measure, and print each paragraph when it is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", type=measurements_of, default=list(MEASUREMENTS), help="names, with commas"
    )
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--quick", action="store_true", help="stack without the second pass")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--frames", type=int, default=634)
    parser.add_argument("--size", type=size_of, default=(612, 840), metavar="HEIGHTxWIDTH")
    parser.add_argument("--long", type=int, default=10, metavar="TIMES")
    parser.add_argument("--large-frames", type=int, default=200)
    parser.add_argument("--large-size", type=size_of, default=(3000, 4096), metavar="HEIGHTxWIDTH")
    parser.add_argument("--limited-frames", type=int, default=815)
    parser.add_argument("--memory-limit", default="2GiB")
    chosen = parser.parse_args()
    if chosen.runs < 1:
        parser.error(f"--runs is {chosen.runs}: it must be at least 1")
    for text in chosen.peer:  # before anything is measured
        try:
            Program.peer(text, [Path(name) for name in CAPTURES])
        except ValueError as error:
            parser.error(str(error))
    # As pip does when it installs a package.
    compileall.compile_dir(ROOT / "skry_dask", quiet=1)
    print(f"{machine()}. Medians of {chosen.runs} runs in turn.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), chosen)
        for name in chosen.only:
            measure = MEASUREMENTS[name]
            print(f"\n### {measure.__doc__}", flush=True)
            for paragraph in measure(bench):
                print(f"\n{paragraph}", flush=True)


if __name__ == "__main__":
    main()
