"""Score stacks of captures by wave optics against the scene through the telescope without air.

    python tests/benchmarks/optics.py [--captures moon-5,moon-8,planet-5,sun-6] [--seed 1]
        [--variant 'NAME=OPTIONS of skry stack'] [--peer 'NAME=COMMAND {avi}'] [--frames 300]
        [--size 320x400] [--keep FOLDER]

A capture is a scene and D / r0. Prints Markdown: mean correlation, contrast and detail (see
`tests.ring_scoring`) of the stack of ``skry stack``, of that with other options (``--variant``)
and of other programs (``--peer``, see `measure`). ``--keep`` leaves captures and stacks in a
folder, and uses the captures that are there. With the defaults this takes 2 minutes on two cores.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.measure import size_of, table
from tests.benchmarks.running import SKRY, Program, empty, newest_image, run
from tests.benchmarks.score_stack import load, place_in
from tests.ring_scoring import ring_score

if TYPE_CHECKING:
    from collections.abc import Sequence

CAPTURES = "moon-5,moon-8,planet-5,sun-6"
"""Scene and D / r0 of the captures."""


def captured(name: str, folder: Path, options: argparse.Namespace) -> list[Path]:
    """Simulate a capture into a SER and an AVI file, unless they are there."""
    scene, _, d_over_r0 = name.partition("-")
    height, width = options.size
    shape = ["--frames", options.frames, "--height", height, "--width", width]
    air = ["--seeing", "optics", "--d-over-r0", d_over_r0, "--seed", options.seed]
    paths = [folder / f"{name}.{suffix}" for suffix in ("ser", "avi")]
    for path in paths[: 2 if options.peer else 1]:
        if not path.with_suffix(".truth.npz").exists() or not path.exists():
            words = ["simulate", scene, "-o", path.name, *shape, *air]
            run([*SKRY, *map(str, words)], folder)
    return paths if options.peer else paths[:1]


def programs(captures: Sequence[Path], options: argparse.Namespace) -> list[Program]:
    """List what stacks a capture."""
    listed = [Program.skry("skry stack", captures[0])]
    for text in options.variant:
        name, _, flags = text.partition("=")
        listed.append(Program.skry(name, captures[0], *shlex.split(flags)))
    return [*listed, *(Program.peer(text, captures) for text in options.peer)]


def scores(name: str, folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """Stack one capture with each program: rows of the table."""
    captures = captured(name, folder, options)
    with np.load(captures[0].with_suffix(".truth.npz")) as truth:
        still = truth["scene_dl"].astype(np.float64)
    rows = []
    for program in programs(captures, options):
        home = folder / f"{name}-{program.name.replace(' ', '-')}"
        empty(home, program)
        run(program.command, home)
        image = newest_image(home)
        figures = ["", "", ""]
        if image is not None:
            stack = load(str(image))
            score = astuple(ring_score(stack, still, place_in(still, stack)))
            figures = [
                f"{value:.{digits}f}" for value, digits in zip(score, (3, 3, 1), strict=True)
            ]
        rows.append([name, program.name, *figures])
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captures", default=CAPTURES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size", type=size_of, default=(320, 400), metavar="HEIGHTxWIDTH")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=OPTIONS")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [row for name in chosen.captures.split(",") for row in scores(name, folder, chosen)]
    height, width = chosen.size
    print(f"{chosen.frames} frames of {width} x {height} px, seed {chosen.seed}\n")
    print(table(["capture", "", "mean", "contrast", "detail dB"], rows))


if __name__ == "__main__":
    main()
