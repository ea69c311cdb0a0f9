"""Positions in text files: one per line, y before x, in px, as a table or as plain numbers.

What a job writes of its reference points is read back, whatever other columns it has, so that
points can be placed automatically, edited and given back.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from skry_dask.errors import OptionsError
from skry_dask.io.atomic import atomic_write
from skry_dask.io.files import cannot_read

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skry_dask.options import Positions

HEADING = r"[\"']?([^\W\d_]\w*)"
"""What words of a header begin with, such as ``Y (px)``: a number that is mistyped does not."""

LARGEST = 10_000_000
"""Longer files are something else, such as the video, bytes."""

LONGEST = 40
"""So much of a wrong line is shown, characters."""


def read_positions(path: Path) -> Positions:
    """Read positions from a text file.

    Parameters
    ----------
    path
        On each line y and x, px, with commas, semicolons, tabs or spaces between them; empty lines,
        and what follows ``#``, are skipped. The first line may be a header: with columns ``y`` and
        ``x`` in it, these are taken, in any order and among others.

    Returns
    -------
    Positions (y, x), px, in the order of the file; at least one.

    Raises
    ------
    ReaderError
        If the file cannot be read.
    OptionsError
        If a line is anything else, or there is none.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise OptionsError(f"{path} is no table of positions: it is over {LARGEST} bytes")
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise cannot_read(path, error) from error
    columns, n_columns = (0, 1), 2
    found: list[tuple[float, float]] = []
    first = True
    for number, line in enumerate(text.splitlines(), 1):
        words = _words(line)
        if not words:
            continue
        if first and all(re.match(HEADING, word) for word in words):
            names = [re.findall(HEADING, word)[0].lower() for word in words]
            if {"y", "x"} <= set(names):
                columns, n_columns = (names.index("y"), names.index("x")), len(names)
        else:
            found.append(_position(words, columns, n_columns, f"{path}, line {number}"))
        first = False
    if not found:
        raise OptionsError(f"{path} has no positions: give y and x in px on each line")
    return tuple(found)


def write_positions(
    path: str | os.PathLike[str], positions: Positions, columns: Mapping[str, Sequence[float]]
) -> None:
    """Write positions as a table that `read_positions` reads.

    Parameters
    ----------
    path
        The file to write; replaced if it is there.
    positions
        (y, x), px.
    columns
        Further columns: a value for each position.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    lines = [",".join(["y", "x", *columns])]
    for (y, x), *others in zip(positions, *columns.values(), strict=True):
        lines.append(",".join([f"{y:.10g}", f"{x:.10g}", *(f"{value:.4f}" for value in others)]))
    with atomic_write(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _words(line: str) -> list[str]:
    """Take a line apart, at spaces only where nothing else divides it."""
    text = line.partition("#")[0].strip()
    divided = re.search("[,;\t]", text)
    return [word.strip() for word in re.split("[,;\t]", text)] if divided else text.split()


def _position(
    words: Sequence[str], columns: tuple[int, int], n_columns: int, where: str
) -> tuple[float, float]:
    """Read y and x from the words of a line; ``where`` is for the message."""
    try:
        if len(words) != n_columns:
            raise ValueError
        y, x = (float(words[column]) for column in columns)
        if not math.isfinite(y + x):
            raise ValueError
    except ValueError:
        shown = repr(" ".join(words))
        shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."
        others = f" ({n_columns} columns, as the first line names them)" if n_columns > 2 else ""
        raise OptionsError(
            f"{where} is {shown}: it must be y, x in px, such as 120.5, 200{others}"
        ) from None
    return y, x
