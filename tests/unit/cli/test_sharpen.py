"""``skry sharpen``: names, several images, options in files, exit status."""

import json
from pathlib import Path

import numpy as np
import pytest

from skry_dask.cli.main import main
from skry_dask.io.images.read import read_image
from skry_dask.io.images.write import write_image


@pytest.fixture(autouse=True)
def _folder_with_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = np.kron(np.random.default_rng(1).uniform(0.2, 0.7, (6, 7)), np.ones((8, 8)))
    for name in ("a.tif", "b.tif"):
        write_image(name, image, kind="tiff16", metadata={})


def test_several_images_go_on_after_one_that_fails(capsys):
    assert main(["sharpen", "a.tif", "none.tif", "b.tif", "--method", "unsharp", "--json"]) == 1
    done = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["exit_status"] for line in done] == [0, 1, 0]
    assert [Path(line["output"]).exists() for line in done] == [True, False, True]
    assert done[0]["output"] == "a-sharpened.tif"
    assert "none.tif" in done[1]["error"]


def test_saved_options_sharpen_another_image_alike(capsys):
    save = ["sharpen", "--method", "unsharp", "--radii", "1.5", "--save-options", "mine.toml"]
    assert main([*save, "a.tif", "-o", "out.png"]) == 0
    assert "out.png: 56 x 48 px, unsharp" in capsys.readouterr().out
    assert "radii = [1.5]" in Path("mine.toml").read_text()
    assert main(["sharpen", "b.tif", "--options", "mine.toml", "-o", "again.png"]) == 0
    size = Path("out.png").stat().st_size
    assert abs(Path("again.png").stat().st_size - size) <= 1  # names differ by a letter


def test_tone_is_changed_last_and_saved_with_the_other_options(capsys):
    flags = ["--method", "none", "--stretch", "0,100", "--curve", "0.5", "0.25"]
    assert main(["sharpen", "a.tif", "-o", "out.tif", *flags, "--save-options", "mine.toml"]) == 0
    image = read_image("out.tif")
    assert (image.data.min(), image.data.max()) == (0, 65535)
    assert image.metadata["tone"]["stretch"] == "0,100"
    assert main(["sharpen", "a.tif", "-o", "again.tif", "--options", "mine.toml"]) == 0
    assert Path("again.tif").read_bytes() == Path("out.tif").read_bytes()


def test_flags_win_over_a_file_and_another_method_takes_none_of_its_options(capsys):
    save = ["sharpen", "--save-options"]
    assert main([*save, "mine.toml", "--method", "wavelets", "--gamma", "2"]) == 0
    assert main([*save, "b.toml", "--options", "mine.toml", "--method", "unsharp"]) == 0
    text = Path("b.toml").read_text()
    assert 'method = "unsharp"' in text
    assert "gains" not in text
    assert "gamma = 2.0" in text


WRONG = {
    "sharpen": "no image is given: name a stack, such as skry sharpen moon.tif",
    "sharpen a.tif --even b.tif": "--even and --odd belong together: give both",
    "sharpen a.tif b.tif -o c.tif": "--output is for one image, but 2 are given",
    "sharpen a.tif -o c.tif --out-dir d": "--output and --out-dir contradict each other",
    "sharpen a.tif ./a.tif": "a.tif and ./a.tif would both be sharpened into a-sharpened.tif",
    "sharpen a.tif --options none.toml": "none.toml cannot be read (No such file or directory)",
    "sharpen --save-options o.txt": "options cannot be saved as o.txt: give a file name that",
    "sharpen a.tif -o c.gif": "c.gif has the suffix '.gif'",
    "sharpen a.tif --method magic": "--method is 'magic': choose one of",
    "sharpen a.tif --sgima 3": "skry sharpen has no option --sgima: did you mean --sigma?",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_is_one_line_with_the_remedy(line, capsys):
    assert main(line.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"skry: {WRONG[line]}")
    assert error.count("\n") == 1
