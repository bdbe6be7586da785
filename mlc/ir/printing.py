"""What compiled code tells Python while it runs: the values that a ``print`` shows.

A call is ``Evaluate("mlc_gufunc_host__print<site>_<count>", (*values, after, 0))``: so many arrays
as buffers, then one that the program writes. It goes the way of NumPy's loops (`mlc.ir.gufuncs`).
Who runs the code says who listens; where nobody does, as while it is measured, nothing is told.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .call_names import GUFUNC

_PREFIX = f"{GUFUNC}host__print"
_LOOP = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
Listener = Callable[[int, Sequence[int]], None]  # gets the site and the addresses of the values


class _Here(threading.local):
    listener: Listener | None = None


_here = _Here()
_loops: dict[str, Any] = {}


def print_name(site: int, count: int) -> str:
    """The name under which print number ``site`` of a function tells ``count`` values."""
    return f"{_PREFIX}{site}_{count}"


def is_print(name: str) -> bool:
    """Whether a library function is one of those."""
    return name.startswith(_PREFIX)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Inside, ``listener``, which raises nothing, is told what code that this thread runs says."""
    before, _here.listener = _here.listener, listener
    try:
        yield
    finally:
        _here.listener = before


def tell(name: str, addresses: Sequence[int]) -> None:
    """Tell whoever listens about the values at ``addresses``."""
    if _here.listener is not None:
        site, count = map(int, name.removeprefix(_PREFIX).split("_"))
        _here.listener(site, addresses[:count])


def print_address(name: str) -> int:
    """Where the C function is that compiled code calls; it stays there."""
    if name not in _loops:
        count = int(name.rpartition("_")[2])

        def loop(places: Any, sizes: Any, steps: Any, data: Any) -> None:
            tell(name, [places[n] or 0 for n in range(count)])

        _loops[name] = _LOOP(loop)
    return ctypes.cast(_loops[name], ctypes.c_void_p).value or 0
