"""``np.nditer`` over one traced array: the places of its elements, one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..errors import UnsupportedError
from .memory_order import layout

_FLAGS = frozenset({"multi_index", "c_index", "f_index", "refs_ok", "zerosize_ok", "buffered"})
_OPTIONS = frozenset({"flags", "op_flags", "order"})


class Places:
    """Stands for ``np.nditer(array)``. Where it is, ``at``, may be a traced number: a loop until
    it is ``finished`` can be native."""

    def __init__(self, array: Any, flags: Any, order: str) -> None:
        self.array, self.flags = array, frozenset(flags)
        self.shape = tuple(array.shape)
        self.itersize = self.size = math.prod(self.shape)
        self.ndim, self.at = len(self.shape), 0
        # The axes, that which changes last first, and the distance between places along each.
        axes = range(self.ndim) if order == "C" else range(self.ndim - 1, -1, -1)
        sizes = [self.shape[d] for d in axes]
        self.steps = {d: math.prod(sizes[n + 1 :]) for n, d in enumerate(axes)}

    @property
    def finished(self) -> Any:
        """Whether all places were visited."""
        return self.at >= self.size

    @property
    def multi_index(self) -> tuple[Any, ...]:
        """The index of the element, a number for each axis."""
        self._check("multi_index")
        return self._index()

    @property
    def index(self) -> Any:
        """How many elements come before this one, in C order or in that of Fortran."""
        self._check("c_index" if "f_index" not in self.flags else "f_index")
        sizes = self.shape if "c_index" in self.flags else self.shape[::-1]
        index = self._index() if "c_index" in self.flags else self._index()[::-1]
        place: Any = 0
        for n, i in zip(sizes, index, strict=True):
            place = place * n + i
        return place

    @property
    def value(self) -> Any:
        """The element, as an array of no axes that shares its memory."""
        place = (*self._index(), ...)
        return self.array[place]

    def _index(self) -> tuple[Any, ...]:
        return tuple(self.at // self.steps[d] % n for d, n in enumerate(self.shape))

    def _check(self, flag: str) -> None:
        if flag not in self.flags:
            raise ValueError(f"Iterator is not tracking {flag.replace('_i', ' i')}")

    def iternext(self) -> Any:
        """Go on to the next place; whether there is one."""
        self.at = self.at + 1
        return self.at < self.size

    def reset(self) -> None:
        """Begin again."""
        self.at = 0

    def close(self) -> None:
        """Nothing: elements were written to where they are."""

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return 1

    def __getitem__(self, operand: int) -> Any:
        return (self.value,)[operand]

    def __setitem__(self, operand: int, value: Any) -> None:
        (self.array,)[operand][self._index()] = value

    def __iter__(self) -> Iterator[Any]:
        while not self.finished:
            yield self.value
            self.at += 1


def places(array: Any, *rest: Any, **options: Any) -> Places:
    """``np.nditer(array, ...)`` of a traced array; UnsupportedError where its order is not known
    while tracing, or with options beyond those for a single array."""
    options = {**dict(zip(("flags", "op_flags"), rest)), **options}
    flags = tuple(options.get("flags") or ())
    if isinstance(array, (list, tuple)) or set(options) - _OPTIONS or set(flags) - _FLAGS:
        raise UnsupportedError(
            "np.nditer is traced for one array, with flags such as multi_index; write the loop "
            "over indices, for i in range(x.size), or over whole arrays"
        )
    order = options.get("order", "K")
    if order in ("C", "F"):
        return Places(array, flags, order)
    memory = layout(array) if hasattr(array, "_cell") else None
    if memory is not None and memory.flags.forc:
        return Places(array, flags, "C" if memory.flags.c_contiguous else "F")
    raise UnsupportedError(
        f"np.nditer visits the elements of {array!r} in the order in which they are in memory, "
        f"which is not known while tracing, or is neither C's nor Fortran's; give order='C'"
    )
