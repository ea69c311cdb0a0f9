"""``skry timelapse``: stacks or captures in, a movie out, in which the object stays in place."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import write_image
from tests.filter_images import Filter, disc, surface, through

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.types import AnyArray
    from tests.command_line import CommandLine

SHAPE = (120, 150)
DISC = disc(SHAPE, 32.0, (60.0, 75.0))


def write_stack(path: Path, image: AnyArray, minute: int | None) -> None:
    about = {} if minute is None else {"time": {"middle": f"2026-11-29T20:{minute:02d}:30.000Z"}}
    write_image(path, image, kind="tiff16", metadata=about)


@pytest.fixture
def stacks(tmp_path: Path) -> list[Path]:
    """A planet in other places of images of other sizes and brightness, last one first."""
    rng = np.random.default_rng(4)
    paths = [tmp_path / f"planet-{i}.tif" for i in range(6)]
    for i, path in enumerate(paths):
        one = Filter(shift=tuple(rng.uniform(-9, 9, 2)), gain=rng.uniform(0.5, 1.0), level=0.02)
        image = through(DISC, one, seed=i)
        write_stack(path, image[: SHAPE[0] - 2 * i, i:], minute=30 - i)
    return paths


def centres(pictures: AnyArray) -> AnyArray:
    return np.array([ndimage.center_of_mass(np.where(p > 0.1, p, 0)) for p in pictures])


def test_a_planet_stays_in_its_place_and_equally_bright(
    cli: CommandLine, stacks: list[Path]
) -> None:
    status, out, err = cli("timelapse", *stacks, "-o", "planet.mp4", "--fps", 5)
    assert status == 0, err
    assert "in order of time" in out
    with av.open(cli.folder / "planet.mp4") as movie:
        assert movie.streams.video[0].average_rate == 5
        about = json.loads(movie.metadata["comment"])
        shown = np.array([f.to_ndarray(format="gray8") / 255 for f in movie.decode(video=0)])
    assert [one["input"] for one in about["inputs"]] == [
        f"planet-{i}.tif" for i in range(5, -1, -1)
    ]
    assert len(shown) == 6
    assert shown.shape[1] % 2 == shown.shape[2] % 2 == 0
    assert centres(shown).std(axis=0).max() < 0.1
    assert shown.mean(axis=(1, 2)).std() < 0.01 * shown.mean()


def test_a_pattern_gives_images_of_16_bit_and_a_gif_all_grey_levels(
    cli: CommandLine, stacks: list[Path]
) -> None:
    assert cli("timelapse", *stacks, "-o", "p-%02d.png", "--rigid", "--stretch")[0] == 0
    images = [read_image(cli.folder / f"p-{i:02d}.png") for i in range(1, 7)]
    pictures = np.array([image.data / 65535 for image in images])
    assert images[0].data.dtype == np.uint16
    assert images[2].metadata["inputs"][0]["input"] == "planet-3.tif"
    assert centres(pictures).std(axis=0).max() < 0.05
    assert pictures.max() == 1.0
    status, out, _ = cli("timelapse", *stacks[:4], "-o", "p-%02d.png")
    assert status == 0
    assert "p-05.png and those after it are of an earlier movie" in out
    assert cli("timelapse", *stacks, "-o", "p.gif")[0] == 0
    with Image.open(cli.folder / "p.gif") as movie:
        assert (movie.n_frames, movie.info["duration"]) == (6, 100)


def test_motion_that_goes_on_is_left_and_the_air_is_not(tmp_path: Path) -> None:
    scene, rng = surface(SHAPE), np.random.default_rng(1)
    spot = np.indices(SHAPE) - np.reshape((60, 40), (2, 1, 1))
    paths = [tmp_path / f"{i}.tif" for i in range(6)]
    for i, path in enumerate(paths):
        moving = np.exp(-((spot[0]) ** 2 + (spot[1] - 12 * i) ** 2) / 18)
        one = Filter(warp=0.4 * rng.normal(), noise=0.002)
        write_stack(path, through(scene * (1 - moving), one, seed=i), None)
    wobble = []
    for rigid in (True, False):
        options = skry.TimelapseOptions(rigid=rigid)
        skry.timelapse(paths, tmp_path / f"{rigid}-%d.png", options=options)
        movie = np.array([read_image(tmp_path / f"{rigid}-{i}.png").data for i in range(1, 7)])
        still = movie[:, 80:110, 20:130].astype(float)
        wobble.append(float(still.std(axis=0).mean()))
        darkest = [np.unravel_index(np.argmin(p[50:70]), p[50:70].shape)[1] for p in movie]
        assert np.abs(np.diff(darkest) - 12).max() <= 2
    assert wobble[1] < 0.8 * wobble[0]


def test_what_cannot_be_used_is_left_out_and_named(cli: CommandLine, stacks: list[Path]) -> None:
    write_stack(cli.folder / "moon.tif", surface(SHAPE), None)
    (cli.folder / "broken.tif").write_bytes(stacks[0].read_bytes()[:300])
    (cli.folder / "none.ser").write_bytes(b"LUCAM-RECORDER" + bytes(20))
    bad = [cli.folder / name for name in ("moon.tif", "broken.tif", "none.ser", "gone.tif")]
    stacks = stacks[:4]
    status, out, err = cli("timelapse", *stacks, *bad, "-o", "m.gif", "--stamp", "--json")
    assert status == 0, err
    made = json.loads(out)
    assert {one["input"] for one in made["left_out"]} == {str(path) for path in bad}
    assert "does not show what is shown by" in json.dumps(made["left_out"])
    assert [one["time"] is None for one in made["pictures"]] == [False] * 4
    cases = [
        ([stacks[0], bad[0], "-o", "m.gif"], 1, "a movie needs 2 images that show the same"),
        ([bad[1], "-o", "m.gif"], 1, "a movie needs 2 images"),
        ([*stacks, "-o", "m.mov"], 2, "m.mov has the suffix '.mov'"),
        (["-o", "m.gif"], 2, "no input is given"),
        ([*stacks, "-o", cli.folder / "none" / "m.gif"], 1, "there is no folder"),
        ([*stacks, cli.folder / "p-1.png", "-o", "p-%d.png"], 1, "would be overwritten"),
        ([*stacks, "-o", "m.gif", "--fps", 0], 2, "fps is 0.0"),
    ]
    for words, expected, message in cases:
        status, _, err = cli("timelapse", *words)
        assert (status, err.count("\n")) == (expected, 1)
        assert message in err


def test_captures_are_stacked_first(cli: CommandLine, moon_file: Path) -> None:
    (cli.folder / "night").mkdir()
    for name in "ab":
        shutil.copy(moon_file, cli.folder / "night" / f"{name}.ser")
    words = "timelapse", "night", "-o", "moon", "--quick", "--stamp", "--keep-brightness"
    status, out, err = cli(*words)
    assert status == 0, err
    assert "moon: 2 pictures of" in out
    first, second = (read_image(cli.folder / "moon" / f"frame-000{i}.png").data for i in (1, 2))
    stack = read_image(cli.folder / "moon-stacks" / "a-stack.tif")
    np.testing.assert_array_equal(first, second)
    height, width = first.shape
    assert stack.metadata["time"]["middle"] > stack.metadata["time"]["first"]
    np.testing.assert_allclose(
        first[: height - 20].astype(float), stack.data[: height - 20, :width], atol=2
    )
    assert first[height - 20 :].max() > 60_000  # the time, in white


def test_a_misspelt_option_is_refused_whatever_the_inputs_are(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"timelapse has no option fsp: .*fps"):
        skry.timelapse(["a.tif", "b.tif"], tmp_path / "ab.gif", fsp=25)
    with pytest.raises(OptionsError, match="options of a job are a dict"):
        skry.timelapse(["a.tif", "b.tif"], tmp_path / "ab.gif", stacking_options={"percent": 20})
