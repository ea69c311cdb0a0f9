"""Positions in text files: y and x on each line, in px, as a table or plain numbers.

A job writes its reference points as such a table, which can be edited and given to the next job,
whatever other columns it has.

`pandas.read_csv` is not used: it guesses the separator from the first lines, and an error does not
name the line of a wrong value.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.errors import OptionsError
from skry_dask.io.atomic import write_if_new
from skry_dask.io.files import file_size, read_text

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from skry_dask.options import Positions

COLUMN_NAME = r"[\"']?([^\W\d_]\w*)"
"""What a column heading such as ``Y (px)`` starts with: a word, which no mistyped number does."""

MAX_FILE_BYTES = 10_000_000
"""Longer files are refused: they are something else, such as the video."""

MAX_SHOWN_CHARACTERS = 40
"""Messages show no more than that of a wrong line."""


def read_positions(path: str | os.PathLike[str]) -> Positions:
    r"""Read positions from a text file.

    Parameters
    ----------
    path
        On each line y and x, px, separated by commas, semicolons, tabs or spaces; empty lines and
        what follows ``#`` are skipped. The first line may name the columns: those called ``y`` and
        ``x`` are taken, in any order and among others. Otherwise there are two columns, y and x.

    Returns
    -------
    Positions
        (y, x), px, in the order of the file; at least one.

    Raises
    ------
    ReaderError
        If the file cannot be read.
    OptionsError
        If a line holds anything else, or no line a position.

    Examples
    --------
    >>> from pathlib import Path
    >>> import skry_dask as skry
    >>> _ = Path("points.txt").write_text("y x\n120 200\n80.5 95  # a crater\n")
    >>> skry.read_positions("points.txt")
    ((120.0, 200.0), (80.5, 95.0))
    """
    path = Path(path)
    if file_size(path) > MAX_FILE_BYTES:
        raise OptionsError(f"{path} is no table of positions: it is over {MAX_FILE_BYTES} bytes")
    return parse_positions(read_text(path, MAX_FILE_BYTES), str(path))


def parse_positions(text: str, where: str) -> Positions:
    """Read positions from text; see `read_positions`.

    Parameters
    ----------
    text
        Lines.
    where
        Name of the text, for messages.

    Raises
    ------
    OptionsError
        If a line holds anything else, or no line a position.
    """
    columns, n_columns = (0, 1), 2
    positions: list[tuple[float, float]] = []
    is_first = True
    for number, line in enumerate(text.splitlines(), 1):
        cells = _split(line)
        if not cells:
            continue
        if is_first and all(re.match(COLUMN_NAME, cell) for cell in cells):
            names = [re.findall(COLUMN_NAME, cell)[0].lower() for cell in cells]
            if {"y", "x"} <= set(names):
                columns, n_columns = (names.index("y"), names.index("x")), len(names)
        else:
            positions.append(_parse(cells, columns, n_columns, f"{where}, line {number}"))
        is_first = False
    if not positions:
        raise OptionsError(f"{where} has no positions: give y and x in px on each line")
    return tuple(positions)


def write_positions(
    path: str | os.PathLike[str], positions: Positions, columns: Mapping[str, Sequence[float]]
) -> bool:
    """Write positions as a table that `read_positions` reads.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    positions
        (y, x), px.
    columns
        Name and values of further columns, one value for each position.

    Returns
    -------
    bool
        Whether the file was written: it is left alone if it has the same content already.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    lines = [",".join(["y", "x", *columns])]
    for (y, x), *others in zip(positions, *columns.values(), strict=True):
        lines.append(",".join([f"{y:.10g}", f"{x:.10g}", *(f"{value:.4f}" for value in others)]))
    return write_if_new(path, ("\n".join(lines) + "\n").encode())


def _split(line: str) -> list[str]:
    """Split a line into cells; at spaces only if there is no other separator."""
    text = line.partition("#")[0].strip()
    has_separator = re.search("[,;\t]", text)
    return [cell.strip() for cell in re.split("[,;\t]", text)] if has_separator else text.split()


def _parse(
    cells: Sequence[str], columns: tuple[int, int], n_columns: int, place: str
) -> tuple[float, float]:
    """Return y and x from the cells of a line; `place` names the line in messages."""
    try:
        if len(cells) != n_columns:
            raise ValueError
        y, x = (float(cells[column]) for column in columns)
        if not math.isfinite(y + x):
            raise ValueError
    except ValueError:
        shown = repr(" ".join(cells))
        if len(shown) > MAX_SHOWN_CHARACTERS:
            shown = f"{shown[:MAX_SHOWN_CHARACTERS]}..."
        header = f" ({n_columns} columns, as the first line names them)" if n_columns > 2 else ""
        raise OptionsError(
            f"{place} is {shown}: it must be y, x in px, such as 120.5, 200{header}"
        ) from None
    return y, x
