"""Raw files of cameras: recognised, so that nobody takes the small preview inside for the picture.

Most are TIFF files whose first page is a preview, with the sensor's samples in a compressed page
behind it; each maker has a compression of its own, which LibRaw and dcraw know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.errors import ReaderError

if TYPE_CHECKING:
    from pathlib import Path

    from tifffile import TiffPage

_SIGNATURES = {
    "CR2": (8, b"CR\x02"),
    "CR3": (4, b"ftypcrx"),
    "ORF": (0, b"IIRO"),
    "RW2": (0, b"IIU\0"),
    "RAF": (0, b"FUJIFILMCCD-RAW"),
    "X3F": (0, b"FOVb"),
}
_TIFF_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".dcr", ".dng", ".erf", ".iiq", ".kdc"),
    *(".mos", ".nef", ".nrw", ".pef", ".rwl", ".sr2", ".srf", ".srw"),
)
_CFA = 32803  # PhotometricInterpretation of a sensor's samples


def refuse_camera_raw(path: Path, head: bytes) -> None:
    """Refuse a camera's raw file, by how it begins and its name.

    Parameters
    ----------
    path
        The file; its suffix counts if it begins as TIFF.
    head
        Its first 32 bytes or more, or all if there are fewer.

    Raises
    ------
    ReaderError
        If it is a raw file; it says what to do.
    """
    for kind, (at, signature) in _SIGNATURES.items():
        if head[at : at + len(signature)] == signature:
            raise camera_raw_error(path, kind)
    suffix = path.suffix.lower()
    if head.startswith((b"II*\0", b"MM\0*")) and suffix in _TIFF_SUFFIXES:
        raise camera_raw_error(path, suffix[1:].upper())


def is_camera_raw_page(page: TiffPage) -> bool:
    """Return whether the first page of a TIFF is that of a raw file, whatever its name is."""
    if "DNGVersion" in page.tags:
        return True
    pages = [page, *(page.pages or ())]
    return any(int(getattr(found, "photometric", 0) or 0) == _CFA for found in pages)


def camera_raw_error(path: Path, kind: str) -> ReaderError:
    """Make the error that says what to do with a camera's raw file.

    Parameters
    ----------
    path
        The file.
    kind
        Name of its format, such as ``"CR2"``.
    """
    return ReaderError(
        f"{path} is a camera's raw file ({kind}), which is not read: convert it to TIFF without "
        f"demosaicing, for example with dcraw -D -4 -T, and give --cfa"
    )
