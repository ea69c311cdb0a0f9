"""``skry combine``: stacks of filters in, one image in colour out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import skry_dask as skry
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import write_image
from tests.filter_images import Filter, surface, through

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.types import AnyArray
    from tests.command_line import CommandLine

SHAPE = (160, 200)
SCENE = surface(SHAPE)
FILTERS = {
    "r": Filter(shift=(2.4, -5.7), warp=0.3, gain=0.9),
    "g": Filter(),
    "b": Filter(shift=(-3.3, 1.6), warp=0.3, gain=0.5),
}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stacks")
    for i, (name, one) in enumerate(FILTERS.items()):
        image = through(SCENE, one, seed=i)
        if name == "r":
            image = image[:-9, 4:]
        about = {"source": f"{name}.ser", "scale": "as the camera"}
        write_image(folder / f"{name}.tif", image, kind="tiff16", metadata=about)
    write_image(folder / "l.tif", through(SCENE, Filter(gain=0.8)), kind="tiff32", metadata={})
    return folder


@pytest.fixture
def files(stacks: Path) -> list[Path]:
    return [stacks / f"{name}.tif" for name in "rgb"]


def saturation(image: AnyArray) -> float:
    """Spread of ratios of colours, which are the same everywhere where images lie on each other."""
    inside = image[12:-12, 12:-12]
    return float(np.std(inside[..., 0] / inside[..., 1]) + np.std(inside[..., 2] / inside[..., 1]))


def test_filters_lie_on_each_other(cli: CommandLine, files: list[Path]) -> None:
    status, out, err = cli("combine", *files, "-o", "rgb.tif")
    assert status == 0, err
    assert "r.tif is 2." in out
    assert "sizes differ" in out
    with tifffile.TiffFile(cli.folder / "rgb.tif") as file:
        image, about = file.asarray() / 65535.0, json.loads(file.pages[0].description)
    assert saturation(image) < 0.03
    as_they_are = [read_image(path).data[4:150, 4:190] / 65535.0 for path in files]
    assert saturation(np.stack(as_they_are, axis=-1)) > 0.15
    assert about["inputs"]["red"] == {
        "file": "r.tif",
        "metadata": {"source": "r.ser", "scale": "as the camera"},
    }
    assert about["scale"] == "as the camera"
    assert about["registration"]["blue"]["shift"] == pytest.approx([-3.3, 1.6], abs=0.15)


def test_a_luminance_gives_the_detail_and_colours_stay(files: list[Path]) -> None:
    plain = skry.combine(*files)["image"]
    with_luminance = skry.combine(*files, files[0].with_name("l.tif"))
    image = with_luminance["image"]
    assert with_luminance.attrs["metadata"]["reference"] == "luminance"
    assert saturation(image.to_numpy()) < 0.05
    for name in ("red", "blue"):
        ratio = (image.sel(channel=name) / image.sel(channel="green")).median()
        before = (plain.sel(channel=name) / plain.sel(channel="green")).median()
        assert float(ratio) == pytest.approx(float(before), rel=0.02)
    grey = skry.combine(*files, options=skry.CombineOptions(white_balance=True))["image"]
    means = grey.where(grey.mean("channel") > grey.mean()).mean(["y", "x"])
    assert float(means.std() / means.mean()) < 0.01
    gains = skry.CombineOptions(gains=(1, 1, 2))
    blue = skry.combine(*files, options=gains)["image"].sel(channel="blue")
    np.testing.assert_allclose(blue, 2 * plain.sel(channel="blue"), rtol=1e-5)


def test_pixels_that_one_image_lacks_have_no_value(files: list[Path], tmp_path: Path) -> None:
    mosaic = read_image(files[2]).data / np.float32(65535)
    mosaic[40:60, 70:100] = np.nan
    write_image(tmp_path / "mosaic.tif", mosaic, kind="tiff32", metadata={})
    image = skry.combine(files[0], files[1], tmp_path / "mosaic.tif")["image"]
    missing = image.isnull()
    assert bool((missing.any("channel") == missing.all("channel")).all())
    assert 600 < int(missing.all("channel").sum()) < 800


def test_what_cannot_be_combined_is_refused_by_name(cli: CommandLine, files: list[Path]) -> None:
    r, g, b = files
    green = read_image(g).data / np.float32(65535)
    enlarged = cli.folder / "enlarged.tif"
    write_image(enlarged, ndimage.zoom(green, 1.06), kind="tiff16", metadata={})
    other = cli.folder / "other.tif"
    write_image(other, surface(SHAPE, seed=70), kind="tiff16", metadata={})
    colour = cli.folder / "colour.tif"
    write_image(colour, np.stack([green] * 3, axis=-1), kind="tiff16", metadata={})
    cases = [
        ([r, g, enlarged, "-o", "x.tif"], 1, "enlarged.tif is about 1.06 times as large as"),
        ([r, g, other, "-o", "x.tif"], 1, "other.tif does not show what"),
        ([r, g, colour, "-o", "x.tif"], 2, "colour.tif is in colour: give a grey image for blue"),
        ([r, g, b, "-o", r], 1, "r.tif is read in this job"),
        ([r, g, "-o", "x.tif"], 2, "no image for blue"),
        ([r, g, b, b, "--red", r, "-o", "x.tif"], 2, "5 images are given"),
        ([r, g, b, "--gains", 1, 0, 1, "-o", "x.tif"], 2, "gains is 0.0"),
    ]
    for words, expected, message in cases:
        status, _, err = cli("combine", *words)
        assert (status, err.count("\n")) == (expected, 1)
        assert message in err
    assert not (cli.folder / "x.tif").exists()


def test_roles_can_be_named_and_8_bits_are_told(cli: CommandLine, files: list[Path]) -> None:
    r, g, b = files
    eight = cli.folder / "eight.png"
    write_image(eight, read_image(b).data / np.float32(65535), kind="png8", metadata={})
    status, out, err = cli("combine", r, g, "--red", eight, "-o", "bgr.tif", "--json")
    assert status == 0, err
    made = json.loads(out)
    assert made["registration"]["red"]["shift"][0] == pytest.approx(
        -FILTERS["r"].shift[0] + FILTERS["b"].shift[0], abs=0.2
    )
    assert made["notes"][0].startswith(f"{eight}: 8 bits")
