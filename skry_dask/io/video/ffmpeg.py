"""Compressed video, decoded by FFmpeg through PyAV.

A compressed video has no frame that can be found by itself and no frame count that can be relied
upon, so it is decoded once, from its beginning to its end. Packets are decoded one by one: one that
is damaged costs its own frame and not the job. What FFmpeg makes a picture of though it logs an
error is kept and reported: such a frame may be sound, and its picture decides.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.containers.mp4 import incredible_samples, is_mp4, lacks_index
from skry_dask.io.containers.riff import is_avi, read_avi_header
from skry_dask.io.files import reading
from skry_dask.io.reader import CaptureInfo, DecodedFrame
from skry_dask.io.video.colour import has_colour, to_rgb, unknown_matrix
from skry_dask.io.video.damage import complaints, missing_bytes
from skry_dask.io.video.grey import is_limited_range, to_grey
from skry_dask.io.video.pixel_layout import layout_of, sample_dtype

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from skry_dask.types import Frames

# FFmpeg also opens playlists, which name other files and addresses, text (as a terminal's picture)
# and single images. None of these is a capture.
_CONTAINERS = (
    "avi,mov,matroska,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,ivf,dv,nut,gif,apng,h264,hevc,m4v,"
    "yuv4mpegpipe,rm,wtv,gxf"
)
_REMEDY = "check that it is complete, or convert it to .ser or to uncompressed .avi"

# A damaged header may claim frames of 30000 x 30000 px, for which FFmpeg would take gigabytes. 4K
# is always believed, larger frames where the file is large, too.
_BELIEVED_PX = 1 << 23
_BYTES_PER_PX = 4

# The colour that columns share lies between them in these, in the first of them in all others.
_CENTRED = ("mjpeg", "mjpegb", "mpeg1video")


class PyAvReader:
    """A video that has to be decoded.

    Frames of a colour video are red, green and blue in full range, as its flags say that they are
    stored (matrix, range); others are grey, and raw colour (a colour filter array) stays raw.

    Parameters
    ----------
    path
        The file. The first frame is decoded to learn size and depth.
    grey
        Whether colour becomes grey, which is its luma.

    Raises
    ------
    ReaderError
        Not a video, no decoder for it, or not one frame can be decoded.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo

    def __init__(self, path: str | os.PathLike[str], *, grey: bool = False) -> None:
        self.path = Path(path)
        self.files = (self.path,)
        with _opened(self.path) as (container, stream):
            # The decoder forgets what the header claims once it has refused it.
            claimed = stream.codec_context.width, stream.codec_context.height
            # FFmpeg 9 takes the codec away from a decoder that did not open: PyAV 19 then crashes.
            codec = stream.codec_context.name
            entries = _entries(container, stream)
            frame = next((e.frame for e in entries if e.frame is not None), None)
            if frame is None:
                raise self._nothing(codec, *claimed)
            dtype = sample_dtype(frame)
            colour = has_colour(frame) and not grey
            image, problem = _picture(frame, dtype, colour, codec)
            if image is None:
                raise ReaderError(
                    f"the first frame of {self.path} is of no use, {problem}; {_REMEDY}"
                )
            self.info = CaptureInfo(
                format=f"{codec} video",
                n_frames=stream.frames if stream.frames > 0 else None,
                height=image.shape[0],
                width=image.shape[1],
                dtype=dtype,
                bits=8 if dtype == "uint8" else 16,
                channels=3 if colour else 1,
                cfa=_cfa(frame),
                attrs=_attrs(container, stream, frame),
                problems=(*_cut_off(self.path), *_problems(frame, colour)),
            )

    def decode(self) -> Iterator[DecodedFrame]:
        """Decode from the beginning to the end.

        Yields
        ------
        DecodedFrame; its image is uint8 or uint16 (y, x) or (y, x, channel), full range, newly
        allocated, or None for a frame that is damaged or has another size than the first. Of
        frames that were dropped while recording only the first in a row is an entry. Where the end
        is damaged or missing, the last entry says so in place of the frames that are lost there.

        Raises
        ------
        ReaderError
            The file cannot be opened any more.
        """
        shape = self.info.frame_shape
        colour = self.info.channels > 1
        with _opened(self.path) as (container, stream):
            codec = stream.codec_context.name
            begin = _beginning(container, stream)
            for number, frame, reason in _entries(container, stream):
                if frame is None:
                    yield DecodedFrame(number, None, problem=reason)
                    continue
                time, pts = None, frame.pts if frame.pts is not None else frame.dts
                if pts is not None and frame.time_base:
                    begin = pts if begin is None else begin
                    time = round((pts - begin) * frame.time_base * 1_000_000_000)
                image, problem = _picture(frame, self.info.dtype, colour, codec)
                if image is not None:
                    problem = reason or None
                if image is not None and image.shape != shape:
                    problem = (
                        f"its size is {image.shape[1]} x {image.shape[0]} px, that of the first "
                        f"{shape[1]} x {shape[0]}"
                    )
                    image = None
                yield DecodedFrame(number, image, time, problem)

    def _nothing(self, codec: str, width: int, height: int) -> ReaderError:
        """Say why there is not one frame."""
        size = self.path.stat().st_size
        most = _most_pixels(size)
        if not 0 < width * height <= most:
            # FFmpeg may have replaced a size above the limit by 0 x 0.
            return ReaderError(
                f"{self.path} states a frame size of {width} x {height} px: none, or more than the "
                f"{most} px that are believed of {size} bytes; its header is damaged, record or "
                f"copy it again"
            )
        return ReaderError(
            f"not one frame of {self.path} can be decoded ({codec} video); {_REMEDY}"
        )


