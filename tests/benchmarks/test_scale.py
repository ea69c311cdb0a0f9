"""The script that works out a night of 10 TB: its parts run, and its figures are what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.benchmarks import scale

if TYPE_CHECKING:
    from pathlib import Path


def test_the_graph_of_a_phase_is_built_and_walked(tmp_path: Path) -> None:
    scale.write_results(tmp_path / "a.skry", 320)
    small, large = (
        scale.measure_phase("track", tmp_path / "a.skry", n_frames) for n_frames in (160, 320)
    )
    assert small.phase == large.phase == "track"
    assert 10 < small.n_tasks < large.n_tasks < 10 * small.n_tasks
    assert min(large.build, large.optimise, large.walk, large.pickled) > 0


def test_a_whole_shard_takes_one_request_and_a_part_of_it_more() -> None:
    n_shard, whole, half = scale.count_requests()
    assert whole == 1
    # The index of the shard, then each frame; zarr 3.4 and newer join neighbouring ranges.
    assert 2 <= half <= n_shard // 2 + 1


def test_figures_of_a_night_follow_from_the_constants() -> None:
    graphs = [scale.PhaseGraph("align", 2000, 1.0, 1.0, 1e-4, 100.0, 10.0)]
    sent = scale.Sent(1000, 1e-3, 1e-6, 2e-3, 5000.0)
    rows = {line.split("|")[1].strip(): line for line in scale.night(graphs, sent, 10**4, 335.0)}
    n_frames = scale.NIGHT_BYTES / scale.FRAME_BYTES
    n_tasks = n_frames / 5 / scale.CHUNKS_PER_TASK
    assert f"{n_tasks / 1e6:.2f} million" in rows["tasks, each for four chunks"]
    assert f"{n_tasks * 1e-3 / 3600:.2f} h" in rows["scheduler"]
    assert "50 TB" in rows["bytes read"]
    hours = float(rows["hours of a link of 10 Gbit/s"].split("|")[2])
    assert hours == pytest.approx(50e12 / 1.25e9 / 3600, rel=0.01)
