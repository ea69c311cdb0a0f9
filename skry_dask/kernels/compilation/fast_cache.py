"""Everything that this package uses of numba's private parts, and what it gains by them.

- Kernels load in 1 ms each, not in 4 ms: numba's own cache also loads each kernel in LLVM's form,
  for kernels that call it (none does), prepares numba for compiling (0.1 s) and looks for plugins
  among all installed packages (8 ms). A job of 1.5 s loads 35 kernels.
- Without reference counts of arrays (``_nrt=False``) blocks are matched 10 to 25 % faster, and
  kernels compile 6 % faster. Kernels allocate nothing: their callers own all arrays.

If any of it is missing or fails, kernels are compiled with public options only, and numba's own
cache keeps them, in the same folder: see `skry_dask.kernels.compilation.dispatchers`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import uuid
from typing import TYPE_CHECKING, Any

import numba

from skry_dask.kernels.compilation import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

OPTIONS: dict[str, Any] = {"_nrt": False, "no_cfunc_wrapper": True, "no_rewrites": True}
"""Options that numba does not document: no reference counts, no entry point for C, no search for
array expressions, which kernels do not contain."""


MAX_DAMAGED = 3
"""If this many files cannot be loaded, private parts have changed rather than files."""


class _State:
    """What has gone wrong in this process."""

    problem: str | None = None
    n_damaged = 0


def failed(reason: object) -> None:
    """Use numba's public parts from now on in this process."""
    if _State.problem is None:
        _State.problem = repr(reason)
        log.debug("numba's own cache is used for kernels: %s", _State.problem)


def is_available() -> bool:
    """Whether numba's private parts are there, and have not failed yet."""
    return _State.problem is None


def new_dispatcher(function: Callable[..., Any], **options: Any) -> Any:
    """Wrap a function in a numba dispatcher with the fast cache; None if that is impossible."""
    try:
        dispatcher = numba.njit(**options, **OPTIONS)(function)
        if not isinstance(dispatcher._cache, NullCache):
            raise TypeError("a dispatcher has another cache than expected")
        dispatcher._cache = FastCache(function)
        dispatcher._compilation_chain_init_hook = _look_for_no_plugins
    except Exception as error:
        failed(error)
        return None
    return dispatcher


def _look_for_no_plugins() -> None:
    """Take the place of numba's search for plugins among all installed packages."""


def path_of(function: Callable[..., Any], argument_types: Any) -> Path | None:
    """Name the file of a compiled kernel; None if there is no folder for it.

    Parameters
    ----------
    function
        The kernel in Python.
    argument_types
        numba types of the arguments.
    """
    folder = cache_folder.folder()
    if folder is None:
        return None
    name = f"{function.__module__.rsplit('.', 1)[-1]}.{function.__qualname__}"
    digest = hashlib.sha256(f"{function.__module__} {tuple(argument_types)}".encode())
    return folder / f"{name}-{digest.hexdigest()[:12]}.nbk"


try:
    from numba.core.caching import NullCache
    from numba.core.compiler import compile_result
    from numba.core.serialize import dumps

    class FastCache(NullCache):
        """A kernel's compiled versions on disk; never a reason to fail.

        Parameters
        ----------
        function
            The kernel in Python.
        """

        def __init__(self, function: Callable[..., Any]) -> None:
            self._function = function

        def load_overload(self, signature: Any, context: Any) -> Any:
            """Load what was compiled for a signature; None if nothing was, or it is damaged."""
            path = path_of(self._function, _arguments(signature))
            try:
                if path is None or not path.exists() or not cache_folder.is_own_file(path):
                    return None
                return _rebuild(context, pickle.loads(path.read_bytes()))
            except Exception as error:  # a file cut short can raise anything
                log.debug("%s is compiled again: %r", path, error)
                _State.n_damaged += 1
                if _State.n_damaged >= MAX_DAMAGED:
                    failed(error)
                return None

        def save_overload(self, signature: Any, compiled: Any) -> None:
            """Keep what was compiled, if possible."""
            path = path_of(self._function, _arguments(signature))
            if path is None:
                return
            try:
                data = dumps(_reduce(compiled))
            except Exception as error:
                failed(error)
                return
            try:
                _write(path, data)
            except OSError as error:
                log.debug("%s is not kept: %s", path, error)

    def _arguments(signature: Any) -> Any:
        return getattr(signature, "args", signature)

    def _reduce(compiled: Any) -> tuple[Any, ...]:
        """Take a compiled kernel apart into what can be pickled."""
        library, description = compiled.library, compiled.fndesc
        environments = tuple(compiled._find_referenced_environments())
        # Types of variables are of no use any more.
        description.typemap = description.calltypes = None
        code = library._get_compiled_object()
        return (
            library.name,
            code,
            description,
            compiled.environment,
            compiled.signature,
            environments,
        )

    def _rebuild(context: Any, parts: tuple[Any, ...]) -> Any:
        """Put a compiled kernel together again."""
        name, code, description, environment, signature, environments = parts
        codegen = context.codegen()
        library = codegen.create_library(name)
        library.enable_object_caching()
        library._set_compiled_object(code)
        library._finalize_final_module()
        codegen._engine._defined_symbols.update(
            [
                description.llvm_func_name,
                description.llvm_cpython_wrapper_name,
                *(one.env_name for one in (environment, *environments)),
            ]
        )
        entry = context.get_executable(library, description, environment)
        for other in environments:
            codegen.set_env(other.env_name, other)
        return compile_result(
            target_context=context,
            typing_context=context.typing_context,
            library=library,
            environment=environment,
            entry_point=entry,
            fndesc=description,
            signature=signature,
            objectmode=False,
            lifted=(),
            referenced_envs=environments,
        )

except Exception as error:  # private parts change without notice
    failed(error)


def _write(path: Path, data: bytes) -> None:
    """Write a file at once: other processes see nothing of it or all."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.chmod(0o644)  # whatever the umask says
        os.replace(temporary, path)  # noqa: PTH105 - replaces a file on Windows, too
    finally:
        temporary.unlink(missing_ok=True)
