"""The sharpened image beside a stack: written in the same job, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError, SkryError
from skry_dask.io.images.read import read_image
from skry_dask.pipeline.sharpened import blur_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stack_is_sharpened_in_the_same_job_and_stays_linear(moon_ser: Path) -> None:
    image = moon_ser.with_name("moon.png")
    sharp = moon_ser.with_name("moon-sharpened.png")
    result = skry.run(moon_ser, output=image, quick=True, sharpen="auto")
    summary = result.attrs["summary"]
    assert (summary["sharpened"], summary["files"]) == (str(sharp), [str(sharp)])
    stack = result["stack"].to_numpy()
    np.testing.assert_allclose(read_image(image).data / 65535, stack, atol=1e-5)
    expected = skry.sharpen(stack, halves=result["half_stack"])
    found = read_image(sharp)
    np.testing.assert_allclose(found.data / 65535, expected.clip(0, 1), atol=1e-5)
    assert found.metadata["sharpen"]["halves"] == ["even", "odd"]
    assert found.metadata["digest"] == read_image(image).metadata["digest"]

    again = skry.run(moon_ser, output=image, quick=True, sharpen="auto").attrs["summary"]
    assert again["up_to_date"]
    sharp.write_bytes(sharp.read_bytes()[:-99])
    again = skry.run(moon_ser, output=image, quick=True, sharpen="auto").attrs["summary"]
    assert not again["up_to_date"]
    np.testing.assert_array_equal(read_image(sharp).data, found.data)
    how = {"quick": True, "halves": True, "sharpen": skry.SharpenOptions(method="unsharp")}
    other = skry.run(moon_ser, output=image, **how)
    (note,) = other.attrs["summary"]["notes"]
    assert note.startswith(f"{sharp} is replaced: it was made with other options (method auto, ")
    assert other.attrs["summary"]["phases"]["stack"]["status"] == "reused"
    assert read_image(sharp).metadata["sharpen"]["method"] == "unsharp"


def test_what_is_wrong_is_said_before_anything_is_stacked(moon_file: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[sharpen]\nmethod = 'wiener'\npsf_file = 'none.tif'", encoding="utf-8")
    store = tmp_path / "a.skry"
    with pytest.raises(SkryError, match=r"none\.tif"):
        skry.run(moon_file, output=tmp_path / "a.tif", store=store, sharpen=wrong)
    with pytest.raises(OptionsError, match="a sharpened image and a report go beside the output"):
        skry.run(moon_file, store=store, sharpen="auto")
    assert not store.exists()


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"seeing": 5.2, "options": {"stack": {"drizzle": 2}}}, {"seeing": 5.2, "scale": 2.0}),
        ({"options": {"stack": {"drizzle": 1.0}}}, {"scale": 1.0}),
        ({"options": "of another program", "seeing": "good"}, {}),
    ],
)
def test_the_blur_of_a_stack_is_in_its_metadata(
    metadata: dict[str, Any], found: dict[str, float]
) -> None:
    assert blur_of(metadata) == found
