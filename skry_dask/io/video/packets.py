"""Decoding a video packet by packet, so that damage costs single frames and not the job.

A packet that cannot be decoded costs its own frame. A frame that FFmpeg makes a picture of while it
logs an error is kept with a problem: it may be sound, but is not stacked as long as most others are
without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from skry_dask.io.video.ffmpeg_log import collect_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


class Entry(NamedTuple):
    """One or several frames of a video in their place, decoded or lost.

    Parameters
    ----------
    number
        Number of the frame in the file, counted from 0.
    frame
        The decoded frame; None if it was lost.
    problem
        Why the frame was lost, or what FFmpeg logged of a frame that was decoded; else empty. The
        problem of a dropped frame stands for all that were dropped after it, up to the number of
        the next entry.
    """

    number: int
    frame: VideoFrame | None
    problem: str = ""


class _ReadPacket(NamedTuple):
    """A packet that was read; `packet` is None at the end of the file and after a failure."""

    packet: Packet[VideoStream] | None
    n_dropped: int
    failure: str
    logged: list[str]


def decode_entries(container: InputContainer, stream: VideoStream) -> Iterator[Entry]:
    """Decode a video from its beginning to its end.

    Parameters
    ----------
    container, stream
        The open file and its video.

    Yields
    ------
    Entry
        In the order of time. If something is lost at the end of the file, the last entry says so.
    """
    number = 0
    # What FFmpeg logged for a packet, until its frame comes out of the decoder; by time stamp.
    pending: dict[int | None, list[str]] = {}
    for packet, n_dropped, failure, logged_reading in _read_packets(container, stream):
        if failure:
            yield Entry(number, None, failure)
            number += 1
        if n_dropped:
            yield _dropped_entry(number, n_dropped)
            number += n_dropped
        if packet is not None and packet.is_corrupt:
            # Decoders make half a picture of half a packet, and report no error.
            yield Entry(number, None, "it is not complete")
            number += 1
            continue
        frames, failure, logged_decoding = _decode_packet(stream, packet)
        if failure:
            yield Entry(number, None, failure)
            number += 1
        elif logged := logged_reading + logged_decoding:
            pending[_time_stamp(packet)] = logged
        for frame in frames:
            yield _frame_entry(number, frame, pending.pop(_time_stamp(frame), []))
            number += 1
    if loss := _loss_at_end(container, stream, number, pending):
        yield Entry(number, None, loss)


def _dropped_entry(number: int, n_dropped: int) -> Entry:
    others = "" if n_dropped == 1 else f" and the {n_dropped - 1} after it"
    return Entry(number, None, f"it{others} was dropped while recording (an empty chunk)")


def _frame_entry(number: int, frame: VideoFrame, logged: list[str]) -> Entry:
    if frame.is_corrupt:
        return Entry(number, None, "it is damaged")
    return Entry(number, frame, f"it may be damaged ({_join(logged)})" if logged else "")


def _read_packets(container: InputContainer, stream: VideoStream) -> Iterator[_ReadPacket]:
    """Read all packets; the last item, without a packet, stands for the end of the file.

    A frame that was dropped while recording is an empty chunk of an AVI. FFmpeg skips it, but
    counts it: time stamps of an AVI are numbers of chunks.
    """
    import av

    packets = container.demux(stream)
    counts_chunks = container.format.name == "avi"
    next_chunk = 0
    while True:
        packet, failure, n_dropped = None, "", 0
        with collect_errors() as logged:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                failure = f"the file cannot be read any further ({error.strerror})"
        if counts_chunks and packet is not None and packet.dts is not None:
            n_dropped = max(packet.dts - next_chunk, 0)
            next_chunk = packet.dts + 1
        yield _ReadPacket(packet, n_dropped, failure, logged)
        if packet is None:
            return


def _decode_packet(
    stream: VideoStream, packet: Packet[VideoStream] | None
) -> tuple[list[VideoFrame], str, list[str]]:
    """Decode a packet; with None, take the last frames out of the decoder.

    Returns
    -------
    frames
        Decoded frames, of this packet or of earlier ones.
    failure
        Why the packet cannot be decoded, or empty.
    logged
        Errors that FFmpeg logged.
    """
    import av

    frames, failure = [], ""
    with collect_errors() as logged:
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.EOFError:
            pass  # the decoder is empty already
        except (av.FFmpegError, ValueError) as error:
            # ValueError: with FFmpeg 9, a decoder that could not be opened has lost its codec.
            failure = f"it cannot be decoded ({getattr(error, 'strerror', error)})"
    return frames, failure, logged


def _time_stamp(item: Packet[VideoStream] | VideoFrame | None) -> int | None:
    """Return the time stamp that a packet and its frame have in common, in units of the stream."""
    if item is None:
        return None
    return item.pts if item.pts is not None else item.dts


def _join(messages: list[str]) -> str:
    return "; ".join(dict.fromkeys(messages))


def _loss_at_end(
    container: InputContainer,
    stream: VideoStream,
    n_decoded: int,
    pending: dict[int | None, list[str]],
) -> str:
    """Describe what was lost at the end of the file or belongs to no frame; empty if nothing."""
    losses = []
    if logged := _join([message for messages in pending.values() for message in messages][:3]):
        losses.append(f"the file is damaged here or ends too early ({logged})")
    # Only the count of an AVI is one of frames: that of an MP4 includes frames that an editor cut.
    # A decoder that waits for later frames may keep one at the end.
    n_delayed = int(stream.codec_context.has_b_frames)
    if container.format.name == "avi" and stream.frames > n_decoded + n_delayed:
        losses.append(f"its header claims {stream.frames} frames, {n_decoded} of them came")
    return " and ".join(losses)
