"""Raw files of cameras are named, and never read as the preview that they carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from skry_dask.errors import ReaderError
from skry_dask.io.registry import open_reader
from tests.image_captures import refused

if TYPE_CHECKING:
    from pathlib import Path

PREVIEW = np.zeros((6, 8, 3), np.uint8)
BEGINNINGS = {
    "CR2": b"II*\0\x10\0\0\0CR\x02\0",
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1",
    "ORF": b"IIRO\x08\0\0\0",
    "RAF": b"FUJIFILMCCD-RAW 0201FF",
}
CFA_TAGS = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([0, 1, 1, 2]), True)]
REMEDY = "without demosaicing, for example with dcraw -D -4 -T, and give --cfa"


def test_raw_files_are_recognised_by_their_content(tmp_path: Path) -> None:
    for kind, head in BEGINNINGS.items():
        path = tmp_path / "photo.bin"
        path.write_bytes(head + bytes(500))
        with pytest.raises(ReaderError, match=f"a camera's raw file .{kind}., .*{REMEDY}"):
            open_reader(path)
        with pytest.raises(ReaderError, match=f"photo.bin is .* raw file .{kind}."):
            open_reader(tmp_path)


def test_raw_files_that_are_tiff_are_recognised_by_suffix_and_tags(tmp_path: Path) -> None:
    dng_version = [(50706, 1, 4, bytes([1, 4, 0, 0]), True)]
    for name, tags in (("a.NEF", []), ("a.dng", []), ("a.arw", []), ("a.tif", dng_version)):
        path = tmp_path / name
        tifffile.imwrite(path, PREVIEW, extratags=tags)
        assert REMEDY in refused(path)
        path.unlink()
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(PREVIEW, subifds=1)
        file.write(PREVIEW[..., 0].astype(np.uint16), photometric="cfa", extratags=CFA_TAGS)
    assert REMEDY in refused(tmp_path / "b.tif")
