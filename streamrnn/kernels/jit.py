"""The one place that knows Numba's flags and its cache.

`jit` makes a function that other kernels call. `Part` makes a C function that a plan reaches by its address (see
call.py): compiled alone, once per float type, and only when a plan asks for it.

The cache directory carries a digest of every source of this package: Numba notices an edited file but not an edited
callee in another file, and would serve the stale caller. The index is a pickle and the payload native code, so a
directory that others can write is not used at all.
"""

import hashlib
import os
import platform
import stat
import warnings
from collections.abc import Callable
from pathlib import Path

import numba
from llvmlite import binding
from numba import types

# nnan and ninf are never allowed: the firewall must see what is not finite.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
FLOATS = {"float32": types.float32, "float64": types.float64}


def _digest() -> str:
    """What compiled code depends on: sources, Numba, the interpreter and the CPU."""
    sha = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        sha.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    sha.update(f"{numba.__version__} {platform.python_version()} {binding.get_host_cpu_name()}".encode())
    return sha.hexdigest()[:16]


DIGEST = _digest()


def cache_directory() -> Path | None:
    """A private directory for compiled code, made if need be; None when there is none to be had."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "streamrnn" / DIGEST
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    private = status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not private or not os.access(path, os.W_OK):
        warnings.warn(f"{path} is not private to this user: compiled code is not cached", stacklevel=2)
        return None
    return path


CACHE = cache_directory()
_OPTIONS = {"cache": CACHE is not None, "fastmath": FASTMATH, "error_model": "numpy", "nogil": True}


def _cached(decorate: Callable, function: Callable) -> Callable:
    """Decorate with Numba's cache pointed at ours, and nobody else's pointed there."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = "" if CACHE is None else str(CACHE)
    try:
        return decorate(function)
    finally:
        numba.config.CACHE_DIR = before


def jit(function: Callable) -> Callable:
    """A nopython function for other kernels, or the entry that Python calls."""
    return _cached(numba.njit(**_OPTIONS), function)


class Part:
    """A C function of one family's signature, reached by address; `signature` takes the float type."""

    def __init__(self, function: Callable, signature: Callable) -> None:
        self.function = function
        self.signature = signature
        self._compiled: dict[str, object] = {}

    def address(self, dtype: str) -> int:
        """Compile for `dtype` ("float32" or "float64") or load from the cache."""
        if dtype not in self._compiled:
            options = {name: value for name, value in _OPTIONS.items() if name != "nogil"}
            decorate = numba.cfunc(self.signature(FLOATS[dtype]), **options)
            self._compiled[dtype] = _cached(decorate, self.function)
        return self._compiled[dtype].address


def family(signature: Callable) -> Callable[[Callable], Part]:
    """Decorator for the parts of one family: they all have this signature."""
    return lambda function: Part(function, signature)
