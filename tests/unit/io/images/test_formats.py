"""All image formats keep the promises of the protocol."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import ReaderError
from skry_dask.io.images.formats import (
    FORMATS,
    HEAD_BYTES,
    find_image_format,
    has_image_suffix,
    image_format_of,
)
from skry_dask.io.images.image_format import ImageFormat, ImageKind

if TYPE_CHECKING:
    from pathlib import Path

each_format = pytest.mark.parametrize("image_format", FORMATS, ids=lambda known: known.name)
METADATA = {"input": "Mönd.ser", "frames": [1, 2, 3]}


def test_names_suffixes_and_kinds_belong_to_one_format_each() -> None:
    for listed in (
        [known.name for known in FORMATS],
        [suffix for known in FORMATS for suffix in known.suffixes],
        [kind for known in FORMATS for kind in known.kinds],
    ):
        assert max(Counter(listed).values()) == 1
    assert {kind for known in FORMATS for kind in known.kinds} == set(ImageKind)
    assert all(suffix == suffix.lower() for known in FORMATS for suffix in known.suffixes)


@each_format
def test_what_a_format_writes_it_recognises_and_reads_back(
    tmp_path: Path, image_format: ImageFormat
) -> None:
    rng = np.random.default_rng(30)
    for kind, dtype in image_format.kinds.items():
        for shape in ((5, 7), (5, 7, 3), (1, 1)):
            samples = (rng.random(shape) * (1 if dtype == "float32" else 255)).astype(dtype)
            content = image_format.encode(samples, METADATA)
            assert content == image_format.encode(samples, METADATA)
            path = tmp_path / f"{kind}{image_format.suffixes[0]}"
            path.write_bytes(content)
            assert image_format.recognises(content[:HEAD_BYTES])
            assert image_format_of(path) is image_format
            header = image_format.read_header(path)
            assert (header.format, header.n_images) == (image_format.name, 1)
            assert (header.shape, header.dtype) == (shape, dtype)
            (image,) = image_format.decode(path)
            assert np.array_equal(image, samples), (kind, shape)
            assert image.dtype.isnative


@each_format
def test_no_other_bytes_are_recognised(image_format: ImageFormat) -> None:
    for head in (
        b"",
        b"B",
        b"BM is a text that begins like a bitmap",
        bytes(32),
        b"LUCAM-RECORDER",
    ):
        assert not image_format.recognises(head)
        assert find_image_format(head) is None


@each_format
def test_a_format_is_documented_and_imports_its_library_when_it_is_used(
    image_format: ImageFormat,
) -> None:
    module = inspect.getmodule(type(image_format))
    assert module is not None
    for documented in (module, type(image_format), image_format.read_header, image_format.decode):
        assert inspect.getdoc(documented)
    libraries = {"PIL", "tifffile", "astropy", "av", "imagecodecs"}
    assert not libraries & {name.partition(".")[0] for name in vars(module)}


def test_a_suffix_in_any_case_makes_an_image(tmp_path: Path) -> None:
    for known in FORMATS:
        for suffix in known.suffixes:
            assert has_image_suffix(tmp_path / f"a{suffix.upper()}")
    assert not has_image_suffix(tmp_path / "a.ser")


def test_a_file_of_no_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    with pytest.raises(ReaderError, match="is empty"):
        image_format_of(path)
    path.write_bytes(b"hello")
    with pytest.raises(ReaderError, match="is no TIFF, PNG, BMP, FITS or JPEG image"):
        image_format_of(path)
