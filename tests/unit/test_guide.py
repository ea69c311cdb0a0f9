"""README and guide: commands that they show can be called, files that they link to exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from skry_dask.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "notebooks/guide").glob("*.md"))]
COMMANDS = sorted(
    {
        line.split("  #")[0].strip()
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for line in block.splitlines()
        if re.match(r"(\.venv/bin/)?skry ", line)
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_guide_have_flags_and_values_that_exist(command: str) -> None:
    _, *words = shlex.split(command)
    app.parse_args(words, print_error=False, exit_on_error=False)


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_of_the_project(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