def _most_pixels(size: int) -> int:
    """Return how many pixels a frame of a file of so many bytes may have."""
    return max(_BELIEVED_PX, size // _BYTES_PER_PX)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and find the video in it."""
    import av

    with reading(path) as file:
        head, size = file.read(14), file.seek(0, 2)
        claimed = incredible_samples(file, size) if is_mp4(head) else None
    if claimed is not None:
        raise ReaderError(
            f"{path} claims {claimed} samples in {size} bytes, which is not believed: its index "
            f"(moov) is damaged; copy it again"
        )
    limit = {"max_pixels": str(_most_pixels(size))}
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file", **limit}
    try:
        # With "file:" a colon in a file's name does not make an address of it.
        container = av.open(f"file:{path}", options=options, **_tolerate_any_text())
    except (av.FFmpegError, OSError, ValueError) as error:
        if is_mp4(head) and _lacks_index(path):
            raise ReaderError(
                f"{path} has no index (moov), which a recorder of MP4 or MOV writes last: the "
                f"recording or the copy was cut off after {size} bytes; copy it again, or have a "
                f"program for repairing MP4 rebuild the index from a whole recording of that camera"
            ) from error
        raise ReaderError(
            f"{path} is neither SER nor AVI nor another video that FFmpeg decodes: it begins with "
            f"{head!r}; check that it is the right file and complete"
        ) from error
    with container:
        stream = container.streams.best("video")
        if stream is None:
            what = "only sound or data; give a video"
            if not len(container.streams):
                what = "or its header is damaged; copy it again"
            raise ReaderError(f"{path} holds no video, {what}")
        if getattr(stream, "codec_context", None) is None:
            raise ReaderError(
                f"{path} is compressed with {_codec_name(path)}, for which there is no decoder; "
                f"convert it to .ser or to uncompressed .avi with the program that made it"
            )
        # dask owns the cores. And with one thread a packet's error comes when it is its turn.
        stream.codec_context.thread_count = 1
        stream.codec_context.options = limit
        yield container, cast("VideoStream", stream)


@cache
def _tolerate_any_text() -> dict[str, Any]:
    """Return the arguments that make PyAV accept metadata that are not UTF-8.

    Up to version 18 it has to be asked to; from 19 on it always does, and refuses the argument.
    """
    import av

    major = int(av.__version__.partition(".")[0])
    return {"metadata_errors": "replace"} if major < 19 else {}


def _lacks_index(path: Path) -> bool:
    with reading(path) as file:
        return lacks_index(file, file.seek(0, 2))


def _codec_name(path: Path) -> str:
    with reading(path) as file:
        if not is_avi(file.read(12)):
            return "an unknown codec"
        return f"the codec {read_avi_header(file, file.seek(0, 2), path).fourcc!r}"


def _cut_off(path: Path) -> tuple[str, ...]:
    """Say of a file that claims to be longer that its end is missing."""
    with reading(path) as file:
        size = file.seek(0, 2)
        missing = missing_bytes(file, size)
    if not missing:
        return ()
    return (
        f"{path.name} was cut off: {missing} of its {size + missing} bytes are missing, and frames "
        f"with them, if it is not only the index; copy it again.",
    )


class _Entry(NamedTuple):
    """What stands at a place of a video: its number, and a frame or the reason why there is none.

    A frame with a reason has a picture, but FFmpeg complained of it. A dropped frame's reason
    stands for all that follow it up to the next entry's number.
    """

    number: int
    frame: VideoFrame | None
    reason: str = ""


class _Packet(NamedTuple):
    """What came of reading or decoding the next packet, and what FFmpeg complained of meanwhile."""

    packet: Packet[VideoStream] | None
    frames: list[VideoFrame]
    failure: str
    complaints: list[str]


def _entries(container: InputContainer, stream: VideoStream) -> Iterator[_Entry]:
    """Decode everything."""
    number, expected = 0, 0
    packets = container.demux(stream)
    waiting: dict[int | None, list[str]] = {}  # complaints, by the time of the frame
    while True:
        read = _read(packets)
        packet = read.packet
        if read.failure:
            yield _Entry(number, None, read.failure)
            number += 1
        if dropped := _n_dropped(container, packet, expected):
            yield _dropped(number, dropped)
            number += dropped
        expected = _next_chunk(packet, expected)
        if packet is not None and packet.is_corrupt:
            # Decoders make half a picture of half a packet, and say nothing.
            yield _Entry(number, None, "it is not complete")
            number += 1
            continue
        done = _decode(stream, packet)
        if done.failure:
            yield _Entry(number, None, done.failure)
            number += 1
        elif said := read.complaints + done.complaints:
            waiting[_time(packet)] = said
        for frame in done.frames:
            yield _entry(number, frame, waiting.pop(_time(frame), []))
            number += 1
        if packet is None:
            break
    if loss := _loss(container, stream, number, waiting):
        yield _Entry(number, None, loss)


def _dropped(number: int, n_dropped: int) -> _Entry:
    many = "" if n_dropped == 1 else f" and the {n_dropped - 1} after it"
    return _Entry(number, None, f"it{many} was dropped while recording (an empty chunk)")


def _entry(number: int, frame: VideoFrame, said: list[str]) -> _Entry:
    if frame.is_corrupt:
        return _Entry(number, None, "it is damaged")
    return _Entry(number, frame, f"it may be damaged ({_joined(said)})" if said else "")


def _read(packets: Iterator[Packet[VideoStream]]) -> _Packet:
    """Read the next packet; there is none at the end, and after a failure."""
    import av

    packet, failure = None, ""
    with complaints() as said:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            failure = f"the file cannot be read any further ({error.strerror})"
    return _Packet(packet, [], failure, said)


def _decode(stream: VideoStream, packet: Packet[VideoStream] | None) -> _Packet:
    """Decode a packet, or get the last frames out of the decoder."""
    import av

    frames, failure = [], ""
    with complaints() as said:
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.EOFError:
            pass  # the decoder is empty already
        except (av.FFmpegError, ValueError) as error:
            # ValueError: a decoder that did not open the first time has forgotten its codec.
            failure = f"it cannot be decoded ({getattr(error, 'strerror', error)})"
    return _Packet(packet, frames, failure, said)


def _time(of: Packet[VideoStream] | VideoFrame | None) -> int | None:
    """Return the time by which a packet and its frame know each other, in the stream's unit."""
    if of is None:
        return None
    return of.pts if of.pts is not None else of.dts


def _joined(said: list[str]) -> str:
    return "; ".join(dict.fromkeys(said))


def _loss(
    container: InputContainer,
    stream: VideoStream,
    number: int,
    waiting: dict[int | None, list[str]],
) -> str:
    """Say at the end what is lost there, or belongs to no frame; or return nothing."""
    parts = []
    if said := _joined([text for texts in waiting.values() for text in texts][:3]):
        parts.append(f"the file is damaged here or ends too early ({said})")
    # Only an AVI's number is one of frames: an MP4 counts those that an editor left out, too. A
    # decoder that waits for later frames may keep one at the end.
    late = int(stream.codec_context.has_b_frames)
    if container.format.name == "avi" and stream.frames > number + late:
        parts.append(f"its header claims {stream.frames} frames, {number} of them came")
    return " and ".join(parts)


def _n_dropped(container: InputContainer, packet: Packet[VideoStream] | None, expected: int) -> int:
    """Count frames that were dropped before a packet.

    In an AVI a frame that was dropped is an empty chunk. FFmpeg leaves it out but counts it: there,
    times are numbers of chunks.
    """
    if container.format.name != "avi" or packet is None or packet.dts is None:
        return 0
    return max(packet.dts - expected, 0)


def _next_chunk(packet: Packet[VideoStream] | None, expected: int) -> int:
    return expected if packet is None or packet.dts is None else packet.dts + 1


def _beginning(container: InputContainer, stream: VideoStream) -> int | None:
    """Return the time from which frames' times count, in the stream's unit, if that is known."""
    return 0 if container.format.name == "avi" else stream.start_time


def _picture(
    frame: VideoFrame, dtype: str, colour: bool, codec: str
) -> tuple[Frames | None, str | None]:
    """Return a frame's picture, or why there is none."""
    import av

    try:
        image = to_rgb(frame, dtype, centred=codec in _CENTRED) if colour else to_grey(frame, dtype)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        return None, f"its pixels ({frame.format.name}) cannot be converted ({reason})"
    return _upright(image, frame), None


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
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _cfa(frame: VideoFrame) -> str | None:
    """Return the colour filter array of raw colour, as it is once the frame is upright."""
    layout = layout_of(frame.format.name)
    if layout is None or layout.cfa is None or min(frame.height, frame.width) < 2:
        return None
    square = np.frombuffer(layout.cfa.encode("ascii"), np.uint8).reshape(2, 2)
    whole = np.tile(square, (-(-frame.height // 2), -(-frame.width // 2)))
    upright = _upright(whole[: frame.height, : frame.width], frame)
    return upright[:2, :2].tobytes().decode("ascii")


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


def _problems(frame: VideoFrame, colour: bool) -> tuple[str, ...]:
    """Say what the first frame shows to be wrong with all of them."""
    problems = []
    number = unknown_matrix(frame) if colour else None
    if number is not None:
        problems.append(
            f"Colour is stored in a way that is not known (matrix {number} of H.273) and may come "
            f"out wrong."
        )
    if frame.interlaced_frame:
        problems.append(
            "Frames are interlaced: their odd and even rows were taken at different times; "
            "deinterlace them first."
        )
    return tuple(problems)
