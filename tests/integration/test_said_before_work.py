"""What cannot work is said in one line before any work: nothing is computed, nothing written."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import skry_dask as skry
from skry_dask.store.frames.open import is_group

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine

SAID = {
    # A store without results yet.
    "report moon.ser": (1, "moon.ser has no results yet, since there is no moon.skry: run skry st"),
    "report none.ser": (1, "none.ser: there is no such file or folder"),
    "report none.skry": (1, "none.skry: there is no such store"),
    "report empty.skry": (1, "empty.skry is not a store with results: run a job on the capture"),
    "report imported.skry": (1, "imported.skry has no finished job: run skry stack"),
    "report moon.ser --store imported.skry": (1, "imported.skry has no finished job"),
    # An unknown or misspelt key.
    "stack moon.ser --options key.toml": (2, "key.toml has percnt in [stack]: did you mean percen"),
    "stack moon.ser --options table.toml": (2, "table.toml has [stak]: did you mean [stack]?"),
    "stack moon.ser --options none.toml": (2, "none.toml cannot be read"),
    "stack moon.ser --sharpen amount.toml": (2, "amount.toml has amont in [sharpen]: did you mean"),
    "sharpen image.tif --options key.toml": (2, "key.toml has [stack]: there is no such table"),
    # Two outputs of one name.
    "stack night --name x{suffix}": (2, "would both be stacked into x.tif"),
    "stack night --name {stem}{suffix} --halves": (
        2,
        "night/a.ser would both write",
    ),
    "stack moon.ser --percent 5,5.1 -o a{percent:.0f}.tif": (2, "gives a5.tif to 5 and to 5.1"),
    "stack moon.ser --report": (2, ""),
}


@pytest.fixture(scope="module")
def made(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "empty.skry").mkdir()
    (folder / "night").mkdir()
    for name in ("moon", "night/a", "night/a-even"):
        shutil.copy(moon_file, folder / f"{name}.ser")
    skry.import_capture(moon_file, folder / "imported.skry")
    (folder / "key.toml").write_text("[stack]\npercnt = 5\n", encoding="utf-8")
    (folder / "table.toml").write_text("[stak]\npercent = 5\n", encoding="utf-8")
    (folder / "amount.toml").write_text("[sharpen]\namont = 5\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("line", SAID)
def test_it_is_said_before_any_work(
    line: str, made: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    before = sorted(made.rglob("*"))
    status, words = SAID[line]
    if line.endswith("--report"):
        monkeypatch.setattr("skry_dask.reporting.libraries.find_spec", lambda _: None)
        words = "a report needs jinja2, which is not installed: pip install 'skry_dask[report]'"
    found, out, err = cli(*line.split())
    assert (found, out, err.count("\n")) == (status, "", 1), err
    assert words in err.replace("\\", "/")
    assert sorted(made.rglob("*")) == before


def test_a_report_of_a_capture_that_is_gone(moon_ser: Path, cli: CommandLine) -> None:
    assert cli("stack", "moon.ser", "--quick", "-q")[0] == 0
    moon_ser.unlink()
    assert is_group(moon_ser.with_suffix(".skry"))
    status, out, err = cli("report", "moon.skry")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "moon.ser, the capture of this job, is gone: put it back" in err
