"""Where compiled kernels are kept from one process to the next.

numba keeps them beside the package, where read-only installations and containers refuse it, and
notices a change of the file that a kernel is in, but not of one that it calls. Here they are in a
folder of the user's, whose name says what they were compiled for: the package's version and all of
its kernels' sources, numba, Python and the processor. A folder that is read-only but has kernels is
used as it is, so that a container's image can bring them along.

Other programs in the process find numba as it is: each kernel gets a cache object of this module,
and what of numba's runtime comes from the folder is what numba would have compiled.

Cost: the 35 kernels that stacking needs load in 0.05 s. What took 0.3 s with numba's own cache, and
is left out here: preparing numba for compiling (`refresh` of its target, 0.1 s), looking for its
plugins (8 ms), compiling its runtime (17 ms), reading kernels in LLVM's form to learn what names
are in them (45 ms), and importing numba's arrays, which kernels need that make arrays, sort them or
assign one to another (36 ms): they get theirs from their callers.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import shutil
import stat
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache
from numba.core.compiler import compile_result
from numba.core.runtime import nrtdynmod
from numba.core.runtime.nrt import rtsys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

config: Any = numba.config
"""Its names are made as numba is imported, from the user's NUMBA_... variables."""

VARIABLE = "SKRY_CACHE_DIR"
"""Environment variable that names the folder."""

COMPILE_SECONDS = 24
"""About how long it takes to compile what stacking needs (2-core virtual machine, numba 0.68)."""

FEW = 5
"""With fewer files than this, a folder is as good as empty: a simulation compiles some, too."""

FORGET_DAYS = 30
"""Kernels that have not been used for so long are removed when others get a folder."""


def key() -> str:
    """Name what kernels are compiled for: version, Python, and a digest of everything else."""
    try:
        own = version("skry_dask")
    except PackageNotFoundError:
        own = "0"
    digest = hashlib.sha256()
    # What numba takes: see NUMBA_CPU_NAME and NUMBA_CPU_FEATURES.
    cpu = config.CPU_NAME or llvm.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    for part in (numba.__version__, llvm.get_default_triple(), cpu, features, sys.version):
        digest.update(f"{part}\n".encode())
    for source in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(source.read_bytes())
    return f"{own}-{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"


KEY = key()
"""Taken when kernels are imported, before anyone edits their sources."""


@functools.cache
def folder() -> Path | None:
    """Find the folder for compiled kernels: made if need be; None where none can be."""
    for place in _places():
        found = place / KEY
        if _can_be_used(found):
            return found
    log.debug("no folder can be written: kernels compile in each process")
    return None


def _places() -> Iterator[Path]:
    """Name the folders to try: the user's choice, the user's cache, a temporary folder."""
    if chosen := os.environ.get(VARIABLE):
        yield Path(chosen).absolute()
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR).absolute() / "skry_dask"
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - a user without a home is no error
    if cache.is_absolute():
        yield cache / "skry_dask"
    elif home.is_absolute():
        yield home / ".cache" / "skry_dask"
    try:
        temporary = Path(tempfile.gettempdir()) / f"skry_dask-{os.getuid()}"
        temporary.mkdir(mode=0o700, exist_ok=True)
        about = temporary.lstat()
    except OSError:
        return
    # What is loaded from here runs: in a folder that everyone writes to, only what is ours.
    if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o022:
        yield temporary


def _can_be_used(found: Path) -> bool:
    """Tell whether a folder has kernels or takes some."""
    try:
        if next(found.glob("*.nbi"), None) is None:
            if not found.is_dir():
                found.mkdir(parents=True)
                _forget_old(found)
            tempfile.TemporaryFile(dir=found).close()
        elif os.access(found, os.W_OK):
            os.utime(found)  # in use
    except OSError as error:
        log.debug("%s cannot be used for compiled kernels: %s", found, error)
        return False
    return True


def _forget_old(found: Path) -> None:
    """Remove folders beside this one that have not been used for long."""
    tag = f"-{sys.implementation.cache_tag}-"
    for other in found.parent.iterdir():
        if tag in other.name and other.stat().st_mtime < time.time() - FORGET_DAYS * 86400:
            shutil.rmtree(other, ignore_errors=True)


@functools.cache
def _say_once() -> None:
    """Say that compiling takes its time, if there is next to nothing compiled."""
    found = folder()
    if found is None or len(list(found.glob("*.nbi"))) < FEW:
        log.info("first run: compiling, about %d s", COMPILE_SECONDS)


