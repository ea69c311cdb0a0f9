"""Measure what the README states: accuracy against known truth, time and memory of whole processes.

    python tests/benchmarks/measure.py [--runs 5] [--frames 634] [--peer 'COMMAND {capture}']

Simulates a lunar capture of 840 x 612 px (SER and AVI) in a temporary folder, stacks it in
processes of its own from an empty store, kernels compiled beforehand, and prints a Markdown table.
``--peer`` runs another program in turn with it; ``{capture}`` stands for the path of the AVI file.
Needs the checkout's root as working folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parents[2]))

SKRY = [sys.executable, "-m", "skry_dask.cli"]


def process(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory (MiB) of a command, by the operating system."""
    began = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command} failed:\n{(folder / 'log.txt').read_text()}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Simulate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--frames", type=int, default=634)
    parser.add_argument("--peer", help="another program's command, with {capture}")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In processes of their own: a child's peak memory is never less than its parent's.
        flags = ["--frames", str(chosen.frames), "--height", "612", "--width", "840"]
        for path in ("capture.ser", "capture.avi"):
            process([*SKRY, "simulate", "moon", "-o", path, *flags], folder)
        commands = {
            "skry stack": [*SKRY, "stack", "capture.ser", "-o", "stack.tif"],
        }
        if chosen.peer:
            path = folder / "capture.avi"
            commands["peer"] = shlex.split(chosen.peer.format(capture=path))
        runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
        for turn in range(chosen.runs + 1):
            for program, command in commands.items():
                shutil.rmtree(folder / "capture.skry", ignore_errors=True)
                figures = process(command, folder)
                if turn:  # the first run compiles and fills caches
                    runs[program].append(figures)
        report(runs, folder, chosen.frames)
        report_parts(folder)


def fastest(call: Callable[[], object], turns: int = 5) -> float:
    """Seconds of the fastest of a few calls."""
    return min(timeit.repeat(call, number=1, repeat=turns))


def report_parts(folder: Path) -> None:
    """Print how fast 16-bit frames are read in place, and what share of stacking demosaicing is."""
    import numpy as np

    import skry_dask as skry
    from skry_dask.io.ser import SerReader, write_ser
    from skry_dask.kernels.demosaic import demosaic
    from skry_dask.options import ReadOptions

    path, n_frames, shape = folder / "deep.ser", 200, (612, 840)
    images = (np.full(shape, i, np.uint16) for i in range(n_frames))
    write_ser(path, images, n_frames=n_frames, height=shape[0], width=shape[1], bits=16)
    reader = SerReader(path)
    ours = fastest(lambda: [reader.read(i, i + 8) for i in range(0, n_frames, 8)])
    numpys = fastest(lambda: np.fromfile(path, np.uint16))
    print(f"\nreading a 16-bit SER in place: {numpys / ours:.2f} x the speed of numpy.fromfile")

    capture = skry.open_capture(
        folder / "capture.ser", ReadOptions(cfa="RGGB"), skry.SelectOptions(frames=":64")
    )
    alignment = skry.align(capture).compute()
    quality = skry.estimate_quality(capture, alignment).compute()
    points = skry.track(capture, alignment, quality).compute()
    stacked = skry.stack(capture, alignment, quality, points)
    whole = fastest(lambda: stacked.compute(scheduler="synchronous"), 3)
    frames = capture["frames"].to_numpy()
    part = fastest(lambda: [demosaic(frame, "RGGB") for frame in frames])
    print(f"demosaicing 64 frames: {part:.2f} s of {whole:.2f} s that stacking them takes")


def report(runs: dict[str, list[tuple[float, float, float]]], folder: Path, frames: int) -> None:
    """Print machine, versions, medians and scores."""
    import tifffile

    import skry_dask as skry
    from skry_dask.store.results import ResultStore
    from tests.scoring import score

    command = [*SKRY, "stack", "capture.ser", "-o", "stack.tif", "--output-format", "tiff32"]
    done = subprocess.run(
        [*command, "--json"], cwd=folder, capture_output=True, text=True, check=True
    )
    truth = skry.simulate("moon", skry.SimulateOptions(frames=frames, height=612, width=840))
    summary = json.loads(done.stdout)
    alignment = ResultStore(folder / "capture.skry").find(
        "align", summary["phases"]["align"]["digest"]
    )
    drift = (alignment["offset"].to_numpy() - truth["offset"].to_numpy()).mean(axis=0)
    region = summary["region"]
    drift += region["y"], region["x"]
    figures = score(tifffile.imread(folder / "stack.tif"), truth, drift)
    print(f"{frames} frames of 840 x 612 x 8 bit; {platform.machine()}, {os.cpu_count()} cores;")
    print(f"Python {platform.python_version()}, numba {version('numba')}, dask {version('dask')}\n")
    print("| | wall s | CPU s | peak MiB |\n|---|---|---|---|")
    for program, rows in runs.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {program} | {wall:.1f} | {cpu:.1f} | {memory:.0f} |")
    if "peer" in runs:
        pairs = zip(runs["skry stack"], runs["peer"], strict=True)
        print(f"\nwall, ratio pair by pair: {statistics.median(a[0] / b[0] for a, b in pairs):.2f}")
    print(f"\nsigma {figures.sigma:.3f} px, warp {figures.warp:.3f} px "
          f"(floor {figures.floor:.3f}), psnr {figures.psnr:.1f} dB")  # fmt: skip


if __name__ == "__main__":
    main()
