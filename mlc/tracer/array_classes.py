"""Classes of arrays that are not NumPy's own."""

from __future__ import annotations

import functools

import numpy as np

_WITHOUT_MEANING = frozenset({
    "__array_finalize__", "__array_priority__", "__array_wrap__", "__class_getitem__", "__copy__",
    "__deepcopy__", "__doc__", "__format__", "__hash__", "__new__", "__reduce__", "__reduce_ex__",
    "__repr__", "__setstate__", "__sizeof__", "__str__",
})  # fmt: skip


@functools.cache
def changed_methods(kind: type) -> tuple[str, ...]:
    """What arrays of class ``kind`` do otherwise than NumPy's: the names of their methods and
    attributes, but for those that make an array, show it or carry it to another process."""
    own = [base for base in kind.__mro__ if issubclass(base, np.ndarray) and not _is_numpy(base)]
    names = {name for base in own for name in vars(base)} - _WITHOUT_MEANING
    return tuple(sorted(name for name in names if name in vars(np.ndarray)))


def _is_numpy(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "numpy"
