"""Locks over a fork: a child has no thread but the one that forked, and so nobody else's locks."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_owners: weakref.WeakSet[Any] = weakref.WeakSet()
_REENTRANT = type(threading.RLock())


def free_after_fork(owner: Any) -> None:
    """Let a forked child find ``owner._lock`` free, whichever thread held it: another lock takes
    its place there. Who forks inside of ``with owner._lock`` leaves the one that it entered."""
    _owners.add(owner)


def _renew_locks() -> None:
    for owner in list(_owners):
        is_reentrant = isinstance(owner._lock, _REENTRANT)
        owner._lock = threading.RLock() if is_reentrant else threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
