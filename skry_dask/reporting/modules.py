"""Files of pages and widgets: ES modules and style sheets.

The comparison of images is one module, for reports, for notebooks and for ``skry view``.
"""

from __future__ import annotations

from importlib.resources import files


def static_text(*names: str, package: str = "skry_dask.reporting") -> str:
    """Read files of a package's folder ``static``, and put them together to one."""
    folder = files(package).joinpath("static")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
