"""Graphs of long captures are small: for the client, for the scheduler and on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.long_captures import graph_sizes

if TYPE_CHECKING:
    from pathlib import Path

N_FRAMES = 20_000
N_CHUNK = 256

MAX_TASKS = 2000
"""One for ten frames; most of align are for its key frames."""

MAX_BYTES = 100
"""For each frame: with 16 times as many pixels, 640 x 480, that is less than 500."""

MAX_PEAK_BYTES = 300
"""The same while a graph is built; 120 of it are the tiles of refine, whatever the frames."""


def test_graphs_of_long_captures_are_small_and_say_what_tasks_do(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    sizes = graph_sizes(tmp_path, N_FRAMES, 120, 160, N_CHUNK)
    assert list(sizes) == ["align", "quality", "track", "first", "refine", "stack"]
    for name, size in sizes.items():
        assert size.tasks <= MAX_TASKS, name
        assert size.pickled < 2**19, name
        assert size.memory <= MAX_BYTES, name
        assert size.peak <= MAX_PEAK_BYTES, name
        assert size.named, name
