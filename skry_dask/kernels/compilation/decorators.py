"""Decorators of kernels: `kernel` for those that Python calls, `inlined` for what they consist of.

A kernel is compiled, or loaded, at its first call. It declares the types that it is compiled for;
see `skry_dask.kernels.compilation.signatures`.
"""

from __future__ import annotations

import functools
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

from skry_dask.kernels.compilation import announcement, fast_cache
from skry_dask.kernels.compilation.dispatchers import inlined, new_dispatcher
from skry_dask.kernels.compilation.registry import KERNELS, Version
from skry_dask.kernels.compilation.signatures import Signature, argument_types, expand
from skry_dask.profiling import add_kernel, compiling

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kernel", "UndeclaredTypesWarning", "inlined", "kernel"]


class UndeclaredTypesWarning(RuntimeWarning):
    """A kernel is compiled for types that it does not declare."""


class Kernel:
    """A function of arrays and numbers that numba compiles.

    Parameters
    ----------
    function
        The kernel in Python; tests run it interpreted.
    signatures
        Types that it is compiled for.
    seconds
        About how long one compilation takes.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signatures: list[Signature],
        seconds: float,
    ) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self.signatures = signatures
        self.seconds = seconds
        self._dispatcher: Any = None
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        """Run the kernel."""
        began = time.perf_counter()
        dispatcher = self._dispatcher or self.dispatcher
        try:
            return dispatcher(*arguments)
        finally:
            add_kernel(time.perf_counter() - began)

    @property
    def dispatcher(self) -> Any:
        """What numba made of the function."""
        with self._lock:
            if self._dispatcher is None:
                dispatcher = new_dispatcher(self.py_func)
                if hasattr(dispatcher, "compile"):  # not with NUMBA_DISABLE_JIT
                    self._observe(dispatcher)
                self._dispatcher = dispatcher
            return self._dispatcher

    def _observe(self, dispatcher: Any) -> None:
        """Measure, announce and check whatever a dispatcher compiles or loads."""
        compile_or_load, was_fast = dispatcher.compile, fast_cache.is_available()

        def observed(signature: Any) -> Any:
            types = tuple(getattr(signature, "args", signature))
            if types in dispatcher.overloads:  # another thread was faster
                return compile_or_load(signature)
            with compiling(), announcement.of_compilation(self._version(types)):
                entry = compile_or_load(signature)
            if was_fast and not fast_cache.is_available():
                self._dispatcher = None  # the next call compiles it for numba's own cache
            return entry

        dispatcher.compile = observed

    def versions(self) -> list[Version]:
        """List what the kernel is compiled for."""
        return [
            Version(self, argument_types(text), samples, is_optional=is_optional)
            for text, samples, is_optional in self.signatures
        ]

    def _version(self, types: tuple[Any, ...]) -> Version:
        """Find a declared version."""
        for version in self.versions():
            if version.argument_types == types:
                return version
        function = self.py_func
        message = f"{function.__module__}.{function.__name__} does not declare {types}"
        warnings.warn(message, UndeclaredTypesWarning, stacklevel=2)
        return Version(self, types, "", is_optional=True)


def kernel(
    *signatures: str,
    seconds: float = 0.2,
    is_optional: bool = False,
    optional: dict[str, str] | None = None,
    **letters: tuple[str, ...],
) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a kernel of a function of arrays and numbers.

    Parameters
    ----------
    signatures
        Types of the arguments; see `skry_dask.kernels.compilation.signatures`.
    seconds
        About how long one compilation takes.
    is_optional, optional
        Whether only some options need the kernel, or some of the types that a letter stands for.
    letters
        Types that letters in signatures stand for.
    """

    def decorate(function: Callable[..., Any]) -> Kernel:
        expanded = [one for text in signatures for one in expand(text, letters, optional or {})]
        if is_optional:
            expanded = [one._replace(is_optional=True) for one in expanded]
        made = Kernel(function, expanded, seconds)
        KERNELS.append(made)
        return made

    return decorate
