"""Kernels are ready on every worker before its first task: one process compiles, others load.

Without that, each process of a new machine would compile all kernels by itself, at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from skry_dask.graph.cluster.answers import within
from skry_dask.kernels.compilation import cache_folder, registry
from skry_dask.store.places.locks import exclusive

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)

NAME = "skry-kernels"
"""Name of the plugin on the cluster."""

COMPILE_SECONDS = 300
"""How long to wait until kernels are ready: on a slow machine they take a minute to compile."""


def prepare(samples: Collection[str]) -> int:
    """Compile or load the kernels that every stack of some pixels needs.

    Processes that share the folder of compiled kernels take turns, so that only the first compiles.

    Parameters
    ----------
    samples
        Types of the pixels, such as "u1".

    Returns
    -------
    Number of kernels, in all their versions.
    """
    needed = [
        version
        for version in registry.all_versions()
        if version.samples in ("", *samples) and not version.is_optional
    ]
    folder = cache_folder.folder()
    with contextlib.ExitStack() as alone:
        if folder is not None and not all(version.is_on_disk() for version in needed):
            alone.enter_context(exclusive(folder / "kernels", "compiling kernels"))
        for version in needed:
            dispatcher = version.kernel.dispatcher
            if hasattr(dispatcher, "compile"):  # not with NUMBA_DISABLE_JIT
                dispatcher.compile(version.argument_types)
    return len(needed)


def kernels_plugin(samples: Collection[str]) -> Any:
    """Make a plugin that prepares kernels on each worker, on those that join later too.

    Parameters
    ----------
    samples
        As for `prepare`.

    Returns
    -------
    distributed.WorkerPlugin
    """
    from distributed import WorkerPlugin

    class Kernels(WorkerPlugin):
        """Prepares kernels; a class of its own here, so that it travels without this package."""

        name = NAME

        async def setup(self, worker: Any) -> None:
            """Prepare kernels beside the event loop; without this package do nothing."""
            try:
                from skry_dask.graph.cluster.kernels import prepare
            except ImportError:
                return
            await asyncio.to_thread(prepare, samples)

    return Kernels()


def prepare_on(client: Any, samples: Collection[str]) -> None:
    """Prepare kernels on all workers of a cluster; where that fails, they compile when needed."""
    try:
        within(COMPILE_SECONDS, lambda: client.register_plugin(kernels_plugin(samples)))
    except Exception as error:  # also those of workers that cannot be used
        log.debug("kernels are not prepared everywhere: %r", error)


def forget_on(client: Any) -> None:
    """Remove the plugin: workers of other jobs need none."""
    with contextlib.suppress(Exception):
        within(10, lambda: client.unregister_worker_plugin(NAME))
