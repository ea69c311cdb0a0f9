"""``skry compile``: everything that later runs would have to compile."""

from __future__ import annotations

from skry_dask.cli.process import importing
from skry_dask.cli.terminal import progress_bars
from skry_dask.errors import OptionsError


def compile_kernels(*, workers: int | None = None) -> int:
    """Compile all kernels beforehand, so that no later run has to, whatever its options.

    They are kept in the folder that SKRY_CACHE_DIR names, or in the user's cache, and are for this
    version of the program and this kind of processor only. In the image of a container, this makes
    its first job start at once.

    Parameters
    ----------
    workers
        Number of processes, each of which needs up to 0.4 GiB of memory [default: one per core].
    """
    if workers is not None and workers < 1:
        raise OptionsError(f"--workers is at least 1, not {workers}")
    with importing():
        from dask.system import CPU_COUNT

        from skry_dask.kernels.compilation.precompile import compile_everything
        from skry_dask.pipeline.progress import Progress

    with progress_bars() as bars:
        compiled = compile_everything(
            workers or CPU_COUNT, lambda done, n: bars.report(Progress("compile", done, n))
        )
    n, n_all = compiled.n_compiled, compiled.n_all
    there = f", {n_all - n} were there" if n < n_all else ""
    print(f"{compiled.folder}: {n} versions of kernels compiled{there}")
    return 0
