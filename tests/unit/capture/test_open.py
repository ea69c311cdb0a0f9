"""Captures opened: what is known of them, where they are kept, and stores at a URL."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import xarray as xr

import skry_dask as skry
from skry_dask.capture.source import group_images, sidecar
from skry_dask.cli.info import depth_in_words, inspect_capture
from skry_dask.errors import OptionsError, ReaderError, StoreError
from skry_dask.io.raw.ser import write_ser
from skry_dask.options import ReadOptions, SelectOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.types import AnyArray

RNG = np.random.default_rng(6)


def ser(path: Path, frames: AnyArray, colour: str = "mono", bits: int = 8) -> Path:
    n_frames, height, width = frames.shape[:3]
    write_ser(path, frames, n_frames=n_frames, height=height, width=width, bits=bits, colour=colour)
    return path


@pytest.fixture
def rgb() -> AnyArray:
    return RNG.integers(0, 256, (7, 10, 12, 3)).astype(np.uint8)


@pytest.fixture
def mosaic() -> AnyArray:
    return RNG.integers(0, 4096, (9, 10, 12)).astype(np.uint16)


def test_colour_frames_have_channels_with_names(rgb: AnyArray, tmp_path: Path) -> None:
    capture = skry.open_capture(ser(tmp_path / "a.ser", rgb, "RGB"))
    assert capture["frames"].dims == ("frame", "y", "x", "channel")
    np.testing.assert_array_equal(capture["frames"].sel(channel="blue"), rgb[..., 2])
    engine = xr.open_dataset(tmp_path / "a.ser", engine="skry")
    np.testing.assert_array_equal(engine["frames"][3:5], rgb[3:5])
    np.testing.assert_array_equal(skry.as_zarr(tmp_path / "a.ser")["frames"][2:], rgb[2:])


def test_raw_colour_says_its_pattern(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, "GRBG", 12)
    capture = skry.open_capture(path)
    assert capture.attrs["cfa"] == "GRBG"
    assert capture["frames"].dims == ("frame", "y", "x")
    assert "cfa" not in skry.open_capture(ser(tmp_path / "b.ser", mosaic, bits=12)).attrs


def test_what_the_user_knows_better_changes_the_digest(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    reads = [
        None,
        ReadOptions(cfa="RGGB"),
        ReadOptions(cfa="BGGR"),
        ReadOptions(bits=14),
        ReadOptions(grey=True),
        ReadOptions(byte_order="big"),
    ]
    digests = [skry.open_capture(path, read).attrs["digest"] for read in reads]
    assert len(set(digests)) == len(reads)
    assert skry.open_capture(path, ReadOptions()).attrs["digest"] == digests[0]


def test_a_byte_order_can_be_stated(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    swapped = skry.open_capture(path, ReadOptions(byte_order="big"))
    np.testing.assert_array_equal(swapped["frames"], mosaic.byteswap())


def test_more_bits_than_samples_have_are_refused(rgb: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", rgb, "RGB")
    with pytest.raises(OptionsError, match=r"bits is 12, but .*a.ser has samples of 8 bits"):
        skry.open_capture(path, ReadOptions(bits=12))


def test_a_selection_reaches_the_file(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    part = skry.open_capture(path, None, SelectOptions(frames="2:8", exclude="4", roi="1,2,6,8"))
    expected = mosaic[[2, 3, 5, 6, 7], 1:7, 2:10]
    np.testing.assert_array_equal(part["frames"], expected)
    assert part["frame"].values.tolist() == [2, 3, 5, 6, 7]
    assert (int(part["y"][0]), int(part["x"][0])) == (1, 2)


def test_an_imported_capture_remembers_how_it_was_read(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    store = tmp_path / "kept.skry"
    kept = skry.import_capture(path, store, ReadOptions(cfa="GBRG"))
    assert kept.attrs["cfa"] == "GBRG"
    assert skry.open_capture(store).attrs["cfa"] == "GBRG"
    np.testing.assert_array_equal(kept["frames"], mosaic)


def test_colour_frames_are_kept_in_a_store(rgb: AnyArray, tmp_path: Path) -> None:
    kept = skry.import_capture(ser(tmp_path / "a.ser", rgb, "RGB"), tmp_path / "kept.skry")
    assert kept["frames"].dims[-1] == "channel"
    np.testing.assert_array_equal(kept["frames"], rgb)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("night/moon.ser", "moon.skry"),
        ("night/moon_*.png", "moon.skry"),
        (["night/a_01.png", "night/a_02.png"], "a_01.skry"),
        ("night/*.png", "night.skry"),
    ],
)
def test_results_lie_beside_their_source(
    source: str | list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = sidecar(source)
    assert (place.parent.name, place.name) == ("night", name)


def test_a_folder_of_images_has_its_store_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "2026.11.22 moon"
    folder.mkdir()
    assert sidecar(folder) == tmp_path / "2026.11.22 moon.skry"


def test_single_images_are_grouped_and_everything_else_is_not(tmp_path: Path) -> None:
    images = []
    for i in range(3):
        images.append(str(tmp_path / f"{i}.tif"))
        tifffile.imwrite(images[-1], np.zeros((8, 9), np.uint8))
    pages = str(tmp_path / "pages.tif")
    tifffile.imwrite(pages, np.zeros((3, 8, 9), np.uint8), photometric="minisblack")
    assert group_images(images) == [images]
    assert group_images(images[:1]) == images[:1]
    assert group_images([*images, pages]) == [*images, pages]
    assert group_images(["a.ser", "b.ser"]) == ["a.ser", "b.ser"]
    # One that is missing is told as a missing image, not taken for another job.
    with_missing = [*images, str(tmp_path / "none.tif")]
    assert group_images(with_missing) == [with_missing]


def test_info_does_not_decode_a_video_for_its_depth(mosaic: AnyArray, tmp_path: Path) -> None:
    found = inspect_capture(ser(tmp_path / "a.ser", mosaic << 4, "BGGR", 16))
    assert found["colour"] == "raw BGGR"
    assert (found["bits"], found["used_bits"], found["trailing_zero_bits"]) == (16, 16, 4)
    assert found["samples"] == "12 of 16 bits, left-aligned"
    assert "digest" not in found


def test_the_bits_in_use_are_told_in_words() -> None:
    assert depth_in_words(0x0FFF, 16)["samples"] == (
        "12 of 16 bits, right-aligned: --bits 12 makes them full scale"
    )
    assert depth_in_words(0xFFF0, 16)["samples"] == "12 of 16 bits, left-aligned"
    assert depth_in_words(0xFFFF, 16)["samples"] == "all of 16 bits"


def test_a_depth_that_samples_exceed_is_told(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    capture = skry.open_capture(path, ReadOptions(bits=10))
    assert (
        "Samples reach 12 bits: with --bits 10 they are brighter" in capture.attrs["problems"][-1]
    )
    assert inspect_capture(path, ReadOptions(bits=10))["header_bits"] == 12
    assert skry.open_capture(path, ReadOptions(bits=14)).attrs["problems"] == []


def test_the_engine_takes_reading_options(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    assert xr.open_dataset(path, engine="skry", cfa="RGGB").attrs["cfa"] == "RGGB"


# --- stores at a URL -----------------------------------------------------------------------------


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Parts(_Quiet):
    """Python's own server knows no parts of files."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else len(content) - int(last)
        stop = min(int(last) + 1, len(content)) if first and last else len(content)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(content[start:stop])


