"""How many threads parallel kernels use, and the pool's one instance in this process."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
import threading
from typing import TYPE_CHECKING

from mlc.config import Config, config
from mlc.forks import free_after_fork
from mlc.runtime.image import LoadedImage, compile_image, load_image
from mlc.runtime.processors import available_cpus as available_cpus
from mlc.runtime.processors import cgroup_quota as cgroup_quota

if TYPE_CHECKING:
    from mlc.backends.llvm.target import Target
    from mlc.runtime.cache import CacheEntry

_lock = threading.Lock()
free_after_fork(sys.modules[__name__])
_pool: LoadedImage | None = None
_MADV_WIPEONFORK = 18


class _Restore:
    """What `set_num_threads` returns: as a context manager, it puts the old number back."""

    __slots__ = ("_before",)

    def __init__(self, before: int | None) -> None:
        self._before = before

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        config.num_threads = self._before  # type: ignore[assignment]


def set_num_threads(count: int | None) -> _Restore:
    """Let parallel kernels use ``count`` threads, the caller's included; None: as many as allowed.

    Holds for the process from now on, or inside ``with mlc.set_num_threads(2):``. Results do not
    depend on it, bit for bit.
    """
    before = config.num_threads
    config.num_threads = count  # type: ignore[assignment]
    return _Restore(before)


def get_num_threads() -> int:
    """How many threads a parallel kernel may use now."""
    return config.num_threads or available_cpus()


def pool_address(name: str) -> int:
    """The address of what the pool calls ``name`` (see `mlc.runtime.pool`). Starts no threads."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = _load_pool()
            _publish_count()
    return _pool.address(name)


def prepare_pool() -> None:
    """Have another core begin to compile the pool's code, where that will be needed."""
    from mlc.backends.llvm.library import emit_ahead

    global _prepared
    if _pool is None and not _prepared and available_cpus() > 1:
        _prepared = True
        target, _, entry = _pool_entry()
        if entry is None:
            emit_ahead(_pool_text(target), target)


_prepared = False


def _pool_entry() -> tuple[Target, str, CacheEntry | None]:
    """What the pool's code is for, its key, and what the disk cache has for it."""
    from mlc.backends.llvm.target import host_target
    from mlc.runtime import cache
    from mlc.runtime.sources import installation

    target = host_target()
    key = cache.content_key("pool", installation(), target.key())
    return target, key, cache.get(key)


def _pool_text(target: Target) -> str:
    from mlc.runtime.pool import pool_ir  # loaded where the disk cache does not have its code

    return pool_ir(target.triple)


def _load_pool() -> LoadedImage:
    from mlc.runtime import cache
    from mlc.runtime.sources import loaded_sources
    from mlc.runtime.symbols import resolve

    target, key, entry = _pool_entry()
    image = entry.image if entry else compile_image(_pool_text(target), target)
    if entry is None:
        cache.put(key, image, {"name": "thread pool"}, loaded_sources())
    loaded = load_image(image, resolve)
    ctypes.c_void_p.from_address(loaded.address("mlc_pool_cell")).value = _fork_cell()
    return loaded


def _fork_cell() -> int:
    """The address of an int that is 0 at first and again in every forked child.

    The kernel wipes its page at fork where it can (a C library may fork without telling Python);
    Python's own hook does elsewhere.
    """
    if sys.platform == "win32":
        return ctypes.addressof(_plain_cell)
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # One reference too many: unmapping at exit would pull it from under the pool's threads.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(page))
    cell = ctypes.c_int32.from_buffer(page)
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            page.madvise(_MADV_WIPEONFORK)
    os.register_at_fork(after_in_child=lambda: setattr(cell, "value", 0))
    return ctypes.addressof(cell)


_plain_cell = ctypes.c_int32(0)


def _publish_count() -> None:
    if _pool is not None:
        cell = ctypes.c_int32.from_address(_pool.address("mlc_pool_threads"))
        cell.value = get_num_threads()


Config.num_threads.watchers.append(_publish_count)
