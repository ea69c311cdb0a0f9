"""Options of a job in a file, which ``--options`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.errors import OptionsError
from skry_dask.options.files import to_toml

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.options import PhaseOptions


def write_options(path: Path, *options: PhaseOptions) -> None:
    """Write options into a file for ``--options``.

    Parameters
    ----------
    path
        The file; replaced if it exists.
    options
        Each of another phase.

    Raises
    ------
    OptionsError
        If its name does not end with .toml.
    StoreError
        If it cannot be written.
    """
    from skry_dask.io.atomic import write_if_new

    if path.suffix.lower() != ".toml":
        raise OptionsError(
            f"options cannot be saved as {path}: give a file name that ends with .toml, such as "
            f"{path.stem}.toml"
        )
    write_if_new(path, to_toml(*options).encode())
