"""The recipes of the guide: code that compiles, options that exist, commands that run."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import skry_dask as skry
from skry_dask.cli.main import main

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "notebooks/guide/clusters.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
(IMAGE,) = re.findall(r"```dockerfile\n(.*?)```", GUIDE, re.DOTALL)


def calls(code: str) -> dict[str, dict[str, Any]]:
    """Keyword arguments of each call, by what is called."""
    return {
        ast.unparse(node.func): {str(k.arg): k.value for k in node.keywords}
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
    }


def test_there_is_a_recipe_for_each_kind_of_cluster() -> None:
    assert ["SLURMCluster" in RECIPES[0], "KubeCluster" in RECIPES[1]] == [True, True]
    assert len(RECIPES) == 2


@pytest.mark.parametrize("code", RECIPES)
def test_recipes_call_run_with_arguments_that_it_has(code: str) -> None:
    known = inspect.signature(skry.run).parameters
    assert set(calls(code)["skry.run"]) <= set(known)


@pytest.mark.parametrize(
    ("code", "module", "names"),
    [
        (RECIPES[0], "dask_jobqueue.slurm", ["SLURMJob", "Job"]),
        (RECIPES[1], "dask_kubernetes.operator", ["KubeCluster"]),
    ],
)
def test_recipes_make_clusters_with_arguments_that_they_have(
    code: str, module: str, names: list[str]
) -> None:
    if importlib.util.find_spec(module.split(".")[0]) is None:
        pytest.skip(f"{module} is not installed")
    found = importlib.import_module(module)
    known = {arg for name in names for arg in inspect.signature(getattr(found, name)).parameters}
    called = next(name for name in calls(code) if name.endswith("Cluster"))
    assert set(calls(code)[called]) <= known


def test_the_image_installs_extras_and_runs_commands_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r'"/src\[(.*)\]"', IMAGE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    commands = [line.split()[1:] for line in IMAGE.splitlines() if line.startswith("RUN skry")]
    assert commands == [["skry", "compile"]]
    assert main([*commands[0][1:], "--help"]) == 0
    assert tuple(map(int, re.findall(r"python:(\d+)\.(\d+)", IMAGE)[0])) >= (3, 11)
