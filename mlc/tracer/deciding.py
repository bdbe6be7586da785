"""Python numbers among the arguments that decide what must be known while tracing.

A Python int is traced, as a float is, so that one compilation serves all values. Where the function
wants its value after all (a shape, an axis, a setting of a library function), the trace begins anew
with that argument static: compiled once for each of its values from then on. So it is for numbers
in tuples, lists and dicts, each on its own.
"""

from __future__ import annotations

import operator
import re
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, TracerBoolError, TracerNumberError, UnsupportedError
from ..ops.op import CURRENT
from ..te.key import topological
from ..te.tensor import Placeholder, Tensor
from . import tree
from .concrete import known
from .signature import Key

_DICTS = (dict, defaultdict, OrderedDict)
_PYTHON: dict[str, type] = {"b": bool}
_STATIC = (
    "if it comes from an argument that decides shapes or control flow, name that in static_argnames"
)


def deciding_arguments(tensor: Tensor, trace: Any) -> set[str]:
    """The names of the arguments, all of them numbers, that ``tensor`` is computed from; empty if
    anything else goes into it."""
    names = set()
    for source in topological([tensor]):
        if not isinstance(source.op, Placeholder):
            continue
        if source.shape or source not in trace.weak:
            return set()
        names.add(source.name)
    return names


def _by_ints(tensor: Tensor, trace: Any) -> bool:
    """Whether only numbers among the arguments decide, and all of them may become static."""
    sources = [s for s in topological([tensor]) if isinstance(s.op, Placeholder)]
    is_int = all(s in trace.weak and not s.dtype.is_float for s in sources)
    return is_int and bool(deciding_arguments(tensor, trace))


def chosen_by_data(value: Any) -> int | None:
    """What the data choose for ``value``, an integer or a bool that must be known: there is code
    for each choice that was met, see `mlc.tracer.sizes`. None in native loops, for many elements,
    where whole numbers among the arguments decide alone, and where too much was asked for
    already."""
    trace: Any = value._trace
    is_current = trace is CURRENT.get()
    if value.size != 1 or value.dtype.kind not in "biu" or not is_current:
        return None
    if _by_ints(value._tensor, trace):
        return None
    found: int | None = trace.room(lambda: value.reshape(()))
    return found


_ASKING = (
    "mlc.control.runtime",
    "mlc.control.gathering",
    "mlc.control.grouping",
)  # which ask as the user's code does


def truth(value: Any) -> bool:
    """``bool(value)``, asked for by code that is not transformed: a comprehension, a library."""
    asking = str(sys._getframe(2).f_globals.get("__name__"))
    is_ours = asking.startswith("mlc.") and asking not in _ASKING
    chosen = None if is_ours else chosen_by_data(value)
    if chosen is not None:
        return bool(chosen)
    rooms = value._trace.rooms
    if not is_ours and rooms is not None and rooms.is_full:
        raise TracerBoolError(
            f"the truth of {value!r} is not known while tracing, and the data have chosen "
            f"{len(rooms.counts)} times in this function already, for which there is code: more "
            f"would be as many compilations as there are answers; let what is under the condition "
            f"be numbers or arrays of one shape, appended to a list in a for loop, or use np.where"
        )
    raise TracerBoolError(
        f"the truth of {value!r} is not known while tracing; use np.where(condition, a, b) instead "
        f"of if, & | ~ instead of and, or, not; {_STATIC}"
    )


def hash_of(value: Any) -> int:
    """``hash(value)``, for a dict or a set."""
    chosen = chosen_by_data(value)
    if chosen is not None:
        value._trace.keyed = with_known_keys
        return hash(chosen)
    raise UnsupportedError(
        f"{value!r} has no value while tracing, so it cannot be looked up in a dict or a set (or "
        f"be an argument of a cached function); use np.where, np.take or np.isin"
    )


def with_known_keys(value: Any) -> Any:
    """``value``, in whose dicts and sets the numbers that data choose stand as keys in place of
    traced ones."""
    kind: Any = type(value)
    if kind in (list, tuple):
        items = [with_known_keys(item) for item in value]
        return value if all(map(operator.is_, items, value)) else kind(items)
    if kind in (set, frozenset):
        keys = list(map(_known_key, value))
        return value if all(map(operator.is_, keys, value)) else kind(keys)
    if kind not in _DICTS:
        return value
    found: dict[Any, Any] = {_known_key(k): with_known_keys(v) for k, v in value.items()}
    if all(map(operator.is_, (*found, *found.values()), (*value, *value.values()))):
        return value
    if kind is defaultdict:
        return defaultdict(value.default_factory, found)
    return kind(found)


def _known_key(key: Any) -> Any:
    if type(key) is tuple:
        keys = tuple(map(_known_key, key))
        return key if all(map(operator.is_, keys, key)) else keys
    if not hasattr(type(key), "__mlc_lift__"):
        return key
    if known(key) is not key:
        return known(key)[()]
    chosen = chosen_by_data(key)
    if chosen is None:  # said why
        return hash_of(key)
    return _PYTHON.get(key.dtype.kind, int)(chosen) if key._is_weak else key.dtype.type(chosen)


def number(value: Any, kind: str, instead: str) -> Any:
    """``value`` as a Python number of that ``kind``, an integer: one that the data choose."""
    value._trace.wanted |= deciding_arguments(value._tensor, value._trace)
    chosen = chosen_by_data(value) if kind.startswith("int") else None
    if chosen is not None:
        return chosen
    indices = "biu" if value._is_weak else "iu"  # kinds of what may index: Python's bool, too
    is_given = not value.shape and (not kind.startswith("int") or value.dtype.kind in indices)
    raise (TracerNumberError if is_given else ArgumentError)(
        f"{value!r} has no value while tracing, so it cannot become a Python {kind}; {instead}; "
        f"{_STATIC}"
    )


class ValuesWanted(BaseException):
    """Raised in a call: arguments called ``names``, Python ints, do not fit the integers that they
    become, see `mlc.ops.limits`; what the function does with them is seen where it is traced with
    their values. Nothing that users write should catch it."""

    def __init__(self, names: set[str]) -> None:
        self.names = names


def check_limits(
    limits: Iterable[Any], arrays: Sequence[Any], sources: Callable[[], Sequence[tuple[str, Any]]]
) -> None:
    """Raises ValuesWanted if some of ``arrays``, passed as ``sources()`` says, are beyond
    ``limits``."""
    beyond = [n.place for n in limits if not n.low <= arrays[n.place].item() <= n.high]
    if beyond:
        named = sources()
        raise ValuesWanted({named[place][0] for place in beyond})


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
            from .packing import leaves_by

            yield from _numbers(tree.leaf_names(name, key[0]), key[1:], leaves_by(key[0], value))


def identifier(name: str) -> str:
    """``layers[0]['w']`` as a name that can stand in a program: ``layers_0_w``."""
    if name.isascii() and name.isidentifier() and name.strip("_") == name:
        return name  # the usual one: the pattern below would be compiled for it
    joined = re.sub(r"\W+", "_", name).strip("_")
    return joined if joined.isidentifier() else f"a_{joined}"
