"""Locks over a fork: a child has no thread but the one that forked, and so nobody else's locks.

Python's own locks of modules that another thread imports stay locked in the child for ever. Much of
the compiler is imported when it is first needed, so a fork waits for such imports to end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

_owners: weakref.WeakSet[Any] = weakref.WeakSet()
_bootstrap = sys.modules.get("importlib._bootstrap") or sys.modules.get("_frozen_importlib")
_NEEDED = {"mlc", "numpy", "llvmlite", *sys.stdlib_module_names}
_REENTRANT = type(threading.RLock())


def free_after_fork(owner: Any) -> None:
    """Let a forked child find ``owner._lock`` free, whichever thread held it: another lock takes
    its place there. Who forks inside of ``with owner._lock`` leaves the one that it entered."""
    _owners.add(owner)


_around: list[tuple[Callable[[], None], Callable[[], None]]] = []
_taken: list[Callable[[], None]] = []


def around_fork(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call ``before`` before each fork, once no import is under way, and ``after`` after it in both
    processes."""
    _around.append((before, after))


_LONGEST = 10.0  # seconds that a fork waits


def _is_importing() -> bool:
    """Whether another thread imports something that the compiler may need."""
    me = threading.get_ident()
    for name, reference in list(getattr(_bootstrap, "_module_locks", {}).items()):
        owner = getattr(reference(), "owner", None)
        if owner is not None and owner != me and name.partition(".")[0] in _NEEDED:
            return True
    return False


def _before_fork() -> None:
    end = time.monotonic() + _LONGEST
    while _is_importing() and time.monotonic() < end:
        time.sleep(0.001)
    for before, after in _around:
        before()
        _taken.append(after)


def _after_fork() -> None:
    while _taken:
        _taken.pop()()


def _renew_locks() -> None:
    _after_fork()
    for owner in list(_owners):
        is_reentrant = isinstance(owner._lock, _REENTRANT)
        owner._lock = threading.RLock() if is_reentrant else threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_renew_locks
    )
