"""Wrong usage is one line that names the value and the remedy, with exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from skry_dask.cli.main import app, main
from skry_dask.cli.usage import nearest, parse
from skry_dask.errors import OptionsError

WRONG = {
    # commands
    "frobnicate": "there is no command frobnicate: choose one of stack, demo, info, import, dark",
    "stakc moon.ser": "there is no command stakc: did you mean skry stack?",
    "here.ser": "here.ser is no command: to stack it, write skry stack here.ser",
    # flags: a suggestion only where a name is near
    "stack a.ser --precent 5": "skry stack has no option --precent: did you mean --percent?",
    "stack a.ser --outdir=b": "skry stack has no option --outdir: did you mean --out-dir?",
    "stack a.ser --normalize": "skry stack has no option --normalize: did you mean --normalise?",
    "stack a.ser --hush": "skry stack has no option --hush: skry stack --help lists the options",
    "info a.ser --frames 3": "skry info has no option --frames: skry info --help lists the options",
    "stack a.ser -x": "skry stack has no option -x: skry stack --help lists the options",
    # values
    "stack a.ser --percent x": "percent is 'x': it must be a number",
    "stack a.ser --number few": "--number is 'few': it must be a whole number",
    "stack a.ser --number 2.6": "--number is '2.6': it must be a whole number",
    "stack a.ser --area-size=40.5": "--area-size is '40.5': it must be a whole number",
    "stack a.ser --canvas big": "--canvas is 'big': choose one of overlap, union",
    "stack a.ser --output-format gif": "--output-format is 'gif': choose one of tiff8, tiff16,",
    "simulate venus -o a.ser": "SCENE is 'venus': choose one of moon, planet, sun",
    "stack a.ser --json=5": "--json is '5': it takes no value, leave it out",
    "stack a.ser --percent": "--percent needs one value after it",
    "stack --points 1": "--points takes 2 values, but is given only 1",
    "stack a.ser --percent 5 --percent 6": "--percent is given more than once: give it once",
    "stack a.ser --percent 0": "percent is 0.0: it must be above 0 and at most 100",
    "stack a.ser --percent 5 --number 5": "percent 5.0 and number 5 contradict each other",
    "stack a.ser --frames 10-50": "frames is '10-50': ranges are start:stop without the stop, such "
    "as 10:51",
    # too few, too many
    "dark a.ser": "skry dark needs --output: see skry dark --help",
    "info": "skry info needs SOURCE: see skry info --help",
    "info a b": "skry info takes no further arguments, but b is given: see skry info --help",
    # numbers that would be taken for inputs
    "stack a.ser --percent 5 10 20": "--percent takes one value (5), so 10 after it would be an "
    "input, and there is no file 10: run skry once for each value",
    "stack a.ser --percent=5 10": "--percent takes one value (5), so 10 after it",
    "stack --percent 5 10 a.ser": "--percent takes one value (5), so 10 after it",
    "stack a.ser --points 1 2 3 4": "--points takes 2 values (1 2), so 3 after it would be an "
    "input, and there is no file 3: repeat the flag for each point",
    "stack a.ser --grey 10": "--grey takes no value, so 10 after it would be an input, and there "
    "is no file 10: leave it out",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_is_one_line_with_the_remedy(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.ser").touch()
    with pytest.raises(OptionsError) as refused:
        parse(app, line.split())
    assert str(refused.value).startswith(WRONG[line])
    assert "\n" not in str(refused.value)


def test_numbers_are_inputs_where_they_are_files_or_follow_no_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("10").mkdir()
    for line in (
        "stack --percent 2.5 --points 1.5 2 --frames 2 10",
        "stack --percent 5 10",
        "stack 20",
        "stack a.ser --points 1 2 --points 3 4 10",
    ):
        parse(app, line.split())


def test_the_help_names_what_a_value_is_in_words_of_the_user(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in ("stack", "import", "dark", "flat", "simulate", "demo", "info", "compile"):
        assert main([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert f"skry {command}" in shown
        assert "REMOTE" not in shown
        assert command != "stack" or "--output -o PATH|URL" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("--quiet", None), ("--verbose", None), ("--percnt", "--percent"), ("--pecrent", "--percent"),
     ("--store-dir", None), ("--memorylimit", "--memory-limit"), ("-p", None)],
)  # fmt: skip
def test_suggestions_are_near_what_was_typed(typed: str, meant: str | None) -> None:
    names = ["--bits", "--percent", "--store", "--memory-limit", "--points", "-o"]
    assert nearest(typed, names) == meant
