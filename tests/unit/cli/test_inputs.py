"""What inputs stand for: patterns that no shell has expanded, folders of videos, images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from skry_dask.cli.inputs import expand_input, expand_inputs, plan_jobs
from skry_dask.errors import OptionsError
from skry_dask.io.raw.ser import write_ser
from skry_dask.io.remote import RemotePath
from skry_dask.options import Options
from skry_dask.options.outputs import OutputOptions

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a tiny SER video, whatever its name."""
    monkeypatch.chdir(tmp_path)

    def write(name: str) -> Path:
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        frames = np.zeros((2, 8, 8), np.uint8)
        write_ser(path, frames, n_frames=2, height=8, width=8, bits=8)
        return path

    return write


def image(name: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    tifffile.imwrite(name, np.zeros((8, 8), np.uint8))


def plan(*inputs: str, **flags: object) -> dict[str, str]:
    """Plan jobs: the source of each image."""
    settings = {"output": None, "out_dir": None, "store": None, **flags}
    outputs = OutputOptions(output_format=settings.pop("output_format", None))
    jobs = plan_jobs(inputs, outputs=outputs, options=Options(), **settings)
    return {job.image.as_posix(): Path(str(job.source)).as_posix() for job in jobs}


def test_patterns_and_folders_of_videos_are_several_captures(
    video: Callable[[str], Path],
) -> None:
    for name in ("night/b.ser", "night/a.ser", "night/.hidden.ser", "night/c.dat"):
        video(name)
    Path("night/notes.txt").write_text("clear sky")
    Path("night/a.skry").mkdir()
    assert plan("night/*.ser") == {
        "a-stack.tif": "night/a.ser",
        "b-stack.tif": "night/b.ser",
    }
    # What a file is, its content says: c.dat is a SER video.
    folder = ["night/a.ser", "night/b.ser", "night/c.dat"]
    assert list(plan("night").values()) == folder
    assert list(plan("night/").values()) == folder
    assert list(plan("night/a.ser", "night/[b-c].*").values()) == folder
    assert plan("night/b*") == {"b-stack.tif": "night/b.ser"}


def test_images_are_one_capture(video: Callable[[str], Path]) -> None:
    for name in ("shots/1.tif", "shots/2.tif"):
        image(name)
    assert expand_inputs(["shots"]) == ["shots"]
    assert expand_inputs(["shots/*.tif"]) == ["shots/*.tif"]
    assert expand_inputs(["shots/1.tif", "shots/2.tif"]) == [["shots/1.tif", "shots/2.tif"]]


@pytest.mark.parametrize("name", ["missing.ser", "no/*.ser", "s3://bucket/moon.skry", "*[", ""])
def test_what_is_not_there_is_left_to_its_reader(name: str) -> None:
    assert expand_inputs([name]) == [name]


def test_a_folder_of_videos_and_images_is_not_guessed_at(video: Callable[[str], Path]) -> None:
    video("night/a.ser")
    image("night/a-stack.tif")
    for name in ("night", "night/*"):
        with pytest.raises(OptionsError, match=r"holds 1 videos and 1 images: .*'night.\*\.ser'"):
            expand_inputs([name])


def test_one_capture_is_asked_for_where_one_is_used(video: Callable[[str], Path]) -> None:
    video("night/a.ser")
    assert expand_input("night") == str(Path("night/a.ser"))
    video("night/b.ser")
    with pytest.raises(OptionsError, match="night stands for 2 captures: name one of them"):
        expand_input("night")


def test_images_are_named_after_their_captures(video: Callable[[str], Path]) -> None:
    assert plan("night/moon.ser") == {"moon-stack.tif": "night/moon.ser"}
    assert plan("moon.ser", out_dir=Path("stacks"), output_format="png16") == {
        "stacks/moon-stack.png": "moon.ser"
    }
    assert Path("stacks").is_dir()
    Path("frames").mkdir()
    folder = Path.cwd().name
    assert list(plan("frames")) == ["frames-stack.tif"]
    assert list(plan(".")) == [f"{folder}-stack.tif"]
    assert list(plan("frames/..")) == [f"{folder}-stack.tif"]


@pytest.mark.parametrize(
    ("inputs", "flags", "words"),
    [
        ([], {}, "no input is given: name a video, such as skry stack moon.ser"),
        (["a.ser", "b.ser"], {"output": Path("c.tif")}, "--output is for one input, but 2 are"),
        (["a.ser", "b.ser"], {"store": Path("c.skry")}, "--store is for one input, but 2 are"),
        (["a.ser"], {"output": Path("b.tif"), "out_dir": Path("c")}, "--output and --out-dir"),
        (["a.ser", "b/a.avi"], {}, "a.ser and b/a.avi would both be stacked into a-stack.tif"),
        (["A.ser", "b/a.avi"], {}, "A-stack.tif and a-stack.tif differ only in upper and lower"),
        (["a.ser", "b.ser", "./a.ser"], {}, r"^\./a.ser is given twice: name it once"),
        (["a.ser", "night/*.tif"], {"out_dir": Path("night")}, "a-stack.tif, the image of a.ser, "),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_written(
    inputs: list[str],
    flags: dict[str, Path],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionsError, match=words):
        plan(*inputs, **flags)
    assert not list(tmp_path.iterdir())


def test_images_may_go_to_a_url(
    video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RemotePath] = []
    monkeypatch.setattr(RemotePath, "check_folder", lambda self: asked.append(self))
    folder = RemotePath("s3://bucket/out")
    names = [str(video("a.ser")), str(video("b.ser"))]
    jobs = plan_jobs(
        names, output=None, out_dir=folder, outputs=OutputOptions(), store=None, options=Options()
    )
    assert [job.image for job in jobs] == [folder / "a-stack.tif", folder / "b-stack.tif"]
    assert asked == [folder]
