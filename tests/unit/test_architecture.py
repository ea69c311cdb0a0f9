"""Where kernels are, what is imported when, and the public names.

Which module may import which is checked by the contracts in ``pyproject.toml``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import skry_dask

PACKAGE = Path(skry_dask.__file__).parent

LINES = 400
"""Largest number of lines of a module."""

BODY_LINES = 50
"""Largest number of lines of a function's body, without its docstring."""


def test_kernels_lie_in_the_folder_whose_content_names_their_cache() -> None:
    # What changes in that folder is compiled anew, and nothing else is.
    outside = [
        f"{path.name}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        if "kernels" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and {ast.unparse(d) for d in node.decorator_list} & {"kernel", "part", "inlined"}
    ]
    assert not outside


def test_modules_and_functions_are_short() -> None:
    long = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > LINES:
            long.append(path.name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1:2] if ast.get_docstring(node) else node.body
                if first and (node.end_lineno or 0) - first[0].lineno >= BODY_LINES:
                    long.append(f"{path.name}: {node.name}")
    assert not long


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {
    "numpy",
    "dask",
    "numba",
    "xarray",
    "zarr",
    "scipy",
    "tifffile",
    "av",
    "PIL",
    "distributed",
    "astropy",
}


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not HEAVY & loaded_by("import skry_dask")


def test_help_imports_neither_numpy_nor_dask() -> None:
    code = (
        "from skry_dask.cli.main import main\n"
        "for words in (['--help'], ['stack', '--help'], ['--version']):\n"
        "    assert main(words) == 0"
    )
    assert not HEAVY & loaded_by(code)


def test_stacking_imports_what_it_needs_and_its_modules_do_not_hide_public_functions() -> None:
    code = "import skry_dask.cli.main, skry_dask.pipeline.run\nassert callable(skry_dask.align)"
    loaded = loaded_by(code)
    assert "skry_dask.phases.align" in loaded
    # 25 ms, 7 ms, 16 ms ... of every start; jobs that need them import them when they do.
    seldom = {"scipy.ndimage", "tifffile", "rich", "av", "PIL", "distributed", "astropy"}
    assert not seldom & loaded


def test_every_public_name_is_there() -> None:
    for name in skry_dask.__all__:
        public = getattr(skry_dask, name)
        assert callable(public) or name in {"plotting", "__version__"}, name
        assert name in dir(skry_dask)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="No skry_dask attribute allign"):
        skry_dask.allign  # noqa: B018


def test_xarray_finds_the_engine() -> None:
    names = {point.name for point in entry_points(group="xarray.backends")}
    assert "skry" in names
