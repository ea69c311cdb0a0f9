"""Anchors and reference points that are given in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.errors import OptionsError
from skry_dask.io.positions import read_positions

if TYPE_CHECKING:
    import os

    from skry_dask.options import Options


def with_positions(
    options: Options,
    anchors_file: str | os.PathLike[str] | None,
    points_file: str | os.PathLike[str] | None,
) -> Options:
    """Read positions from files into the options that take them one by one.

    Parameters
    ----------
    options
        Of the job.
    anchors_file, points_file
        Text files, see `read_positions`; None = none.

    Raises
    ------
    OptionsError
        If positions are given one by one, too, or a file is no table of positions.
    ReaderError
        If a file cannot be read.
    """
    for file, phase, name in (
        (anchors_file, "align", "anchors"),
        (points_file, "track", "points"),
    ):
        if file is None:
            continue
        of_phase = getattr(options, phase)
        if getattr(of_phase, name):
            raise OptionsError(
                f"{name} ({len(getattr(of_phase, name))} given) and {name}_file {file} contradict "
                "each other: give one of them"
            )
        positions = read_positions(Path(file))
        options = replace(options, **{phase: replace(of_phase, **{name: positions})})
    return options
