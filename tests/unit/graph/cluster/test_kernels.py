"""Kernels are ready before the first task, and a worker without the package survives that."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from skry_dask.graph.cluster.kernels import NAME, forget_on, kernels_plugin, prepare, prepare_on
from skry_dask.kernels.compilation import registry

pytest.importorskip("distributed")


def test_all_kernels_of_a_type_of_pixels_are_ready() -> None:
    n = prepare(["u1"])
    needed = [v for v in registry.all_versions() if v.samples in ("", "u1") and not v.is_optional]
    assert n == len(needed)
    dispatcher = needed[0].kernel.dispatcher
    if hasattr(dispatcher, "overloads"):  # not with NUMBA_DISABLE_JIT
        assert needed[0].argument_types in dispatcher.overloads


def test_a_worker_without_the_package_survives_the_plugin() -> None:
    from distributed.protocol.pickle import dumps

    script = (
        "import asyncio, pickle, sys\n"
        "sys.modules['skry_dask'] = None\n"
        "plugin = pickle.loads(sys.stdin.buffer.read())\n"
        "asyncio.run(plugin.setup(None))\n"
        "print(plugin.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=dumps(kernels_plugin(("u1",))), capture_output=True
    )
    assert done.stdout.decode().strip() == NAME, done.stderr.decode()


class Client:
    def __init__(self) -> None:
        self.plugins: list[str] = []

    def register_plugin(self, plugin: Any) -> None:
        self.plugins.append(plugin.name)
        raise ModuleNotFoundError("a worker has no skry_dask")

    def unregister_worker_plugin(self, name: str) -> None:
        self.plugins.remove(name)


def test_the_plugin_is_gone_when_the_job_ends() -> None:
    client = Client()
    prepare_on(client, ("u1",))
    assert client.plugins == [NAME]
    forget_on(client)
    assert client.plugins == []
