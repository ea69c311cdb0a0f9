"""Where the frames of a SER file lie: rows and columns, and the bytes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from skry_dask.io.raw.ser_header import SerHeader

STAMP_BYTES = 8
"""Bytes of a frame's time stamp."""


class SerLayout(NamedTuple):
    """Where the frames of a SER file lie.

    Parameters
    ----------
    header
        The header; depth, width and height are those of the stored frames.
    row_px
        Pixels from one row to the next, at least the width.
    frame_rows
        Rows from one frame to the next, at least the height.
    n_frames
        Number of complete frames.
    has_times
        Whether the frames are followed by one time stamp each, and by nothing else.
    """

    header: SerHeader
    row_px: int
    frame_rows: int
    n_frames: int
    has_times: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes from one frame to the next."""
        return self.row_bytes * self.frame_rows

    @property
    def row_bytes(self) -> int:
        """Bytes from one row to the next."""
        header = self.header
        return header.frame_bytes // header.height // header.width * self.row_px

    @property
    def picture_bytes(self) -> int:
        """Bytes of a frame, without rows that do not belong to it."""
        return self.row_bytes * self.header.height

    def with_header(self, **fields: int) -> SerLayout:
        """Return the layout with other fields of the header, and rows and columns of its frames."""
        header = self.header._replace(**fields)  # type: ignore[arg-type]
        return self._replace(header=header, row_px=header.width, frame_rows=header.height)

    def fits(self, body: int) -> bool:
        """Return whether the header's number of frames gives the size of the file.

        Parameters
        ----------
        body
            Bytes after the header.
        """
        n, frame_bytes = self.header.n_frames, self.frame_bytes
        return n > 0 and body in (n * frame_bytes, n * (frame_bytes + STAMP_BYTES))
