"""Functions whose data choose sizes, as code for any number: what is traced as in native loops.

::

    f(x, m):  return x[m] * 2      ->      whole = room for all of x,  k = how many m holds for
                                           whole[:k] = the elements of x where m holds, doubled
                                           the caller gets whole[:k]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.moving import KNOWN, inside_loop
from ..te.extent import Extent, is_open
from ..te.key import topological

if TYPE_CHECKING:
    from .traced import Traced

ANY_SIZES = (-1,)  # in place of sizes that data chose: code for all of them is wanted
ROOM = 8  # times as much as the arguments have together may an array have room for
SMALL = 1 << 16  # elements for which there is room always


# What is known of loops (`mlc.ops.moving.KNOWN`) outside of them.
_OUTSIDE: ContextVar[Any] = ContextVar("known outside of loops", default=None)


@contextmanager
def any_sizes() -> Iterator[None]:
    """Inside, lengths may depend on data outside of native loops, too."""
    with inside_loop():
        token = _OUTSIDE.set(KNOWN.get())
        try:
            yield
        finally:
            _OUTSIDE.reset(token)


def is_around_loops() -> bool:
    """Whether lengths depend on data, and no native loop or branch is traced."""
    known = KNOWN.get()
    return known is not None and known is _OUTSIDE.get()


def first_rows(whole: np.ndarray[Any, Any], sizes: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The first elements of ``whole`` along each axis, which nobody else needs any more."""
    if whole.shape == sizes:
        return whole
    if whole.shape[1:] == sizes[1:] and whole.flags.owndata and whole.flags.c_contiguous:
        whole.resize(sizes, refcheck=False)  # the memory behind is given back
        return whole
    return whole[tuple(map(slice, sizes))].copy()


def check_any_sizes(traced: Traced) -> None:
    """UnsupportedError where a trace for any number of elements is not to be used: random numbers
    are drawn or values printed, or there would have to be room for much more than arguments
    have."""
    if traced.draws is not None or traced.refills or traced.printed:
        raise UnsupportedError("code for sizes that data choose draws and prints nothing")
    most = max(ROOM * sum(_most(t.shape) for t in traced.inputs), SMALL)
    for tensor in topological(traced.outputs):
        if is_open(tensor.shape) and _most(tensor.shape) > most:
            raise UnsupportedError(
                f"there would have to be room for {_most(tensor.shape)} elements"
            )


def _most(shape: tuple[int | Extent, ...]) -> int:
    total = 1
    for size in shape:
        total *= int(size)
    return total
