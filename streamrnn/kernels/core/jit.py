"""The one place that knows Numba's flags and its cache.

`jit` makes a function that other kernels call. `Part` makes a C function that a plan reaches by its address (see
call.py): compiled alone, once per float type, and only when a plan asks for it.

Numba notices an edited file but not an edited callee in another file, and would serve the stale caller. So what is
compiled from a module is cached under a digest of the sources that it reaches by its imports: an edited kernel is
compiled again with all that is built on it, and nothing else is. The index is a pickle and the payload native code, so
a directory that others can write is not used at all.

Numba takes its files for whole, and raises where a power cut or a full disk left half of one, at every start anew.
Ours bear a checksum: what is damaged is compiled again, and what cannot be written is not cached.
"""

import ast
import functools
import hashlib
import os
import platform
import stat
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numba
from llvmlite import binding
from numba import types
from numba.core import caching
from numba.core.typing.typeof import typeof_impl

from streamrnn.kernels.core.record import Numbered

# nnan and ninf are never allowed: the firewall must see what is not finite.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
FLOATS = {"float32": types.float32, "float64": types.float64}


typeof_impl.register(Numbered)(lambda record, context: types.Module(record))  # its fields are constants

HERE = Path(__file__).parents[1]  # the kernels, in rooms of their own
KERNELS = __name__.removesuffix(".core.jit")
BUILD = f"{numba.__version__} {platform.python_version()} {binding.get_host_cpu_name()}"


@functools.cache
def _imports(module: str) -> set[str]:
    """Modules of this package that a module of it imports, at its top and nowhere else."""
    found: set[str] = set()
    for node in ast.parse(_source(module).read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{KERNELS}."):
            below = (node.module or "").removeprefix(KERNELS).strip(".")
            named = {f"{below}.{name.name}".strip(".") for name in node.names}
            modules = {name for name in named if _source(name).exists()}
            found |= modules or {below}
    return found


def _source(module: str) -> Path:
    """The file of a kernel module, which is named from the package of all kernels on."""
    return HERE / f"{module.replace('.', '/')}.py"


def reach(module: str) -> set[str]:
    """The module and all that it is built on; this file is part of every one."""
    seen, waiting = {"core.jit"}, {module}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= _imports(name) - seen
    return seen


def digest(modules: set[str]) -> str:
    """What code compiled from `modules` depends on: their sources, Numba, the interpreter and the CPU."""
    sha = hashlib.sha256(BUILD.encode())
    for name in sorted(modules):
        sha.update(name.encode() + b"\0" + _source(name).read_bytes() + b"\0")
    return sha.hexdigest()[:16]


MODULES = sorted(".".join(path.relative_to(HERE).with_suffix("").parts) for path in HERE.rglob("*.py"))
DIGEST = digest(set(MODULES))


def cache_directory() -> Path | None:
    """A private directory for compiled code, made if need be; None when there is none to be had."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "streamrnn"
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


class Whole(caching.IndexDataCacheFile):
    """The cached files of one function; a damaged one is as good as none."""

    def save(self, key: object, data: object) -> None:
        with suppress(OSError):
            super().save(key, data)

    def _load_index(self) -> dict:
        try:
            return super()._load_index()
        except Exception:  # whatever half a pickle raises
            return {}

    def _load_data(self, name: str) -> object:
        content = Path(self._data_path(name)).read_bytes()
        if _sum(content[:-4]) != content[-4:]:
            raise OSError(f"{name} is damaged")  # which Numba takes for absent
        return super()._load_data(name)

    def _dump(self, obj: object) -> bytes:
        content = super()._dump(obj)
        return content + _sum(content)  # behind its end, where nobody reads on


def _sum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")


caching.IndexDataCacheFile = Whole
CACHE = cache_directory()
_OPTIONS = {"cache": CACHE is not None, "fastmath": FASTMATH, "error_model": "numpy", "nogil": True}


@functools.cache
def _place(module: str) -> str:
    """Where in the cache the code of a module goes: a kernel's under its own digest, a test's under that of all."""
    return digest(reach(module.removeprefix(f"{KERNELS}."))) if module.startswith(f"{KERNELS}.") else DIGEST


def _cached(decorate: Callable, function: Callable) -> Callable:
    """Decorate with Numba's cache pointed at ours, and nobody else's pointed there."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = "" if CACHE is None else str(CACHE / _place(function.__module__))
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
