"""``skry`` as a user runs it, in the process of the tests."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import tifffile

from skry_dask.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from skry_dask.types import AnyArray


class CommandLine:
    """``skry`` in this process, in a folder of its own, without settings of the process."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self.capsys = folder, capsys
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Run a command: exit status, standard output, standard error."""
        try:
            status = main([str(argument) for argument in arguments])
        finally:
            # A command excludes all that is there before it from its collections of garbage.
            gc.unfreeze()
        return status, *self.capsys.readouterr()

    def stack(self, *arguments: object, quick: bool = True) -> tuple[dict[str, Any], AnyArray]:
        """Stack, without the second pass if it need not be: summary and image, 1 = full scale."""
        flags = ["--overwrite", *(["--quick"] if quick else [])]
        status, out, err = self("stack", *arguments, *flags, "-o", "out.tif", "--json")
        assert status == 0, err
        return json.loads(out), tifffile.imread(self.folder / "out.tif") / 65535.0
