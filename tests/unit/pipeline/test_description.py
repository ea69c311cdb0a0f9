"""Results say what they are, of which capture, made how, and what follows."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError

if TYPE_CHECKING:
    from pathlib import Path


def test_every_stored_result_of_a_job_describes_itself(moon_ser: Path) -> None:
    job = skry.run(moon_ser, percent=20, spacing=30)
    results = skry.open_results(moon_ser)
    said = {}
    for name in results:
        if name == "job":
            continue
        description = skry.describe(results[name])
        said[name] = description.facts
        assert description.heading.startswith("stack" if name == "first_stack" else name)
        assert description.facts["capture"] == "moon.ser"
        for variable in results[name].data_vars:
            assert re.search(rf"^  {variable} \(", repr(description), re.M)
        rows = re.findall("<tr>(.*?)</tr>", description._repr_html_())
        assert len(rows) == len(description.facts) + len(description.variables)
    assert said["stack"]["options"] == "StackOptions(percent=20, choose='weights')"
    assert said["first_stack"]["options"] == "StackOptions(choose='fragments')"
    assert said["track"]["options"] == "TrackOptions(spacing=30)"
    assert said["align"]["options"] == "AlignOptions()"
    assert "note" not in said["refine"]
    # What follows is a call that there is.
    for facts in said.values():
        if "next" in facts:
            assert getattr(skry, facts["next"].removeprefix("skry.").partition("(")[0])
    assert skry.describe(job).facts["made of"] == "40 of 40 frames"


def test_a_capture_describes_itself(moon_ser: Path) -> None:
    capture = skry.open_capture(moon_ser, exclude="3,4")
    assert skry.describe(capture).facts == {
        "frames": "40 of 240 x 180 px, uint8",
        "depth": "8 bits",
        "times": "2000-01-01T00:00:00.000 to 2000-01-01T00:00:01.300 UTC",
        "excluded": "2",
        "state": "lazy: frames are read when they are used",
        "next": "skry.align(capture)",
    }


def test_what_was_skipped_and_old_options_are_told(moon_ser: Path) -> None:
    capture = skry.open_capture(moon_ser, frames="0:8")
    lazy = skry.align(capture)
    assert skry.describe(lazy).facts["state"] == "lazy: compute() computes it"
    alignment = lazy.compute()
    assert "state" not in skry.describe(alignment).facts
    told = skry.describe(alignment.assign_attrs(skipped="<few> frames", options={"of_old": 3}))
    assert told.facts["note"] == "<few> frames"
    assert told.facts["options"] == "of_old=3"
    assert html.escape("<few> frames") in told._repr_html_()


@pytest.mark.parametrize("given", ["moon.ser", None, {"a": 1}], ids=str)
def test_what_is_no_result_is_refused(given: object) -> None:
    with pytest.raises(OptionsError, match="is no result: give what a phase, or what open_capture"):
        skry.describe(given)  # type: ignore[arg-type]


def test_a_dataset_without_attributes_is_refused(moon_ser: Path) -> None:
    alignment = skry.align(skry.open_capture(moon_ser)).drop_attrs()
    with pytest.raises(OptionsError, match="names no phase"):
        skry.describe(alignment)
