"""Images are frames: in order, on one scale, and a damaged image costs one frame."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.images.sequence import SequenceReader
from skry_dask.io.registry import open_reader
from tests import image_bytes
from tests.image_captures import GREY8, GREY16, RGB8, RGB16, frames_of, one_frame, refused

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(22)
GREY_PNG = image_bytes.png(GREY8[..., None], 8, 0)


def write_pngs(folder: Path, *names: str) -> None:
    """Write images whose value is their number."""
    for k, name in enumerate(names):
        (folder / name).write_bytes(image_bytes.png(np.full((3, 4, 1), k, np.uint8), 8, 0))


# --- the scale ------------------------------------------------------------------------------------


def float_images(folder: Path, *images: object) -> SequenceReader:
    for k, image in enumerate(images):
        (folder / f"{k}.tif").write_bytes(image_bytes.tiff([np.asarray(image, np.float32)]))
    return SequenceReader(folder)


def test_the_first_image_decides_the_scale_of_all(tmp_path: Path) -> None:
    reader = float_images(tmp_path, [[0.0, 0.5]], [[1.0, 0.25]])
    assert reader.info.attrs["scale"] == "1.0 is 65535"
    assert (reader.info.dtype, reader.info.bits) == ("uint16", 16)
    assert [frame.image.tolist() for frame in reader.decode()] == [[[0, 32768]], [[65535, 16384]]]


def test_floating_point_grey_levels_are_rounded(tmp_path: Path) -> None:
    reader = float_images(tmp_path, [[0.0, 1000.4]], [[0.6, 65535.0]])
    assert reader.info.attrs["scale"] == "grey levels"
    assert [frame.image.tolist() for frame in reader.decode()] == [[[0, 1000]], [[1, 65535]]]


def test_values_outside_the_scale_are_clipped_and_reported(tmp_path: Path) -> None:
    reader = float_images(tmp_path, [[0.0, 1.0, 0.5]], [[-0.1, 1.5, np.nan]])
    good, clipped = reader.decode()
    assert good.problem is None
    assert clipped.image.tolist() == [[0, 65535, 0]]
    assert str(clipped.problem).startswith("3 values of ")
    assert "1.tif are not in 0...1 and were clipped" in str(clipped.problem)


def test_signed_integers_are_grey_levels(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(image_bytes.tiff([np.array([[-5, 7]], np.int16)]))
    (frame,) = frames_of(tmp_path / "a.tif")
    assert frame.image.tolist() == [[0, 7]]
    assert "1 values of" in str(frame.problem)


def test_colour_becomes_grey_by_bt601(tmp_path: Path) -> None:
    weights = np.array([19595, 38470, 7471], object)
    for image in (RGB8, RGB16, np.full((3, 3, 3), 65535, np.uint16)):
        grey = one_frame(tmp_path / "a.tif", image_bytes.tiff([image]), grey=True)
        expected = ((image.astype(object) * weights).sum(2) + 32768) // 65536
        assert np.array_equal(grey, expected)
        assert open_reader(tmp_path / "a.tif", grey=True).info.channels == 1
        assert open_reader(tmp_path / "a.tif").info.channels == 3


# --- images of one kind ---------------------------------------------------------------------------


def test_the_first_image_that_differs_is_named(tmp_path: Path) -> None:
    for other, words in (
        (image_bytes.png(GREY8[:, :-1, None], 8, 0), "12 x 11 px in grey (uint8, 8 bits)"),
        (image_bytes.png(RGB8, 8, 2), "13 x 11 px in colour (uint8, 8 bits)"),
        (image_bytes.png(GREY16[..., None], 16, 0), "13 x 11 px in grey (uint16, 16 bits)"),
    ):
        for k in range(12):
            (tmp_path / f"f{k}.png").write_bytes(GREY_PNG if k < 9 else other)
        message = refused(tmp_path)
        assert message.startswith(f"{tmp_path / 'f9.png'} is not like")
        assert f"it has {words}" in message
        assert "f0.png 13 x 11 px in grey (uint8, 8 bits)" in message


def test_images_of_another_bayer_pattern_are_refused(tmp_path: Path) -> None:
    for k, pattern in enumerate(["RGGB", "RGGB", "BGGR"]):
        cards = {"BAYERPAT": pattern, "ROWORDER": "TOP-DOWN"}
        (tmp_path / f"{k}.fits").write_bytes(image_bytes.fits(GREY8, cards))
    assert "2.fits is not like" in refused(tmp_path)


# --- damaged images -------------------------------------------------------------------------------


def test_images_that_are_empty_or_cut_off_are_reported_at_opening(tmp_path: Path) -> None:
    large = RNG.integers(0, 256, (90, 70), np.uint8)
    for number, (suffix, content) in enumerate(
        (
            ("png", image_bytes.png(RGB8, 8, 2)),
            ("png", image_bytes.png(GREY16[..., None], 16, 0)),
            ("bmp", image_bytes.bmp(RGB8, 24)),
            ("tif", image_bytes.tiff([GREY16])),
            ("fits", image_bytes.fits(large, {"ROWORDER": "TOP-DOWN"})),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("1", "2", "3"):
            (folder / f"{name}.{suffix}").write_bytes(content)
        for n_bytes in (0, int(0.6 * len(content))):
            (folder / f"2.{suffix}").write_bytes(content[:n_bytes])
            (problem,) = open_reader(folder).info.problems
            assert f"2.{suffix}" in problem
            assert problem.endswith(".")
            assert n_bytes or "is empty" in problem
            assert [frame.image is None for frame in frames_of(folder)] == [False, True, False]
        (folder / f"2.{suffix}").write_bytes(content)
        assert open_reader(folder).info.problems == ()


def test_a_damaged_image_in_the_middle_costs_one_frame(tmp_path: Path) -> None:
    write_pngs(tmp_path, "1.png", "2.png", "3.png")
    for content in (b"", b"no image", GREY_PNG[:40]):
        (tmp_path / "2.png").write_bytes(content)
        first, damaged, last = frames_of(tmp_path)
        assert (first.image[0, 0], damaged.image, last.image[0, 0]) == (0, None, 2)
        assert "2.png" in str(damaged.problem)
        assert "\n" not in str(damaged.problem)


def test_a_missing_file_of_a_list_costs_its_frame(tmp_path: Path) -> None:
    write_pngs(tmp_path, "1.png", "3.png")
    frames = frames_of([tmp_path / f"{k}.png" for k in (1, 2, 3)])
    assert "2.png: No such file or directory" in str(frames[1].problem)


def test_a_sequence_of_damaged_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "2.png").write_bytes(b"nor this")
    assert "1.png is no TIFF, PNG" in refused(tmp_path)
    floats = np.linspace(0, 1, 429, dtype=np.float32).reshape(11, 13, 3)
    damaged = bytearray(image_bytes.tiff([floats], deflate=True))
    damaged[20:60] = bytes(40)
    (tmp_path / "a.tif").write_bytes(damaged)
    assert "a.tif cannot be read as TIFF" in refused(tmp_path / "a.tif")


def test_an_image_that_changes_after_opening_costs_its_frame(tmp_path: Path) -> None:
    write_pngs(tmp_path, "1.png", "2.png")
    reader = open_reader(tmp_path)
    (tmp_path / "2.png").write_bytes(image_bytes.png(RGB8, 8, 2))
    assert "2.png has changed" in list(reader.decode())[1].problem
    (tmp_path / "2.png").unlink()
    assert "No such file" in list(reader.decode())[1].problem


def test_a_sequence_travels_to_other_processes(tmp_path: Path) -> None:
    write_pngs(tmp_path, "1.png", "2.png")
    copy = pickle.loads(pickle.dumps(open_reader(tmp_path)))
    assert [frame.image[0, 0] for frame in copy.decode()] == [0, 1]
