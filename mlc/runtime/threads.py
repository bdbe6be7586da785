"""How many threads parallel kernels use, and the pool's one instance in this process."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mlc.config import Config, config
from mlc.forks import free_after_fork
from mlc.runtime.image import LoadedImage, compile_image, load_image

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


@functools.cache
def available_cpus() -> int:
    """CPUs this process may use: what exists, cut to its affinity and its control group's quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        count = os.cpu_count() or 1
    quota = cgroup_quota(Path("/"))
    if quota is not None:
        count = min(count, max(1, round(quota)))
    return max(1, count)


def cgroup_quota(root: Path) -> float | None:
    """The CPU quota of this process's control group (version 1 or 2), in CPUs; None: no limit.

    ``root`` is where /proc and /sys are found. A group has its parents' limits, too.
    """
    if not sys.platform.startswith("linux"):
        return None
    lines = (_content(f"{root}/proc/self/cgroup") or "").splitlines()
    folders: dict[str, None] = {}
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [controllers, "cpu"] if controllers else ["", "unified"]
        for mount in mounts:
            base = os.path.join(root, "sys/fs/cgroup", mount)
            # Inside a container the path may be the host's, and only the mount itself exists.
            parts = [part for part in path.split("/") if part]
            for count in range(len(parts), -1, -1):
                folders["/".join([base, *parts[:count]])] = None
    limits = [quota for quota in map(_quota_of, folders) if quota is not None]
    return min(limits, default=None)


def _quota_of(folder: str) -> float | None:
    numbers = (_content(f"{folder}/cpu.max") or "").split()[:2]
    if not numbers and (allowed := _content(f"{folder}/cpu.cfs_quota_us")):
        numbers = [allowed, _content(f"{folder}/cpu.cfs_period_us") or "0"]
    try:
        quota, period = map(int, numbers)
    except ValueError:  # "max"
        return None
    return quota / period if quota > 0 and period > 0 else None


def _content(path: str) -> str | None:
    """The text of a small file that the system makes up; None if there is none."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(file, 1 << 16).decode()
    except OSError:
        return None
    finally:
        os.close(file)


def parallel_for_address() -> int:
    """The address of ``mlc_parallel_for`` (see `mlc.runtime.pool`). Starts no threads."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = _load_pool()
            _publish_count()
    return _pool.address("mlc_parallel_for")


def prepare_pool() -> None:
    """Have another core begin to compile the pool's code, where that will be needed."""
    from mlc.backends.llvm.library import emit_ahead

    global _prepared
    if _pool is None and not _prepared and available_cpus() > 1:
        _prepared = True
        target, text, _, entry = _pool_entry()
        if entry is None:
            emit_ahead(text, target)


_prepared = False


def _pool_entry() -> tuple[Target, str, str, CacheEntry | None]:
    """The pool's code as text, and what the disk cache has for it."""
    from mlc.backends.llvm.target import host_target
    from mlc.runtime import cache
    from mlc.runtime.pool import pool_ir

    target = host_target()
    text = pool_ir(target.triple)
    key = cache.content_key("pool", text, target.key())
    return target, text, key, cache.get(key)


def _load_pool() -> LoadedImage:
    from mlc.runtime import cache
    from mlc.runtime.symbols import resolve

    target, text, key, entry = _pool_entry()
    image = entry.image if entry else compile_image(text, target)
    if entry is None:
        cache.put(key, image, {"name": "thread pool"})
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
