"""The notebooks run from beginning to end, and keep the pictures that they draw."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import write_kernel_spec
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 300
"""Time limit of a cell, s; the first one that uses a kernel may have to compile it."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``python3`` the kernel of this interpreter, free of the user's own configuration."""
    home = tmp_path / "jupyter"
    write_kernel_spec(home / "kernels" / "python3")
    monkeypatch.setenv("JUPYTER_PATH", str(home))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(home / "ipython"))


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


def pictures(notebook: NotebookNode) -> dict[str, int]:
    """Number of pictures under each cell, by the cell's id."""
    return {
        cell.id: sum(
            bool({"image/png", "image/gif"} & output.get("data", {}).keys())
            for output in cell.outputs
        )
        for cell in code_cells(notebook)
    }


@every_notebook
def test_it_is_valid_and_keeps_pictures_but_no_counts(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5), "cells have no ids"
    assert notebook.metadata.kernelspec.name == "python3"
    assert any(pictures(notebook).values()), "no cell draws anything"
    counts = {cell.id: cell.execution_count for cell in code_cells(notebook)}
    assert not any(counts.values()), "write it with .ci/notebooks"


@every_notebook
def test_it_names_no_place_of_this_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [place for place in ("/home/", "/root/", "/tmp/", "/Users/") if place in text]


@pytest.mark.usefixtures("this_python")
def test_the_kernel_is_this_interpreter(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("import sys; print(sys.executable, end='')")
    notebook = execute(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    assert notebook.cells[0].outputs[0].text == sys.executable


@pytest.mark.usefixtures("this_python")
@every_notebook
def test_it_runs_without_warnings_and_draws_the_pictures_that_it_keeps(
    path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    kept = nbformat.read(path, as_version=4)
    notebook = execute(copy.deepcopy(kept), folder)
    warned = {
        cell.id: output.text
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    }
    assert not warned
    assert pictures(notebook) == pictures(kept), "write it with .ci/notebooks"
    assert not list(folder.iterdir()), "a notebook cleans up after itself"


@pytest.mark.usefixtures("this_python")
def test_a_job_in_a_notebook_shows_progress_in_its_cell(moon_ser: Path) -> None:
    code = f"import skry_dask as skry\nskry.run({str(moon_ser)!r}, quick=True)\nNone"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    outputs = execute(notebook, moon_ser.parent).cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data"]
    assert '<progress value="1" max="1">' in outputs[0].data["text/html"]
    lines = outputs[0].data["text/plain"].splitlines()
    assert [line.split(":")[0] for line in lines] == ["align", "quality", "track", "stack"]
