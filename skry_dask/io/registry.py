"""Choosing the reader of a capture, by the content of the file and not by its suffix.

Readers follow one of the two protocols of `skry_dask.io.reader`. To add a video format, write a
module with a reader and recognise the format in `open_reader`. To add an image format, see
`skry_dask.io.images.image_format`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from skry_dask.errors import ReaderError
from skry_dask.io.files import file_size, is_folder, open_for_reading
from skry_dask.io.remote_file import PinnedFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skry_dask.io.reader import RawReader, VideoReader


def open_reader(
    source: str | os.PathLike[str] | PinnedFile | Iterable[str | os.PathLike[str]],
    *,
    byte_order: Literal["little", "big"] | None = None,
    grey: bool = False,
) -> RawReader | VideoReader:
    """Open a capture with the reader for its content.

    Parameters
    ----------
    source
        A video file; an image file; a folder of images; a pattern of image files such as
        ``shots/frame_*.png``, unless a file has exactly this name; or paths of image files. A raw
        video may be at a URL.
    byte_order
        Byte order of 16-bit samples in a SER file, whose own flag is not reliable; None to detect
        it. Other formats state it themselves.
    grey
        Whether to convert colour of compressed video and of images to grey. Raw video stays as it
        is.

    Returns
    -------
    RawReader or VideoReader
        RawReader for SER and uncompressed AVI, whose frames can be read in any order; VideoReader
        for all others, which have to be decoded from the beginning.

    Raises
    ------
    ReaderError
        If there is no such file, or it is no capture that can be read.

    Examples
    --------
    >>> reader = open_reader("moon.ser")
    >>> reader.info.n_frames, reader.info.problems
    (16, ())
    """
    from skry_dask.io.containers.avi import is_avi, read_avi_header
    from skry_dask.io.images.camera_raw import refuse_camera_raw
    from skry_dask.io.images.formats import HEAD_BYTES, find_image_format, has_image_suffix
    from skry_dask.io.images.image_files import is_pattern
    from skry_dask.io.images.sequence import SequenceReader
    from skry_dask.io.raw.avi import AviReader
    from skry_dask.io.raw.avi_layout import is_uncompressed
    from skry_dask.io.raw.ser import SerReader
    from skry_dask.io.raw.ser_header import HEADER_BYTES, is_ser
    from skry_dask.io.video.ffmpeg import PyAvReader

    if isinstance(source, PinnedFile):
        return _open_at_url(source, byte_order)
    if not isinstance(source, str | os.PathLike) or is_pattern(source) or is_folder(Path(source)):
        return SequenceReader(source, grey=grey)
    path = Path(source)
    size = _file_size(path)
    with open_for_reading(path) as file:
        head = file.read(max(HEADER_BYTES, HEAD_BYTES))
        if is_avi(head) and is_uncompressed(read_avi_header(file, size, path)):
            return AviReader(path)
    if is_ser(head, size):
        return SerReader(path, byte_order=byte_order)
    refuse_camera_raw(path, head)
    if find_image_format(head):
        return SequenceReader(path, grey=grey)
    try:
        return PyAvReader(path, grey=grey)
    except ReaderError:
        # The suffix says what a damaged file was meant to be; these readers name what is wrong.
        if path.suffix.lower() == ".ser":
            return SerReader(path)
        if has_image_suffix(path):
            return SequenceReader(path)
        raise


def _open_at_url(file: PinnedFile, byte_order: Literal["little", "big"] | None) -> RawReader:
    """Open a raw video at a URL."""
    from skry_dask.io.containers.avi import is_avi, read_avi_header
    from skry_dask.io.raw.avi import AviReader
    from skry_dask.io.raw.avi_layout import is_uncompressed
    from skry_dask.io.raw.ser import SerReader
    from skry_dask.io.raw.ser_header import HEADER_BYTES, is_ser

    with open_for_reading(file) as remote:
        head = remote.read(HEADER_BYTES)
        if is_avi(head) and is_uncompressed(read_avi_header(remote, file.size, file)):
            return AviReader(file)
    if is_ser(head, file.size) or file.suffix.lower() == ".ser":
        return SerReader(file, byte_order=byte_order)
    raise ReaderError(
        f"{file} is no SER and no uncompressed AVI, which are read at URLs: copy it here, "
        "or import it into a store"
    )


def _file_size(path: Path) -> int:
    """Return the size of a file, bytes; refuse devices, pipes and empty files."""
    size = file_size(path)
    if not size:
        raise ReaderError(f"{path} is empty; record or copy it again")
    return size