class _Locator:
    """What numba asks for a place."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._line = function.__code__.co_firstlineno
        self._py_file = function.__code__.co_filename  # for numba's warnings

    @classmethod
    def from_function(cls, function: Callable[..., Any], _file: str) -> _Locator | None:
        return None if folder() is None else cls(function)

    def get_cache_path(self) -> str:
        return str(folder())

    def ensure_cache_path(self) -> None:
        Path(self.get_cache_path()).mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        return ""  # the folder's name has all sources in it

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Files(CompileResultCacheImpl):
    """Kernels in files, in the folder.

    Beside its machine code numba keeps a kernel in LLVM's form, for kernels that call it, and reads
    all of it to learn what names it defines. Here the names are kept as such, and that form is read
    when it is needed: a kernel loads in 2 ms, not in 4.
    """

    _locator_classes: Any = (_Locator,)

    def reduce(self, compiled: Any) -> Any:
        """Take apart a compiled kernel."""
        return _names_in(compiled.library), compiled._reduce()

    def rebuild(self, context: Any, payload: Any) -> Any:
        """Put it together again."""
        names, (parts, description, environment, signature, mode, lifted, _, _, used) = payload
        codegen = context.codegen()
        library = _load_library(codegen, names, parts)
        entry = context.get_executable(library, description, environment)
        for other in used:
            codegen.set_env(other.env_name, other)
        return compile_result(
            target_context=context,
            typing_context=context.typing_context,
            library=library,
            environment=environment,
            entry_point=entry,
            fndesc=description,
            signature=signature,
            objectmode=mode,
            lifted=lifted,
            referenced_envs=used,
        )


def _names_in(library: Any) -> list[str]:
    """List what a library defines."""
    shared = library._get_module_for_linking()
    kinds = (shared.functions, shared.global_variables)
    return [it.name for kind in kinds for it in kind if not it.is_declaration]


def _load_library(codegen: Any, names: list[str], parts: Any) -> Any:
    """Load a library from its machine code; its other form is read if it is asked for."""
    name, _, (machine_code, bitcode) = parts
    library = codegen.create_library(name)
    library.enable_object_caching()
    library._set_compiled_object(machine_code)
    library._finalize_final_module()
    codegen._engine._defined_symbols.update(names)

    @functools.cache
    def shared() -> Any:
        return llvm.parse_bitcode(bitcode)

    library._get_module_for_linking = shared
    return library


def _start_runtime(context: Any) -> None:
    """Start numba's runtime, with its functions from the folder.

    Else numba compiles them in each process, which takes 17 ms; so they load in 1 ms.
    """
    if not rtsys._init:
        its = nrtdynmod.compile_nrt_functions
        # Under the compiler's lock, as all of numba's own compiling.
        nrtdynmod.compile_nrt_functions = _runtime_functions
        try:
            rtsys.initialize(context)
        finally:
            nrtdynmod.compile_nrt_functions = its


def _runtime_functions(context: Any) -> Any:
    """Load the functions of numba's runtime, or compile and keep them."""
    files = IndexDataCacheFile(str(folder()), "runtime", "")
    try:
        if parts := files.load("functions"):
            return _load_library(context.codegen(), *parts)
    except Exception as error:  # a file cut short can raise anything
        log.debug("numba's runtime is compiled anew: %r", error)
    module, library = nrtdynmod.create_nrt_module(context)
    library.enable_object_caching()
    library.add_ir_module(module)
    library.finalize()
    with contextlib.suppress(OSError):
        parts = _names_in(library), library.serialize_using_object_code()
        files.save("functions", parts)
    return library


class _Functions(FunctionCache):
    """numba's reading and writing of such files."""

    _impl_class = _Files


class KeptKernel(NullCache):
    """A kernel's compiled versions on disk, where there is a place; never a reason to fail.

    Parameters
    ----------
    function
        The kernel in Python.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @functools.cached_property
    def _kept(self) -> Any:
        """Made on first use: importing the package touches no folder."""
        made: Any = _Functions
        return None if folder() is None else made(self._function)

    @property
    def cache_path(self) -> str | None:
        """The folder."""
        return None if self._kept is None else self._kept.cache_path

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Load what was compiled for a signature; None where nothing was, or it cannot be read."""
        found = None
        if self._kept is not None:
            # For the kernel's own memory; all else that numba would prepare is for compiling.
            _start_runtime(context)
            try:
                found = self._kept._load_overload(signature, context)
            except Exception as error:  # a file cut short can raise anything
                log.debug("%s is compiled anew: %r", self._function.__name__, error)
        if found is None:
            _say_once()
        return found

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled, if it can be."""
        if self._kept is None:
            return
        try:
            self._kept.save_overload(signature, compiled)
        except OSError as error:
            log.debug("%s is not kept: %s", self._function.__name__, error)
