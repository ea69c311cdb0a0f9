"""Compressed video, decoded by FFmpeg through PyAV.

A compressed video has no frame that can be found by itself and no frame count that can be relied
upon, so it is decoded once, from its beginning to its end. Packets are decoded one by one: one that
is damaged costs its own frame and not the job.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.files import reading
from skry_dask.io.grey import is_limited_range, sample_dtype, to_grey
from skry_dask.io.reader import CaptureInfo, DecodedFrame
from skry_dask.io.riff import is_avi, read_avi_header

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from skry_dask.types import Frames

# FFmpeg also opens playlists, which name other files and addresses, text (as a terminal's picture)
# and single images. None of these is a capture.
_CONTAINERS = (
    "avi,mov,matroska,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,ivf,dv,nut,gif,apng,h264,hevc,m4v,"
    "yuv4mpegpipe,rm,wtv,gxf"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
_REMEDY = "check that it is complete, or convert it to .ser or to uncompressed .avi"


class PyAvReader:
    """A video that has to be decoded, as grey frames.

    Parameters
    ----------
    path
        The file. The first frame is decoded to learn size and depth.

    Raises
    ------
    ReaderError
        Not a video, no decoder for it, or not one frame can be decoded.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.files = (self.path,)
        with _opened(self.path) as (container, stream):
            frame = next((f for f in _frames(container, stream) if not isinstance(f, str)), None)
            if frame is None:
                raise ReaderError(
                    f"not one frame of {self.path} can be decoded "
                    f"({stream.codec_context.name} video); {_REMEDY}"
                )
            dtype = sample_dtype(frame)
            height, width = _upright(to_grey(frame, dtype), frame).shape
            self.info = CaptureInfo(
                format=f"{stream.codec_context.name} video",
                n_frames=stream.frames or None,
                height=height,
                width=width,
                dtype=dtype,
                bits=8 if dtype == "uint8" else 16,
                attrs=_attrs(container, stream, frame),
            )

    def decode(self) -> Iterator[DecodedFrame]:
        """Decode from the beginning to the end.

        Yields
        ------
        DecodedFrame; its image is uint8 or uint16 (y, x), full range, newly allocated, or None for
        a frame that is damaged or has another size than the first.

        Raises
        ------
        ReaderError
            The file cannot be opened any more.
        """
        first: int | None = None
        with _opened(self.path) as (container, stream):
            for number, frame in enumerate(_frames(container, stream)):
                if isinstance(frame, str):
                    yield DecodedFrame(number, None, problem=f"Frame {number}: {frame}.")
                    continue
                time = None
                if frame.pts is not None and frame.time_base is not None:
                    first = frame.pts if first is None else first
                    time = round((frame.pts - first) * frame.time_base * 1_000_000_000)
                image, problem = self._image(frame)
                yield DecodedFrame(
                    number, image, time, None if problem is None else f"Frame {number}: {problem}."
                )

    def _image(self, frame: VideoFrame) -> tuple[Frames | None, str | None]:
        """Return the picture, or why there is none."""
        import av

        try:
            image = _upright(to_grey(frame, self.info.dtype), frame)
        except av.FFmpegError as error:
            return None, f"it cannot be converted to grey ({error.strerror})"
        if image.shape != (self.info.height, self.info.width):
            return None, (
                f"its size is {image.shape[1]} x {image.shape[0]} px, that of the first "
                f"{self.info.width} x {self.info.height}"
            )
        return image, None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and find the video in it."""
    import av

    with reading(path) as file:
        head = file.read(14)
    try:
        # With "file:" a colon in a file's name does not make an address of it.
        container = av.open(f"file:{path}", options=dict(_OPTIONS), metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ReaderError(
            f"{path} is neither SER nor AVI nor another video that FFmpeg decodes: it begins with "
            f"{head!r}; check that it is the right file and complete"
        ) from error
    with container:
        if not len(container.streams.video):
            raise ReaderError(f"{path} holds no video, only sound or data; give a video")
        stream = container.streams.video[0]
        if getattr(stream, "codec_context", None) is None:
            raise ReaderError(
                f"{path} is compressed with {_codec_name(path)}, for which there is no decoder; "
                f"convert it to .ser or to uncompressed .avi with the program that made it"
            )
        # dask owns the cores. And with one thread a packet's error comes when it is its turn.
        stream.codec_context.thread_count = 1
        yield container, stream


def _codec_name(path: Path) -> str:
    with reading(path) as file:
        if not is_avi(file.read(12)):
            return "an unknown codec"
        return f"the codec {read_avi_header(file, file.seek(0, 2), path).fourcc!r}"


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | str]:
    """Decode everything; in place of a frame that cannot be decoded comes the reason."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            yield f"the file cannot be read any further ({error.strerror})"
            packet = None
        try:
            decoded = stream.codec_context.decode(packet)
        except av.error.EOFError:
            return
        except av.FFmpegError as error:
            decoded = []
            yield f"it cannot be decoded ({error.strerror})"
        for frame in decoded:
            yield "it is damaged" if frame.is_corrupt else frame
        if packet is None:
            return


def _upright(image: Frames, frame: VideoFrame) -> Frames:
    """Turn and mirror a picture as the file asks for, in quarter turns.

    A display matrix maps a pixel (x, y) to (a x + c y, b x + d y) (ISO 14496-12, 8.2.2). It is read
    directly: PyAV's own `rotation` came with version 14 and knows no mirrors.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(cast("bytes", matrix), np.int32)[:5].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        image, a, d = image.T, c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _attrs(
    container: InputContainer, stream: VideoStream, frame: VideoFrame
) -> dict[str, str | int | float]:
    attrs: dict[str, str | int | float] = {
        "codec": stream.codec_context.name,
        "container": container.format.name,
        "pixel_format": frame.format.name,
        "range": "limited" if is_limited_range(frame) else "full",
    }
    if stream.average_rate:
        attrs["fps"] = float(stream.average_rate)
    return attrs
