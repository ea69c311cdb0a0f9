"""Sharpening files: names, provenance, half stacks, and what users are told."""

import json

import numpy as np
import pytest

from skry_dask.errors import ReaderError, SkryError
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import write_image
from skry_dask.options.sharpening import SharpenOptions
from skry_dask.pipeline.sharpened import sharpened_name
from skry_dask.pipeline.sharpening import sharpen_file

UNSHARP = SharpenOptions(method="unsharp")


@pytest.fixture
def image():
    rng = np.random.default_rng(1)
    return np.kron(rng.uniform(0.2, 0.7, (6, 7)), np.ones((8, 8)))


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".tif", "tiff16"), (".png", "png16"), (".fits", "fits"), (".bmp", "bmp")]
)
def test_the_provenance_of_the_stack_is_kept(suffix, kind, image, tmp_path):
    source, output = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_image(source, image, kind=kind, metadata={"frames": 7})
    done = sharpen_file(source, output, UNSHARP)
    assert (done.width, done.height, done.method) == (56, 48, "unsharp")
    sharp = read_image(output)
    assert sharp.metadata["frames"] == 7
    assert sharp.metadata["sharpened_from"] == source.name
    assert sharp.metadata["sharpen"]["radii"] == [2.0]
    assert sharp.metadata["sharpen"]["version"] == UNSHARP.version
    assert np.std(sharp.data) > np.std(read_image(source).data)


def test_half_stacks_beside_the_image_are_found(image, tmp_path):
    write_image(tmp_path / "a.tif", image, kind="tiff16", metadata={})
    for half in ("even", "odd"):
        write_image(tmp_path / f"a-{half}.tif", image, kind="tiff16", metadata={})
    done = sharpen_file(tmp_path / "a.tif", tmp_path / "b.tif", UNSHARP)
    assert done.halves == ("a-even.tif", "a-odd.tif")
    write_image(tmp_path / "a-odd.tif", image[:9], kind="tiff16", metadata={})
    done = sharpen_file(tmp_path / "a.tif", tmp_path / "b.tif", UNSHARP)
    assert done.halves == ()
    assert "are no half stacks of the image: 56 x 9 px, not 56 x 48 px" in done.notes[0]
    with pytest.raises(SkryError, match="give those of this stack"):
        sharpen_file(
            tmp_path / "a.tif",
            tmp_path / "b.tif",
            UNSHARP,
            halves=(tmp_path / "a-even.tif", tmp_path / "a-odd.tif"),
        )


def test_half_stacks_of_too_few_frames_are_not_used(image, tmp_path):
    write_image(tmp_path / "a.tif", image, kind="tiff16", metadata={})
    halves = image.copy(), image.copy()
    halves[0][:20], halves[1][20:] = 0, 0
    for name, half in zip(("even", "odd"), halves, strict=True):
        write_image(tmp_path / f"a-{name}.tif", half, kind="tiff16", metadata={})
    done = sharpen_file(tmp_path / "a.tif", tmp_path / "b.tif", SharpenOptions())
    assert done.halves == ()
    assert "shows nothing in 100% of the image: they are not used" in done.notes[0]
    assert "a.tif has no half stacks of use: its noise is estimated" in done.notes[1]


NOTED = {
    "a.png has 8 bits": ("png8", 1.0),
    "of the pixels are white: detail that is clipped": ("tiff16", 2.0),
    "a.png has the same brightness everywhere": ("png16", 0.0),
}


@pytest.mark.parametrize("note", NOTED)
def test_what_sharpening_suffers_from_is_told(note, image, tmp_path):
    kind, factor = NOTED[note]
    source = tmp_path / f"a.{kind[:3]}"
    write_image(source, image * factor, kind=kind, metadata={})
    done = sharpen_file(source, tmp_path / "b.tif", UNSHARP)
    assert len(done.notes) == 1
    assert note in done.notes[0]


def test_without_half_stacks_the_automatic_method_says_what_it_does(image, tmp_path):
    write_image(tmp_path / "a.tif", image, kind="tiff16", metadata={})
    done = sharpen_file(tmp_path / "a.tif", tmp_path / "b.tif", SharpenOptions())
    assert "a.tif has no half stacks: its noise is estimated" in done.notes[0]


def test_a_sharpened_image_is_told_apart_from_a_stack(image, tmp_path):
    write_image(tmp_path / "a.tif", image, kind="tiff16", metadata={"sharpen": {}})
    done = sharpen_file(tmp_path / "a.tif", tmp_path / "b.tif", UNSHARP)
    assert done.notes == ("a.tif was sharpened before: give the stack itself.",)


def test_inputs_are_never_overwritten_and_missing_files_are_named(image, tmp_path):
    source = tmp_path / "a.tif"
    write_image(source, image, kind="tiff16", metadata={})
    before = source.read_bytes()
    with pytest.raises(SkryError, match=r"a\.tif is an input: give another name with -o"):
        sharpen_file(source, source, UNSHARP)
    assert source.read_bytes() == before
    with pytest.raises(ReaderError, match=r"none\.tif"):
        sharpen_file(tmp_path / "none.tif", tmp_path / "b.tif", UNSHARP)
    with pytest.raises(SkryError, match="there is no folder"):
        sharpen_file(source, tmp_path / "no" / "b.tif", UNSHARP)


def test_metadata_are_json(image, tmp_path):
    write_image(tmp_path / "a.tif", image, kind="tiff16", metadata={})
    sharpen_file(tmp_path / "a.tif", tmp_path / "b.tif", SharpenOptions(method="none"))
    json.dumps(read_image(tmp_path / "b.tif").metadata)


@pytest.mark.parametrize(
    ("image_file", "name"),
    [("a.tif", "a-sharpened.tif"), ("b.jpg", "b-sharpened.tif"), ("c.fits.gz", "c-sharpened.tif")],
)
def test_names_follow_the_image(image_file, name, tmp_path):
    assert sharpened_name(tmp_path / image_file) == name
