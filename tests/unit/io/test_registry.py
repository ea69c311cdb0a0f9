"""The content of a file chooses its reader; what cannot be read is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from PIL import Image

from skry_dask.errors import ReaderError
from skry_dask.io.images.sequence import SequenceReader
from skry_dask.io.raw.avi import AviReader, write_avi
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.io.registry import open_reader
from skry_dask.io.video.ffmpeg import PyAvReader

if TYPE_CHECKING:
    from collections.abc import Callable

GREY = np.random.default_rng(4).integers(0, 256, (3, 16, 20), np.uint8)


def make_ser(path: Path) -> None:
    write_ser(path, GREY, n_frames=3, height=16, width=20, bits=8)


def make_avi(path: Path) -> None:
    write_avi(path, GREY, n_frames=3, height=16, width=20)


def make_video(path: Path) -> None:
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 20, 16, "gray"
        for image in GREY:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))


READERS: dict[Callable[[Path], None], type] = {
    make_ser: SerReader,
    make_avi: AviReader,
    make_video: PyAvReader,
}


def refused(path: Path) -> str:
    with pytest.raises(ReaderError) as caught:
        open_reader(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# --- choosing a reader ----------------------------------------------------------------------------


def test_the_content_and_not_the_suffix_chooses_the_reader(tmp_path: Path) -> None:
    for make, reader in READERS.items():
        make(tmp_path / "capture")
        for name in ("moon.ser", "moon.avi", "moon.mp4", "moon", "moon.ser.txt"):
            path = (tmp_path / "capture").rename(tmp_path / name)
            assert type(open_reader(path)) is reader, name
            assert type(open_reader(os.fspath(path))) is reader, name
            path.rename(tmp_path / "capture")
        (tmp_path / "capture").unlink()


def test_a_single_image_is_a_capture_of_one_frame_whatever_its_name(tmp_path: Path) -> None:
    for suffix in ("png", "tif", "bmp", "jpg"):
        Image.fromarray(GREY[0]).save(tmp_path / f"moon.{suffix}")
        path = (tmp_path / f"moon.{suffix}").replace(tmp_path / "moon.ser")
        reader = open_reader(path)
        assert isinstance(reader, SequenceReader), suffix
        assert reader.info.n_frames == 1
        assert reader.files == (reader.path,) == (path,)


def test_folders_patterns_and_lists_are_sequences(tmp_path: Path) -> None:
    for k in range(3):
        Image.fromarray(GREY[k]).save(tmp_path / f"{k}.png")
    files = tuple(tmp_path / f"{k}.png" for k in range(3))
    for source in (tmp_path, os.fspath(tmp_path), f"{tmp_path}/*.png", files, list(files)):
        reader = open_reader(source)
        assert isinstance(reader, SequenceReader)
        assert reader.files == files
        assert np.array_equal([frame.image for frame in reader.decode()], GREY)


# --- options --------------------------------------------------------------------------------------


def test_the_byte_order_of_a_ser_file_can_be_given(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 3
    write_ser(tmp_path / "moon.ser", deep, n_frames=3, height=16, width=20, bits=16)
    for byte_order, expected in (("little", deep), ("big", deep.byteswap())):
        reader = open_reader(tmp_path / "moon.ser", byte_order=byte_order)  # type: ignore[arg-type]
        assert isinstance(reader, SerReader)
        assert np.array_equal(reader.read(0, 3), expected)


def test_compressed_video_and_images_can_be_read_as_grey(tmp_path: Path) -> None:
    colour = np.stack([GREY[0]] * 3, axis=-1)
    with av.open(str(tmp_path / "moon.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 20, 16, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(colour, format="rgb24")))
        container.mux(stream.encode())
    Image.fromarray(colour).save(tmp_path / "moon.png")
    for name in ("moon.mkv", "moon.png"):
        assert open_reader(tmp_path / name).info.channels == 3
        reader = open_reader(tmp_path / name, grey=True)
        assert isinstance(reader, PyAvReader | SequenceReader)
        assert reader.info.channels == 1
        assert np.array_equal(next(reader.decode()).image, GREY[0])


# --- refusals -------------------------------------------------------------------------------------


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "check the path" in refused(tmp_path / "moon.ser")
    make_ser(tmp_path / "file")
    assert "check the path" in refused(tmp_path / "file" / "moon.ser")
    assert "check the path" in refused(tmp_path / ("m" * 300))


def test_an_empty_folder_is_refused_with_what_can_be_read(tmp_path: Path) -> None:
    message = refused(tmp_path)
    assert "is a folder without images" in message
    assert "TIFF, PNG, BMP, FITS or JPEG images, or a video" in message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "moon.ser").touch()
    assert "is empty" in refused(tmp_path / "moon.ser")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "moon.ser")
    assert "not a file but a device or a pipe" in refused(tmp_path / "moon.ser")


def test_a_text_file_is_refused_with_its_beginning(tmp_path: Path) -> None:
    for name in ("moon.ser", "moon.avi", "moon.mp4", "moon"):
        (tmp_path / name).write_text("hello world, this is no video\n")
        message = refused(tmp_path / name)
        assert "it begins with b'hello world, t'" in message, name
        assert ("is not a SER file" in message) == (name == "moon.ser")
    (tmp_path / "moon.ser").write_bytes(b"x")
    assert "it begins with b'x'" in refused(tmp_path / "moon.ser")


def test_an_avi_file_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "moon.avi"
    make_avi(path)
    path.write_bytes(path.read_bytes()[:100])
    assert "its header is damaged" in refused(path)


@pytest.mark.parametrize("make", READERS)
def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "moon.ser"
    make(path)
    reader = open_reader(path)

    # Not by permissions of the file: the tests may be run by root, who may read everything.
    def denied(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied; ask for permission" in refused(path)
    with pytest.raises(ReaderError, match="Permission denied"):
        next(reader.decode()) if isinstance(reader, PyAvReader) else reader.read(0, 1)  # type: ignore[union-attr]


def test_a_failing_disk_is_an_error_of_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "moon.ser"
    make_ser(path)
    reader = SerReader(path)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("skry_dask.io.raw.ser.read_into", broken)
    with pytest.raises(ReaderError, match="Input/output error; check the disk"):
        reader.read(0, 1)
