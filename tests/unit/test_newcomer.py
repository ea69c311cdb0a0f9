"""What a newcomer tries in a notebook and gets wrong: one line says what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.errors import SkryError
from tests.phase_results import known_results

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = np.zeros((3, 96, 96), np.uint8)
CAPTURE, ALIGNMENT, QUALITY, POINTS = known_results(FRAMES, np.zeros((3, 2)))
STACK = skry.stack(CAPTURE, ALIGNMENT, QUALITY, POINTS)
IMAGE = STACK["stack"]

MISTAKES = {
    "a result in place of its image": (
        lambda: skry.sharpen(STACK),
        r"image of sharpen is a Dataset: give a part of it, such as dataset\['stack'\]",
    ),
    "a path in place of an image": (
        lambda: skry.adjust_tone("moon.tif"),
        r"image of adjust_tone is the path 'moon.tif': .*open_image\('moon.tif'\)",
    ),
    "a number in place of an image": (
        lambda: skry.save_image(3, "moon.tif"),
        r"image of save_image is an int: give an array \(y, x\)",
    ),
    "the resolution of a stack without halves": (
        lambda: skry.measure_resolution(STACK),
        "stack of measure_resolution is a Dataset without half_stack: .*halves=True",
    ),
    "a plot of something else": (
        lambda: skry.plotting.plot_drift(STACK),
        r"alignment of plotting.plot_drift is a result of the phase stack: .*align\(capture\)",
    ),
    "a plot of noise without halves": (
        lambda: skry.plotting.plot_noise(STACK),
        "stacked of plotting.plot_noise is a Dataset without noise: .*halves=True",
    ),
    "a plot of a result": (
        lambda: skry.plotting.plot_image(STACK, "Stack"),
        "image of plotting.plot_image is a Dataset",
    ),
    "a list of images": (
        lambda: skry.plotting.plot_comparison([IMAGE]),
        "are a list: give a dict, each by its title",
    ),
    "a pattern in place of a list": (
        lambda: skry.run_many("*.ser"),
        r"sources of run_many is '\*.ser': give a list, .*glob",
    ),
    "a name in place of a list": (
        lambda: skry.timelapse("moon.ser", "moon.gif"),
        "sources of timelapse is 'moon.ser': give a list",
    ),
    "an open capture in place of a path": (
        lambda: skry.run(CAPTURE),
        "a Dataset is no input: give the path of a video",
    ),
    "nothing": (lambda: skry.open_capture(None), "None is no input: give the path"),
    "a report of a result": (lambda: skry.report(STACK), "a Dataset is no input"),
    "results of nothing": (lambda: skry.open_results(None), "None is no store: give the path"),
    "options of a job as a dict": (
        lambda: skry.run("moon.ser", options={"percent": 20}),
        r"are a dict: give them by name, as in run\(..., \*\*options\)",
    ),
    "workers as text": (
        lambda: skry.run("moon.ser", workers="2"),
        "workers is '2': it must be a whole number",
    ),
    "progress as a switch": (
        lambda: skry.run("moon.ser", progress=True),
        "progress is True: give a function",
    ),
    "a percentage of partial stacks": (
        lambda: skry.partial_stacks(CAPTURE, ALIGNMENT, QUALITY, POINTS, percent=5),
        r"percent does nothing here: give numbers=\[...\]",
    ),
    "text in place of numbers": (
        lambda: skry.partial_stacks(CAPTURE, ALIGNMENT, QUALITY, POINTS, numbers="5"),
        r"numbers is \['5'\]: it must be increasing whole numbers",
    ),
    "an array in place of a dark": (
        lambda: skry.calibrate(CAPTURE, dark=FRAMES[0]),
        "dark is a ndarray: it must be an image file",
    ),
    "text in place of a number": (
        lambda: skry.simulate("moon", frames="3"),
        "frames is '3'; it must be a number",
    ),
    "text in place of a frame": (
        lambda: skry.align(CAPTURE, reference="3"),
        "reference is '3': it must be a number",
    ),
    "no globe": (lambda: skry.derotate(CAPTURE, ALIGNMENT), "derotate is None: name the globe"),
    "a path to browse": (
        lambda: skry.browse_frames("moon.ser"),
        r"the path 'moon.ser': open it first, open_capture\('moon.ser'\)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_the_remedy(mistake: str) -> None:
    attempt, says = MISTAKES[mistake]
    with pytest.raises(SkryError, match=says) as caught:
        attempt()
    assert "\n" not in str(caught.value)


def test_the_reference_frame_is_an_option_of_align_by_name() -> None:
    capture = skry.simulate("moon", frames=4, height=96, width=128)
    assert skry.align(capture, reference=2).attrs["options"]["reference"] == 2
    chosen = skry.choose_reference(capture, reference=2)
    assert skry.align(capture, key_frames=chosen)["offset"].shape == (4, 2)


@pytest.mark.parametrize("name", ["grey.tif", "colour.png", "float.tif"])
def test_images_go_into_files_and_back(tmp_path: Path, name: str) -> None:
    shape = (20, 30, 3) if name.startswith("colour") else (20, 30)
    image = np.random.default_rng(1).random(shape)
    kind = "tiff32" if name.startswith("float") else None
    skry.save_image(image, tmp_path / name, output_format=kind, metadata={"frames": 7})
    back = skry.open_image(tmp_path / name)
    assert back.dims == ("y", "x", "channel")[: image.ndim]
    np.testing.assert_allclose(back, image, atol=1e-5)
    assert back.attrs["metadata"]["frames"] == 7
    # What was made of it keeps what is known of it.
    skry.save_image(skry.adjust_tone(back, gamma=1.4), tmp_path / "again.png")
    assert skry.open_image(tmp_path / "again.png").attrs["metadata"]["frames"] == 7
