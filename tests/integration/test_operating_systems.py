"""The program needs nothing that only Linux, or only POSIX, has.

Types are checked for Linux, macOS and Windows by ``mypy --platform``. Here a process hides from the
modules of the package, and from no other library, whatever Windows or macOS lack, and refuses what
Windows refuses: to rename or to delete a file that is open.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import skry_dask
from skry_dask.kernels.compilation import cache_folder

PACKAGE = Path(skry_dask.__file__).parent

OTHER_SYSTEM = f"""
import builtins, ctypes, io, os, sys, sysconfig, threading, types
from pathlib import Path

PACKAGE, STANDARD = {str(PACKAGE)!r}, sysconfig.get_path("stdlib")
MODULES = {{"fcntl", "grp", "posix", "pwd", "resource", "termios"}}
OF_OS = (
    "chown confstr fchmod fork getegid geteuid getgid getloadavg getuid mkfifo nice posix_fadvise "
    "pread preadv pwrite register_at_fork sched_getaffinity statvfs sysconf umount wait4 writev"
).split()
FOLDERS = ("/proc", "/sys")
EVENTS = {{"open", "os.listdir", "os.scandir", "ctypes.dlopen", "os.rename", "os.remove"}}

class OtherOs(types.ModuleType):
    def __getattr__(self, name):
        if name in OF_OS:
            raise AttributeError(name)
        return getattr(os, name)

other_os = OtherOs("os")
real_import = builtins.__import__

def import_(name, globals=None, locals=None, fromlist=(), level=0):
    if ((globals or {{}}).get("__name__") or "").startswith("skry_dask"):
        if name in MODULES:
            raise ModuleNotFoundError(name)
        if name == "os":
            return other_os
    return real_import(name, globals, locals, fromlist, level)

def package_asks():
    "Whether the innermost function outside the standard library is one of the package."
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE):
            return True
        if not file.startswith((STANDARD, "<frozen")) or "site-packages" in file:
            return False
        frame = frame.f_back
    return False

looking = threading.local()  # threads look at the same time

def file_of(fd):
    try:
        return os.readlink(f"/proc/self/fd/{{fd}}")
    except OSError:  # another thread has closed it
        return None

def is_open(path):
    looking.now = True
    try:
        if path in map(file_of, os.listdir("/proc/self/fd")):
            return True
        with open("/proc/self/maps") as mapped:
            return f" {{path}}\\n" in mapped.read()
    finally:
        looking.now = False

def hook(event, args):
    if event not in EVENTS or getattr(looking, "now", False):
        return
    if event in ("open", "os.listdir", "os.scandir"):
        if isinstance(args[0], (str, os.PathLike)):
            if os.fspath(args[0]).startswith(FOLDERS) and package_asks():
                raise FileNotFoundError(2, "No such file or directory", args[0])
    elif event == "ctypes.dlopen":
        if args[0] is None and package_asks():
            raise TypeError("bad argument type for built-in operation")
    elif sys.platform == "linux" and args[-1] == -1:
        for path in args[:2] if event == "os.rename" else args[:1]:
            if is_open(os.path.realpath(path)):
                raise PermissionError(13, "The process cannot access the file", path)

builtins.__import__ = import_
sys.addaudithook(hook)
"""

PROBE = """
found = []
for name in ("fcntl", "resource"):
    try:
        __import__(name, globals())
    except ModuleNotFoundError:
        found.append(name)
import ctypes, os
from pathlib import Path
found += [name for name in ("fork", "getuid", "pread", "sched_getaffinity", "sysconf")
          if not hasattr(os, name)]
for what, call in {
    "proc": lambda: Path("/proc/self/status").read_text(),
    "libc": lambda: ctypes.CDLL(None),
    "open": lambda: (open("held", "w"), os.replace("held", "other")),
}.items():
    try:
        call()
    except (OSError, TypeError) as error:
        found.append(f"{what}: {type(error).__name__}")
print(*found, sep=", ")
"""


def run_elsewhere(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program on that other system, with the compiled kernels of this process."""
    kernels = cache_folder.folder()
    there = {cache_folder.VARIABLE: str(kernels.parent)} if kernels else {}
    return subprocess.run(
        [sys.executable, "-c", OTHER_SYSTEM + code],
        capture_output=True, text=True, cwd=folder, check=False,
        env={**os.environ, **there, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="hides what Linux has")
def test_the_package_finds_nothing_of_linux_there(tmp_path: Path) -> None:
    code = f"exec(compile({PROBE!r}, PACKAGE + '/probe.py', 'exec'), {{'__name__': 'skry_dask.p'}})"
    done = run_elsewhere(code, tmp_path)
    hidden = ["fcntl", "resource", "fork", "getuid", "pread", "sched_getaffinity", "sysconf"]
    hidden += ["proc: FileNotFoundError", "libc: TypeError", "open: PermissionError"]
    assert done.stdout.strip().split(", ") == hidden, done.stderr


def test_the_program_runs_there(tmp_path: Path) -> None:
    commands = [
        ["demo", "--frames", "6"],
        ["simulate", "moon", "-o", "moon.avi", "--frames", "16", "--height", "160",
         "--width", "200"],
        ["import", "moon.avi", "kept.skry"],
        ["stack", "kept.skry", "-o", "moon.png", "--table", "--composite"],
        ["stack", "kept.skry", "-o", "best.png", "--table", "--composite", "--number", "3"],
        ["dark", "moon.avi", "-o", "dark.tif"],
    ]  # fmt: skip
    code = f"""
from skry_dask.cli.main import main
from skry_dask.cli.process import configure_process, release_freed_memory
configure_process()
for command in {commands!r}:
    assert main(command) == 0, command
    release_freed_memory()
"""
    done = run_elsewhere(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dB" in done.stdout
    assert (tmp_path / "moon_points.csv").exists()
    assert "refine" in skry_dask.open_results(tmp_path / "kept.skry")
