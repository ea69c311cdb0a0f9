"""``skry stack --stretch``: brightness of images is stretched only where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.io.images.read import read_image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine


def test_images_are_stretched_by_the_brightness_of_the_stack_and_say_so(
    moon_ser: Path, tmp_path: Path
) -> None:
    plain, image = tmp_path / "plain.tif", tmp_path / "a.tif"
    skry.run(moon_ser, quick=True, halves=True, output=plain)
    for kind, steps in (("tiff16", 65535), ("tiff8", 255)):
        found = skry.run(
            moon_ser, quick=True, halves=True, output=image, output_format=kind, stretch=(5, 98)
        )
        stack = found["stack"].to_numpy()
        black, white = np.percentile(stack, [5, 98])
        for name, expected in (("a", stack), ("a-odd", found["half_stack"].sel(half="odd"))):
            file = read_image(tmp_path / f"{name}.tif")
            wanted = ((np.asarray(expected) - black) / (white - black)).clip(0, 1) * steps
            np.testing.assert_allclose(file.data, wanted, atol=0.51)
            assert file.metadata["tone"]["stretch"] == "5,98"
            assert file.metadata["stretched"] == pytest.approx({"black": black, "white": white})
            assert file.metadata["scale"] == "changed: see tone"
    assert stack.max() < 1
    unchanged = read_image(plain)
    np.testing.assert_allclose(unchanged.data, stack.clip(0, 1) * 65535, atol=0.51)
    assert "tone" not in unchanged.metadata
    skry.run(moon_ser, quick=True, output=image, sharpen="auto", stretch=(5, 98))
    assert read_image(tmp_path / "a-sharpened.tif").metadata["tone"]["stretch"] == "5,98"


def test_a_stretch_that_cannot_be_is_refused_before_any_work(
    moon_ser: Path, cli: CommandLine
) -> None:
    for flags, words in (
        (("--stretch", "9,1"), "stretch is '9,1': it must be two increasing percentiles"),
        (("--stretch", "x"), "stretch is 'x': it must be 2 numbers"),
        (("--stretch", "1,99", "-o", "a.fits"), "a.fits is fits, which keeps all brightness"),
        (("--stretch", "1,99", "--output-format", "tiff32"), "is tiff32, which keeps"),
    ):
        status, _, err = cli("stack", "moon.ser", *flags)
        assert (status, err.count("\n"), words in err) == (2, 1, True), err
    with pytest.raises(OptionsError, match="stretch is '9,1'"):
        skry.run(moon_ser, stretch=(9, 1))
    assert not (cli.folder / "moon.skry").exists()
