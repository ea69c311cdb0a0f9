"""The house: which module may import which, and what starting costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import skry_dask

PACKAGE = Path(skry_dask.__file__).parent

FLOORS = (
    {"errors", "heap", "tally"},
    {"startup", "types", "options", "scene", "kernels.compile", "kernels.kept", "kernels.parts"},
    {"bands", "geometry", "io", "tables", "kernels", "io.reader", "io.atomic"},
    {"mesh", "passes", "store", "develop", "sensor", "scenery", "air", "thumbnails"},
    {
        "results",
        "budget",
        "selection",
        "decoding",
        "masters",
        "smoothing",
        "contrast",
        "anchors",
        "motion",
    },
    {"accumulate", "registration", "points", "dispersion", "brightness", "field"},
    {"capture", "calibrate", "execute", "simulate", "plotting", "choice"},
    {"align", "quality", "track", "stack", "outputs", "inspection"},
    {"pipeline", "partial"},
    {"demo", "terminal"},
    {"cli"},
)


def floor_of(module: str) -> int:
    for depth in range(module.count(".") + 1):
        name = module.rsplit(".", depth)[0]
        for i, names in enumerate(FLOORS):
            if name in names:
                return i
    raise AssertionError(f"{module} has no floor: add it to FLOORS")


def imports_of(path: Path) -> set[str]:
    """Modules of the package that a file imports when it runs (not for types only)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skry_dask."):
            found.add(node.module.removeprefix("skry_dask."))
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
    return found


MODULES = sorted(
    ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for p in PACKAGE.rglob("*.py")
    if p != PACKAGE / "__init__.py"
)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_kernels_lie_where_the_name_of_their_folder_counts_them(path: Path) -> None:
    # `kernels.kept` compiles anew what has changed in that folder, and nothing else.
    decorated = [
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and {ast.unparse(d) for d in node.decorator_list} & {"kernel", "inlined"}
    ]
    assert path.parent.name == "kernels" or not decorated


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downward_only(module: str) -> None:
    path = PACKAGE / (module.replace(".", "/") + ".py")
    path = path if path.exists() else PACKAGE / module.replace(".", "/") / "__init__.py"
    for other in imports_of(path):
        same_folder = "." in module and other.split(".")[0] == module.split(".")[0]
        same_folder = same_folder or other.startswith(f"{module}.")
        assert same_folder or floor_of(other) < floor_of(module), f"{module} imports {other}"


def test_only_the_store_imports_zarr() -> None:
    importing = {
        module.split(".")[0]
        for module in MODULES
        for path in [PACKAGE / (module.replace(".", "/") + ".py")]
        if path.exists()
        and "import zarr\n" in path.read_text(encoding="utf-8").partition("if TYPE_CHECKING:")[0]
    }
    assert importing == {"store"}


@pytest.mark.parametrize("kernel", [m for m in MODULES if m.startswith("kernels.")])
def test_kernels_know_nothing_of_dask_and_xarray(kernel: str) -> None:
    text = (PACKAGE / (kernel.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    assert "import dask" not in text
    assert "import xarray" not in text


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


@pytest.mark.parametrize("arguments", [["--help"], ["stack", "--help"], ["--version"]])
def test_help_imports_neither_numpy_nor_dask(arguments: list[str]) -> None:
    code = (
        f"sys.argv = ['skry', *{arguments!r}]\n"
        "from skry_dask.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code"
    )
    assert not HEAVY & loaded_by(code)


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("3", "3")])
def test_blas_starts_no_threads_of_its_own_unless_told_to(
    given: str | None, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
    code = (
        "import os\nfrom skry_dask.cli import main\nsys.argv = ['skry', '--version']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"assert os.environ['OPENBLAS_NUM_THREADS'] == {used!r}"
    )
    assert "numpy" not in loaded_by(code)  # which reads it when it is imported


def test_every_public_name_is_there_and_is_not_a_module() -> None:
    for name in skry_dask.__all__:
        assert callable(getattr(skry_dask, name)), name


def test_public_functions_survive_the_import_of_modules_of_the_same_name() -> None:
    code = "import skry_dask.pipeline, skry_dask\nassert callable(skry_dask.align)"
    assert "skry_dask.align" in loaded_by(code)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'allign'"):
        skry_dask.allign  # noqa: B018


def test_xarray_finds_the_engine() -> None:
    names = {point.name for point in entry_points(group="xarray.backends")}
    assert "skry" in names
