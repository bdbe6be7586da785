"""Python's collector of cyclic garbage, held back while a kernel is compiled.

A compiler makes thousands of small objects that stay, or go without the collector's help. It would
look through them two dozen times for a small kernel, for a tenth of the time that this takes.
Afterwards they count as old ones, and wait for the next time that it looks at everything.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0  # how many threads are in the block
_is_frozen = False  # whether somebody was found to have frozen objects


@contextmanager
def collector_held_back() -> Iterator[None]:
    """While the block runs, in whichever thread, the collector does not start by itself. Where it
    is off already, it stays off."""
    held = _hold_back()
    try:
        yield
    finally:
        if held:
            _let_go()


def _hold_back() -> bool:
    global _inside
    with _lock:
        if not _inside and not gc.isenabled():
            return False
        _inside += 1
        gc.disable()
        return True


def _let_go() -> None:
    global _inside, _is_frozen
    with _lock:
        _inside -= 1
        if not _inside:
            # What somebody has frozen stays so. Who has done it once is not asked again: the answer
            # is found by going through all that is frozen, which may be millions of objects.
            _is_frozen = _is_frozen or gc.get_freeze_count() > 0
            if not _is_frozen:
                gc.freeze()
                gc.unfreeze()  # to the oldest generation
            gc.enable()


def _begin_anew() -> None:
    """A forked child has none of the other threads."""
    global _lock, _inside
    _lock = threading.Lock()
    if _inside:
        _inside = 0
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
