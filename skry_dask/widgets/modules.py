"""Files of the widgets: ES modules and style sheets."""

from __future__ import annotations

from importlib.resources import files


def module_of(*names: str) -> str:
    """Read files of the widgets, and put them together to one."""
    folder = files("skry_dask.widgets").joinpath("static")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
