"""Measure the graphs of a long capture: ``python tests/benchmarks/graph_sizes.py [FRAMES]``.

Frames are 640 x 480 x 8 bit, by default 100,000 of them, in chunks as on a cluster.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.long_captures import graph_sizes

N_CHUNK = 108
"""Four chunks of 8 MiB."""


def main() -> None:
    """Print a table."""
    n_frames = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print("phase     tasks   MiB sent   bytes/frame   peak   build s   optimise s")
    with tempfile.TemporaryDirectory() as folder:
        for name, size in graph_sizes(Path(folder), n_frames, 480, 640, N_CHUNK).items():
            print(
                f"{name:8}{size.tasks:7}{size.pickled / 2**20:11.2f}{size.memory:14.0f}"
                f"{size.peak:7.0f}{size.seconds:10.2f}{size.optimising:13.2f}"
            )


if __name__ == "__main__":
    main()
