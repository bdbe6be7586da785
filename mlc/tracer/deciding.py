"""Python numbers among the arguments that decide what must be known while tracing.

A Python int is traced, as a float is, so that one compilation serves all values. Where the function
wants its value after all (a shape, an axis, a setting of a library function), the trace begins anew
with that argument static: compiled once for each of its values from then on. So it is for numbers
in tuples, lists and dicts, each on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..te.key import topological
from ..te.tensor import Placeholder, Tensor
from . import tree
from .signature import Key


def deciding_arguments(tensor: Tensor, trace: Any) -> set[str]:
    """The names of the arguments, all of them numbers, that ``tensor`` is computed from; empty if
    anything else goes into it."""
    names = set()
    for source in topological([tensor]):
        if not isinstance(source.op, Placeholder):
            continue
        if source.shape or source not in trace.weak and source.dtype.kind != "b":
            return set()
        names.add(source.name)
    return names


def static_after(
    error: Exception, names: list[str], keys: tuple[Key, ...], values: Iterable[Any]
) -> set[str]:
    """Which arguments, called ``names``, with ``keys`` and ``values``, or which numbers in them, to
    make static so that tracing may get over ``error``: those whose values were wanted, or else all
    Python ints and bools that are left. None of a call that gives an argument twice."""
    if len(set(names)) < len(names):
        return set()
    numbers = dict(_numbers(names, keys, values))
    wanted = {name for name in numbers if identifier(name) in getattr(error, "wanted", ())}
    return wanted or {name for name, kind in numbers.items() if kind is not float}


def _numbers(
    names: Iterable[str], keys: Iterable[Key], values: Iterable[Any]
) -> Iterator[tuple[str, type]]:
    """(what it is called, its type) for each traced Python number in arguments."""
    for name, key, value in zip(names, keys, values):
        if key[0] == "static":
            continue
        if isinstance(key[0], (np.dtype, type)):
            if type(value) in (bool, int, float):
                yield name, type(value)
        else:
            yield from _numbers(tree.leaf_names(name, key[0]), key[1:], tree.flatten(value)[0])


def identifier(name: str) -> str:
    """``layers[0]['w']`` as a name that can stand in a program: ``layers_0_w``."""
    if name.isascii() and name.isidentifier() and name.strip("_") == name:
        return name  # the usual one: the pattern below would be compiled for it
    joined = re.sub(r"\W+", "_", name).strip("_")
    return joined if joined.isidentifier() else f"a_{joined}"
