"""The script that compares bits runs, and tells what differs."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.benchmarks import same_bits

DETAIL = """
import hashlib
import numpy as np
from skry_dask.kernels.frame.detail import area_detail
frame = np.random.default_rng(3).integers(0, 4096, (70, 150), np.uint16)
found = area_detail(frame, 3, np.arange(0, 71, 10), np.arange(0, 151, 10), 12)
print(hashlib.sha256(found.tobytes()).hexdigest())
"""


def test_a_part_of_the_table_is_computed_and_all_bits_are_the_same() -> None:
    flags = ["--cpu", "avx512", "--only", "synchronous", "--chunks", "16"]
    done = subprocess.run(
        [sys.executable, same_bits.__file__, *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 cases, 0 differ from the first"


def test_what_differs_is_named() -> None:
    cases = [(["moon", "threads", 2, 7], "a"), (["moon", "threads", 2, 16], "b")]
    cases += [(["sun", "synchronous", 1, -1], "b")]
    lines = list(same_bits.different(cases, {}))
    assert lines == ["", "moon, threads, 2 workers, chunk 16: b", ""]


def test_a_kernel_compiled_for_another_processor_gives_the_same_bits() -> None:
    digests = [
        subprocess.run(
            [sys.executable, "-c", DETAIL],
            env={**os.environ, **environment}, capture_output=True, text=True, check=True,
        ).stdout
        for environment in (same_bits.CPUS["avx512"], same_bits.CPUS["generic"])
    ]  # fmt: skip
    assert digests[0] == digests[1] != ""
