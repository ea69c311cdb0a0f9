"""A job is checked before anything is computed, in an order in which nothing is half done."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry
from skry_dask.errors import AlignmentError, BudgetError, OptionsError, ReaderError
from skry_dask.options import Options
from skry_dask.pipeline.job import JobRequest, check_canvas, open_frames, start_job
from skry_dask.pipeline.memory_budget import Shapes, smallest_limit
from skry_dask.pipeline.memory_limit import MIB, Limit
from skry_dask.pipeline.outputs import Outputs

if TYPE_CHECKING:
    from pathlib import Path


def test_a_job_knows_its_source_options_store_and_limit(moon_ser: Path, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("60,80\n90.5,120\n")
    request = JobRequest(
        source=moon_ser,
        options=Options.of(percent=20.0),
        outputs=Outputs(),
        points_file=tmp_path / "points.csv",
        memory_limit="2 GB",
        workers=1,
    )
    with start_job(request) as job:
        assert job.source.name == str(moon_ser)
        assert job.options.track.points == ((60, 80), (90.5, 120))
        assert job.options.stack.percent == 20
        assert job.store.path == tmp_path / "moon.skry"
        assert job.limit == Limit(2 * 10**9, "the limit is")
        assert job.notes == ()
        frames, shapes = open_frames(job)
    assert frames.status is None  # raw video is read in place
    assert frames.data.sizes["frame"] == shapes.n_frames == 40
    assert frames.digest == frames.data.attrs["digest"]
    assert not job.store.path.exists()


def test_without_a_limit_that_of_the_machine_counts(
    moon_ser: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "skry_dask.pipeline.job.machine_limit", lambda: Limit(100 * MIB, "this machine has")
    )
    with pytest.raises(BudgetError, match="this machine has 100MiB"):
        skry.run(moon_ser)
    assert not moon_ser.with_suffix(".skry").exists()
    assert skry.run(moon_ser, memory_limit="1GiB", quick=True)["stack"].size


def test_options_are_checked_before_outputs_and_outputs_before_the_input(tmp_path: Path) -> None:
    missing, image = tmp_path / "none.ser", tmp_path / "no" / "a.jpg"
    (tmp_path / "points.csv").write_text("60,80\n")
    for choices, words in (
        ({"percent": 0, "output": image}, "percent is 0"),
        ({"choose": "weights", "quick": True}, "quick and choose weights contradict each other"),
        ({"output": image, "memory_limit": "lots"}, "names no image format"),
        ({"points": [(1, 2)], "points_file": tmp_path / "points.csv"}, "points (1 given) and poin"),
        ({"memory_limit": "lots", "workers": 0}, "memory_limit is 'lots'"),
        ({"workers": 0}, "workers is 0"),
    ):
        with pytest.raises(OptionsError, match=re.escape(words)):
            skry.run(missing, **choices)
    with pytest.raises(ReaderError, match=r"none\.ser"):
        skry.run(missing)


def test_a_union_canvas_is_checked_once_its_size_is_known(moon_ser: Path, tmp_path: Path) -> None:
    # The drifting telescope makes the union larger than a frame.
    options = Options.of(canvas="union", quick=True)
    shapes = Shapes.of(skry.open_capture(moon_ser), options, 1)
    limit = smallest_limit(shapes, 64)
    with pytest.raises(BudgetError, match="the limit is"):
        skry.run(moon_ser, canvas="union", drizzle=3.0, memory_limit=limit, workers=1, quick=True)
    whole = skry.run(moon_ser, canvas="union", memory_limit="2GiB", quick=True)
    assert whole["stack"].shape > (180, 240)


def test_an_alignment_without_a_common_region_is_refused(moon_ser: Path) -> None:
    request = JobRequest(source=moon_ser, options=Options(), outputs=Outputs())
    with start_job(request) as job:
        frames, shapes = open_frames(job)
        alignment = skry.align(frames.data).compute()
        offset = alignment["offset"] * 20
        for values, words in (
            ({"active": alignment["active"] & False}, "no frame could be aligned"),
            ({"offset": offset}, r"active frames have only \d+ x \d+ px in common"),
        ):
            with pytest.raises(AlignmentError, match=words):
                check_canvas(job, shapes, frames, replace(frames, data=alignment.assign(values)))
