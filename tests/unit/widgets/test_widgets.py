"""Widgets in Python: what they hold, and what they read."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import traitlets
from PIL import Image

import skry_dask as skry
from skry_dask.errors import OptionsError, ReaderError, SkryError
from tests.phase_results import run_phases
from tests.small_captures import capture_of, texture

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import AnyArray


def pixels(png: bytes) -> AnyArray:
    return np.asarray(Image.open(BytesIO(png)))


def test_images_are_compared_on_one_scale_in_colour_too() -> None:
    grey = np.full((6, 8), 0.5, np.float32)
    grey[0, 0] = np.nan
    colour = np.stack([np.full((6, 8), level, np.float32) for level in (1.0, 0.5, 0.0)], axis=-1)
    widget = skry.compare_images({"grey": grey, "colour": colour})
    assert (widget.left, widget.right, widget.split) == ("grey", "colour", 50)
    first, second = (pixels(image["png"]) for image in widget.images)
    assert first[0, 0] == 0
    assert first[3, 3] == second[3, 3, 1] == 128
    assert second[3, 3].tolist() == [255, 128, 0]
    # Where no kernel runs, there are pictures.
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"].count("<img") == 2
    widget.left = "colour"
    with pytest.raises(traitlets.TraitError, match="left is 'blue': it must be one of grey"):
        widget.left = "blue"
    for images in ({"a": grey}, {"a": grey, "b": grey[1:]}, {"a": grey, "b": grey[None]}):
        with pytest.raises(OptionsError, match="images"):
            skry.compare_images(images)


def test_browsing_reads_the_frames_that_are_shown_and_no_others() -> None:
    frames = (40 * np.arange(1, 7)[:, None, None] * np.ones((6, 20, 30))).astype(np.uint8)
    read = []

    def note(block: AnyArray, block_info: Any = None) -> AnyArray:
        read.append(block_info[None]["chunk-location"][0])
        return block

    capture = capture_of(frames, chunks=1)
    capture = capture.assign(
        frames=capture["frames"].copy(data=capture["frames"].data.map_blocks(note, dtype="u1"))
    )
    read.clear()
    browser = skry.browse_frames(capture)
    browser.position = 4
    assert browser.frame == 4
    assert set(read) == {0, 4}
    # The first frame is as bright as can be, and so are all that are brighter.
    assert pixels(browser.png).min() == 255
    browser.position = 99
    assert (browser.position, browser.shown) == (5, 5)
    for name, value in (("order", "quality"), ("stabilised", True)):
        with pytest.raises(traitlets.TraitError, match="give the result"):
            setattr(browser, name, value)
    with pytest.raises(OptionsError, match="no frames"):
        skry.browse_frames(capture.isel(frame=slice(0)))


@pytest.fixture(scope="module")
def drifting() -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """A scene that drifts; the frames in the middle are sharp."""
    scene = 40 + 160 * texture(150, 170, scale=2)
    shifts = [(0, 0), (3, -4), (6, -8), (9, -12), (12, -16)]
    frames = np.array([scene[20 - y :, 20 - x :][:100, :120] for y, x in shifts])
    frames[3] = (scene[20 - 9 :, 20 + 12 :][:100, :120] - 120) * 1.4 + 120
    capture = capture_of(np.rint(frames).clip(0, 255).astype(np.uint8))
    results = run_phases(capture)
    return capture, results.alignment, results.quality


def test_frames_are_browsed_by_quality_and_stabilised(drifting: Any) -> None:
    capture, alignment, quality = drifting
    browser = skry.browse_frames(capture, alignment, quality)
    browser.position = 3
    browser.order = "quality"
    assert (browser.frame, browser.position) == (3, 0)
    assert "quality 100 % of the best" in browser.caption
    curve = np.frombuffer(browser.curve, np.float32)
    assert (np.diff(curve) <= 0).all()
    browser.stabilised = True
    shown = []
    for browser.position in range(5):
        shown.append(pixels(browser.png)[8:-8, 8:-8].astype(float))
    others = [np.corrcoef(shown[0].ravel(), image.ravel())[0, 1] for image in shown[1:]]
    assert min(others) > 0.97
    before = browser.frame
    browser.order = "time"
    assert (browser.frame, browser.position) == (before, before)
    with pytest.raises(OptionsError, match="alignment of browse_frames is of 5 frames"):
        skry.browse_frames(capture.isel(frame=slice(4)), alignment)


def test_a_frame_that_cannot_be_read_is_told_and_the_next_one_shown() -> None:
    capture = capture_of(np.full((3, 16, 16), 99, np.uint8), chunks=1)

    def damaged(block: AnyArray, block_info: Any = None) -> AnyArray:
        if block_info[None]["chunk-location"][0] == 1:
            raise ReaderError("moon.ser: frame 1 is damaged")
        return block

    frames = capture["frames"].copy(data=capture["frames"].data.map_blocks(damaged, dtype="u1"))
    browser = skry.browse_frames(capture.assign(frames=frames))
    browser.position = 1
    assert browser.caption == "moon.ser: frame 1 is damaged"
    assert browser.shown == 1
    browser.position = 2
    assert browser.caption.startswith("frame 2")


def test_without_anywidget_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    for show in (skry.browse_frames, skry.compare_images):
        with pytest.raises(SkryError, match=r"pip install 'skry_dask\[view\]'"):
            show({})
