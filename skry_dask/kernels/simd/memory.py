"""Hints to the processor: which memory is read soon, how wide its registers should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types

from skry_dask.kernels.simd.ir import I32, lowered

if TYPE_CHECKING:
    from skry_dask.types import AnyArray


def prefetch(image: AnyArray, at: int) -> None:
    """Tell the processor that a pixel will be read soon.

    Its cache line is fetched while the kernel works on something else.

    Parameters
    ----------
    image
        Any array, contiguous.
    at
        The pixel, counted over all dimensions; it may lie outside the array.
    """


@lowered(prefetch, lambda image, at: types.void(image, types.intp))
def _prefetch(builder: Any, image: Any, at: Any) -> None:
    byte = ir.IntType(8).as_pointer()
    place = builder.bitcast(builder.gep(image.data, [at]), byte)
    kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
    instruction = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=kind)
    read, keep_in_all_caches, data = (ir.Constant(I32, number) for number in (0, 3, 1))
    builder.call(instruction, [place, read, keep_in_all_caches, data])
