"""``skry animate``: a movie of a stack that grows, with what is taken from each frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import av
import numpy as np
from PIL import Image

import skry_dask as skry
from skry_dask.io.images.read import read_image

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.types import AnyArray
    from tests.command_line import CommandLine


def shown(path: Path) -> AnyArray:
    with av.open(path) as movie:
        return np.array([frame.to_ndarray(format="rgb24") / 255 for frame in movie.decode(video=0)])


def test_the_stack_grows_from_the_first_frame_to_the_stack_itself(
    cli: CommandLine, moon_ser: Path
) -> None:
    _, stack = cli.stack(moon_ser, "--percent", 40)
    size = 2 * stack.shape[1] + 4
    words = "animate", moon_ser, "--quick", "--percent", 40, "--pictures", 8, "--width", size
    status, out, err = cli(*words, "-o", "moon.mp4", "--fps", 5, "--json")
    assert status == 0, err
    made = json.loads(out)
    pictures = shown(cli.folder / "moon.mp4")
    assert pictures.shape == (8, made["height"], made["width"], 3)
    added = [one["frames"] for one in made["pictures"]]
    frames = [frame for of_picture in added for frame in of_picture]
    assert frames == sorted(set(frames))
    assert len(added[0]) < len(added[-1])
    averaged = [one["averaged"] for one in made["pictures"]]
    assert averaged == sorted(averaged)
    # The stack is on the right, all pictures as bright as the last one.
    width = stack.shape[1]
    right = pictures[-1][:, -(width - width % 2) :, 0]
    white = np.percentile(stack, 99.9)
    levels = np.rint((stack / white).clip(0, 1) * 255).astype(np.uint8)
    expected = Image.fromarray(levels).resize(right.shape[::-1], Image.Resampling.BICUBIC)
    text = 30  # rows at the bottom
    np.testing.assert_allclose(right[:-text], np.asarray(expected)[:-text] / 255, atol=0.05)
    # Triangles and points, in colour, are on the left.
    colour = np.ptp(pictures, axis=-1).max(axis=(0, 1))
    assert colour[: width // 2].max() > 0.3
    assert colour[-width // 2 :].max() < 0.15
    with av.open(cli.folder / "moon.mp4") as movie:
        about = json.loads(movie.metadata["comment"])
    assert [one["frames"] for one in about["inputs"]] == added


def test_movies_show_what_is_asked_for(cli: CommandLine, moon_ser: Path) -> None:
    skry.run(moon_ser, quick=True, percent=30)
    best = ("--quick", "--percent", 30, "--order", "quality", "--pictures", 4)
    status, out, err = cli("animate", moon_ser, *best, "--show", "stack", "-o", "m-%d.png")
    assert status == 0, err
    assert "4 pictures of 960 x" in out
    assert "in order of quality" in out
    first, last = (read_image(cli.folder / f"m-{i}.png") for i in (1, 4))
    assert first.data.shape == last.data.shape
    rated = skry.open_results(moon_ser.with_suffix(".skry"))["quality"]["frame_quality"]
    assert int(np.nanargmax(rated)) in first.metadata["inputs"][0]["frames"]
    plain = skry.animate(
        moon_ser,
        cli.folder / "m.gif",
        options=skry.AnimationOptions(show="frames", plain=True, pictures=3, width=200),
        quick=True,
        percent=30,
    )
    with Image.open(cli.folder / "m.gif") as movie:
        assert (movie.n_frames, movie.width) == (3, 200)
        shades = np.asarray(movie.convert("RGB"), np.int16)
    assert plain.height == len(shades)
    assert np.ptp(shades, axis=-1).max() < 8
    assert shades.mean() > 40


def test_what_cannot_be_animated_is_said_before_any_work(cli: CommandLine, moon_ser: Path) -> None:
    (cli.folder / "m.gif").mkdir()
    for arguments, expected, words in (
        (("-o", "m.mov"), 2, "m.mov has the suffix '.mov'"),
        (("-o", "m.gif"), 1, "m.gif is a folder"),
        (("-o", "none/m.mp4"), 1, "there is no folder"),
        (("-o", "m.mp4", "--pictures", 1), 2, "pictures is 1: it must be from 2"),
        (("-o", "m.mp4", "--order", "size"), 2, "order"),
        (("-o", "m.mp4", "--width", 8), 2, "width is 8"),
        (("-o", "m.mp4", "--percent", 0), 2, "percent is 0"),
    ):
        status, _, err = cli("animate", "moon.ser", *arguments)
        assert (status, err.count("\n")) == (expected, 1), err
        assert words in err
    assert not moon_ser.with_suffix(".skry").exists()
    (cli.folder / "frames").mkdir()
    (cli.folder / "frames" / "a-2.png").write_bytes(b"not read")
    for output in ("frames", "frames/b-%d.png", "frames/a-%d.png"):
        status, _, err = cli("animate", "frames", "-o", output)
        assert (status, err.count("\n")) == (1, 1), err
        assert "would be one of the frames of" in err
    assert [file.name for file in (cli.folder / "frames").iterdir()] == ["a-2.png"]
