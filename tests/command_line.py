"""``skry`` as a user runs it, in the process of the tests."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import tifffile

from skry_dask.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.types import AnyArray


class CommandLine:
    """``skry`` in this process, in a folder of its own: as main() runs it, without the start-up."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Run a command: exit status, standard output, standard error."""
        self.monkeypatch.setattr(sys, "argv", ["skry", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *self.capsys.readouterr()

    def stack(self, *arguments: object) -> tuple[dict[str, Any], AnyArray]:
        """Stack: summary and image, 1 = full scale."""
        status, out, err = self("stack", *arguments, "-o", "out.tif", "--json")
        assert status == 0, err
        return json.loads(out), tifffile.imread(self.folder / "out.tif") / 65535.0
