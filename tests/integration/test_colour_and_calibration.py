"""Colour, calibration and selection on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.io.raw.ser import SerReader, write_ser

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from skry_dask.types import AnyArray
    from tests.command_line import CommandLine

SMALL = ("--anchor-size", "32")
TINT = np.array([0.7, 1.0, 0.5])
"""Brightness of the coloured Moon in red, green and blue."""

RNG = np.random.default_rng(8)


def write(path: Path, frames: AnyArray, colour: str = "mono", bits: int = 8) -> Path:
    n_frames, height, width = frames.shape[:3]
    write_ser(path, frames, n_frames=n_frames, height=height, width=width, bits=bits, colour=colour)
    return path


def tinted(frames: AnyArray) -> AnyArray:
    """RGB frames of the Moon, all in one hue."""
    return np.rint(frames[..., None] * TINT).astype(np.uint8)


def mosaicked(frames: AnyArray, pattern: str) -> AnyArray:
    colours = tinted(frames)
    out = np.empty(frames.shape, np.uint8)
    for i, colour in enumerate(pattern):
        y, x = divmod(i, 2)
        out[:, y::2, x::2] = colours[:, y::2, x::2, "RGB".index(colour)]
    return out


def hue(image: AnyArray) -> AnyArray:
    """Mean brightness of each channel, relative to green, away from the rim."""
    means = image[10:-10, 10:-10].reshape(-1, 3).mean(axis=0)
    return means / means[1]


@pytest.fixture
def frames(moon: xr.Dataset) -> AnyArray:
    return moon["frames"].to_numpy()


def test_rgb_and_grey_stack_to_the_same_geometry_and_hue(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    write(tmp_path / "moon.ser", tinted(frames), "RGB")
    summary, colour = cli.stack("moon.ser")
    grey_summary, grey = cli.stack("moon.ser", "--grey")
    assert colour.shape == (*grey.shape, 3)
    assert summary["region"] == grey_summary["region"]
    np.testing.assert_allclose(hue(colour), TINT, atol=0.01)
    luma = colour @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(luma, grey, atol=2 / 255)


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_raw_colour_comes_out_in_colour(
    pattern: str, frames: AnyArray, moon: xr.Dataset, tmp_path: Path, cli: CommandLine
) -> None:
    write(tmp_path / "moon.ser", mosaicked(frames, pattern), pattern)
    summary, image = cli.stack("moon.ser")
    assert image.shape[2] == 3
    np.testing.assert_allclose(hue(image), TINT, atol=0.02)
    assert summary["active_frames"] == 40
    # Only the stack depends on how raw colour becomes colour.
    again, softer = cli.stack("moon.ser", "--demosaic", "bilinear")
    assert [again["phases"][name]["status"] for name in ("track", "stack")] == ["reused", "ran"]
    np.testing.assert_allclose(softer.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=0.002)
    assert np.abs(np.diff(softer, axis=1)).mean() < np.abs(np.diff(image, axis=1)).mean()


def test_a_pattern_can_be_declared_and_a_crop_at_odd_offsets_keeps_the_colours(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    write(tmp_path / "moon.ser", mosaicked(frames, "RGGB"))  # says that it is mono
    summary, recognised = cli.stack("moon.ser")
    assert any("raw colour, although the file says mono" in note for note in summary["notes"])
    summary, grey = cli.stack("moon.ser", "--cfa", "RGGB", "--grey")
    np.testing.assert_array_equal(recognised, grey)
    assert summary["notes"] == []
    _, image = cli.stack("moon.ser", "--cfa", "RGGB", "--roi", "7,11,160,201")
    assert image.shape[2] == 3
    np.testing.assert_allclose(hue(image), TINT, atol=0.02)


def test_a_pattern_on_frames_with_channels_is_refused(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    write(tmp_path / "moon.ser", tinted(frames[:3]), "RGB")
    status, _, error = cli("stack", "moon.ser", "--cfa", "RGGB")
    assert status == 2
    assert error.strip().endswith("has colour channels already: leave --cfa out")


def test_dark_flat_and_hot_pixels_are_taken_out(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    """A camera with an uneven field, an offset and hot pixels gives the stack of a perfect one."""
    _, height, width = frames.shape
    y, x = np.mgrid[:height, :width]
    vignette = 1 - 0.4 * ((y - height / 2) ** 2 + (x - width / 2) ** 2) / (width / 2) ** 2 / 1.6
    pattern = 12 + 6 * (x % 7 == 3)
    hot = np.zeros((height, width))
    hot[RNG.integers(20, height - 20, 40), RNG.integers(20, width - 20, 40)] = 90.0

    def camera(light: AnyArray) -> AnyArray:
        seen = light * vignette + pattern + hot + RNG.normal(0, 0.6, light.shape)
        return np.rint(seen).clip(0, 255).astype(np.uint8)

    scene = frames * 0.7
    write(tmp_path / "moon.ser", camera(scene))
    write(tmp_path / "covered.ser", camera(np.zeros((60, height, width))))
    write(tmp_path / "sky.ser", camera(np.full((60, height, width), 150.0)))
    assert cli("dark", "covered.ser", "-o", "dark.tif")[0] == 0
    status, out, _ = cli("flat", "sky.ser", "--dark", "dark.tif", "-o", "flat.tif")
    assert status == 0
    assert "master flat, 240 x 180 px, mean of 60 frames" in out
    dark = tifffile.imread(tmp_path / "dark.tif")
    assert dark.dtype == np.float32
    np.testing.assert_allclose(dark * 255, pattern + hot, atol=0.5)

    write(tmp_path / "perfect.ser", np.rint(scene).astype(np.uint8))
    on_canvas = {}
    masters = ("--dark", "dark.tif", "--flat", "flat.tif")
    for name, *flags in (("perfect",), ("moon",), ("moon", *masters)):
        summary, image = cli.stack(f"{name}.ser", "--reference", 12, *flags)
        region = summary["region"]
        canvas = np.full((height, width), np.nan)
        canvas[region["y"] :, region["x"] :][: region["height"], : region["width"]] = image
        on_canvas[(name, *flags)] = canvas[24:-24, 24:-24]
    perfect, raw, calibrated = on_canvas.values()
    assert any("hot pixels are replaced" in note for note in summary["notes"])
    apart = {
        name: np.abs(_fitted(found, perfect) - perfect).mean()
        for name, found in (("raw", raw), ("calibrated", calibrated))
    }
    assert apart["calibrated"] < 0.006
    assert apart["calibrated"] < apart["raw"] / 4


def _fitted(image: AnyArray, like: AnyArray) -> AnyArray:
    """Fit brightness, whose scale depends on the mean of the flat."""
    slope, offset = np.polyfit(image.ravel(), like.ravel(), 1)
    return slope * image + offset


def test_a_flat_of_another_size_and_a_dark_too_bright_are_refused(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    write(tmp_path / "moon.ser", frames[:4])
    tifffile.imwrite(tmp_path / "flat.tif", np.full((100, 240), 0.5, np.float32))
    tifffile.imwrite(tmp_path / "dark.tif", np.full((180, 240), 0.99, np.float32))
    status, _, error = cli("stack", "moon.ser", "--flat", "flat.tif", *SMALL)
    assert (status, error.count("\n")) == (2, 1)
    assert "flat.tif is 240 x 100 px" in error
    status, _, error = cli("stack", "moon.ser", "--dark", "dark.tif", *SMALL)
    assert (status, error.count("\n")) == (2, 1)
    assert "dark.tif" in error


def test_selected_frames_keep_their_numbers_in_the_table(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    write(tmp_path / "moon.ser", frames)
    flags = ("--frames", "4:36", "--exclude", "7,20:25")
    summary, image = cli.stack("moon.ser", *flags, "--table", "--composite")
    assert summary["frames"] == 26
    assert [name.split("/")[-1] for name in summary["files"]] == [
        "out_composite.tif",
        "out_frame_quality.txt",
        "out_frame_quality.csv",
        "out_frames.csv",
        "out_points.csv",
    ]
    assert tifffile.imread(tmp_path / "out_composite.tif").shape == image.shape
    table = tmp_path / "out_frame_quality.txt"
    *_, rows = table.read_text().partition("Frame;Active frame;Quality\n")
    rows = [line.split(";") for line in rows.splitlines()]
    assert [int(row[0]) for row in rows] == list(range(4, 36))
    excluded = [int(row[0]) for row in rows if row[1] == "-1"]
    assert excluded == [7, 20, 21, 22, 23, 24]
    stacked = [row for row in rows if row[1] != "-1"]
    assert [int(row[1]) for row in stacked] == list(range(26))
    values = [float(row[2]) for row in stacked]
    assert (min(values), max(values)) == (0.0, 1.0)
    # The table says which frames to use: the same frames again give the same stack.
    again, same = cli.stack("moon.ser", "--frames", "4:36", "--active-flags", table)
    assert {phase["status"] for phase in again["phases"].values()} == {"reused"}
    np.testing.assert_array_equal(image, same)


def test_what_a_job_reads_is_never_overwritten(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, frame in enumerate(frames[:4]):
        tifffile.imwrite(folder / f"{number}.tif", frame)
    write(tmp_path / "moon.ser", frames[:4])
    tifffile.imwrite(tmp_path / "dark.tif", np.zeros((180, 240), np.float32))
    (tmp_path / "out_frames.csv").write_text("1111")
    (tmp_path / "out_points.csv").write_text("90,120")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    for arguments, words in [
        (("stack", "shots", "-o", "shots/2.tif"), "shots/2.tif is the input, or would be"),
        (("stack", "shots", "-o", "shots/new.tif"), "shots/new.tif is the input, or would be"),
        (("stack", "shots/*.tif", "-o", "shots/2.tif"), "shots/2.tif is the input, or would be"),
        (("stack", "moon.ser", "-o", "dark.tif", "--dark", "dark.tif"), "is read in this job"),
        (("flat", "moon.ser", "-o", "dark.tif", "--dark", "dark.tif"), "is read in this job"),
        (
            ("stack", "moon.ser", "-o", "out.tif", "--table", "--active-flags",
             "out_frames.csv"),
            "out_frames.csv is read in this job",
        ),
        (
            ("stack", "moon.ser", "-o", "out.tif", "--table", "--points-file", "out_points.csv"),
            "out_points.csv is read in this job",
        ),
    ]:  # fmt: skip
        status, _, error = cli(*arguments)
        assert (status, error.count("\n")) == (1, 1)
        assert words in error
    assert {path: path.read_bytes() for path in before} == before


def test_a_video_given_as_a_master_is_told_how_to_make_one(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    write(tmp_path / "moon.ser", frames[:4])
    status, _, error = cli("stack", "moon.ser", "--flat", "moon.ser", *SMALL)
    assert status == 2
    assert "is a video: make a master flat of it with skry flat" in error


def test_notes_tell_what_has_no_effect(frames: AnyArray, tmp_path: Path, cli: CommandLine) -> None:
    write(tmp_path / "moon.ser", frames)
    summary, _ = cli.stack("moon.ser", "--align-channels")
    assert "align_channels has nothing to align: the stack is grey" in summary["notes"]
    summary, _ = cli.stack("moon.ser", "--demosaic", "bilinear")
    assert "demosaic has nothing to do: frames are not raw colour" in summary["notes"]
    equal = np.repeat(frames[..., None], 3, axis=3)
    write(tmp_path / "rgb.ser", equal, "RGB")
    summary, image = cli.stack("rgb.ser")
    assert image.ndim == 2
    assert any("green and blue are equal" in note for note in summary["notes"])
    equal[..., 0] ^= 1
    write(tmp_path / "pale.ser", equal, "RGB")
    summary, _ = cli.stack("pale.ser")
    assert any("hardly any colour: --grey" in note for note in summary["notes"])


def test_the_first_decoding_is_not_called_reuse(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    for number, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"{number}.tif", frame)
    for expected in ("ran", "reused"):
        summary, _ = cli.stack("[0-9]*.tif")
        assert summary["phases"]["import"]["status"] == expected


def test_several_images_are_one_capture(frames: AnyArray, tmp_path: Path, cli: CommandLine) -> None:
    names = []
    for number, frame in enumerate(frames):
        names.append(f"moon_{number}.tif")
        tifffile.imwrite(tmp_path / names[-1], frame)
    write(tmp_path / "video.ser", frames)
    _, expected = cli.stack("video.ser")
    summary, image = cli.stack(*names)
    assert summary["frames"] == 40
    np.testing.assert_array_equal(image, expected)
    _, by_pattern = cli.stack("moon_*.tif")
    np.testing.assert_array_equal(by_pattern, expected)


def test_info_tells_colour_and_the_bits_in_use(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    left_aligned = frames.astype(np.uint16)[:3] << 8
    write(tmp_path / "raw.ser", left_aligned, "GRBG", bits=16)
    found = json.loads(cli("info", "raw.ser", "--json")[1])
    assert (found["colour"], found["bits"]) == ("raw GRBG", 16)
    assert (found["used_bits"], found["trailing_zero_bits"]) == (16, 8)
    found = json.loads(cli("info", "raw.ser", "--json", "--cfa", "none")[1])
    assert found["colour"] == "mono"


def test_the_depth_that_the_user_states_is_white(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    deep = frames.astype(np.uint16) << 4  # 12 bits in a file that says 16
    write(tmp_path / "deep.ser", deep, bits=16)
    _, dim = cli.stack("deep.ser")
    _, bright = cli.stack("deep.ser", "--bits", 12)
    np.testing.assert_allclose(bright, dim * (65535 / 4095), atol=3e-4)


def test_all_bits_go_through_every_phase(
    frames: AnyArray, tmp_path: Path, cli: CommandLine
) -> None:
    """Of 16 bits, the lower eight still show in the stack."""
    ramp = np.linspace(0, 200, frames.shape[2]).astype(np.uint16)
    deep = frames[:8].astype(np.uint16) * 256 + ramp
    path = write(tmp_path / "deep.ser", deep, bits=16)
    np.testing.assert_array_equal(SerReader(path).read(0, 8), deep)
    capture = skry.open_capture(path)
    options = skry.AlignOptions(anchor_size=32)
    alignment = skry.align(capture, options)
    quality = skry.estimate_quality(capture, alignment)
    points = skry.track(capture, alignment, quality)
    everything = skry.StackOptions(percent=100)
    whole = skry.stack(capture, alignment, quality, points, everything)["stack"].to_numpy()
    coarse = capture.assign(frames=capture["frames"] // 256 * 256)
    cut = skry.stack(coarse, alignment, quality, points, everything)["stack"].to_numpy()
    assert whole[20:-20, 20:-20].std() > 0
    difference = (whole - cut)[20:-20, 20:-20] * 65535
    np.testing.assert_allclose(difference.mean(axis=0)[[0, -1]], ramp[[25, -25]], atol=25)
