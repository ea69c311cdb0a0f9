"""What a report needs besides the program itself."""

from __future__ import annotations

from importlib.util import find_spec

from skry_dask.errors import OptionsError


def check_libraries() -> None:
    """Refuse a report that cannot be made, before any work.

    Raises
    ------
    OptionsError
        If jinja2 or matplotlib is not installed.
    """
    for module in ("jinja2", "matplotlib"):
        if find_spec(module) is None:
            raise OptionsError(
                f"a report needs {module}, which is not installed: pip install 'skry_dask[report]'"
            )