@pytest.fixture(params=[_Parts])
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder over HTTP on the loopback interface."""
    handler = functools.partial(request.param, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_store_is_read_from_its_url(rgb: AnyArray, tmp_path: Path, served: str) -> None:
    kept = skry.import_capture(ser(tmp_path / "a.ser", rgb, "RGB"), tmp_path / "kept.skry")
    capture = skry.open_capture(f"{served}/kept.skry")
    np.testing.assert_array_equal(capture["frames"], rgb)
    assert capture.attrs["digest"] == kept.attrs["digest"]


def test_a_piece_that_a_remote_store_has_lost_is_an_error(
    rgb: AnyArray, tmp_path: Path, served: str
) -> None:
    skry.import_capture(ser(tmp_path / "a.ser", rgb, "RGB"), tmp_path / "kept.skry")
    (tmp_path / "kept.skry/frames/c/0/0/0/0").unlink()
    capture = skry.open_capture(f"{served}/kept.skry")
    with pytest.raises(StoreError, match="has lost a piece of its frames"):
        capture["frames"].compute()


@pytest.mark.parametrize("served", [_Quiet], indirect=True)
def test_a_server_that_cannot_give_parts_of_files_is_told(
    rgb: AnyArray, tmp_path: Path, served: str
) -> None:
    skry.import_capture(ser(tmp_path / "a.ser", rgb, "RGB"), tmp_path / "kept.skry")
    capture = skry.open_capture(f"{served}/kept.skry")
    with pytest.raises(StoreError, match=r"check .* that the server allows to read parts of files"):
        capture["frames"].compute()


def test_a_url_without_a_store_is_told(served: str) -> None:
    with pytest.raises(StoreError, match="not a store"):
        skry.open_capture(f"{served}/nothing.skry")


def test_results_without_frames_are_no_capture(moon_ser: Path, tmp_path: Path) -> None:
    skry.run(moon_ser, anchor_size=32, store=tmp_path / "results.skry")
    with pytest.raises(ReaderError, match="holds results, no frames"):
        skry.open_capture(tmp_path / "results.skry")
