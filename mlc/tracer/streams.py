"""Generators of random numbers, and what compiled code draws from them before each call.

What a traced function draws stands in a list of steps. They run in the order in which the function
would draw, so that the numbers are those that NumPy gives and the generators go on as they would.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..records import dataclass
from ..te.tensor import Tensor

Array = np.ndarray[Any, Any]
_KINDS = {
    ("numpy.random", "Generator"), ("numpy.random", "RandomState"), ("random", "Random"),
}  # fmt: skip
ORDER = "the order of "  # begins the name of what draws an order: shuffle, permutation
_twins: dict[type, Any] = {}


def is_generator(value: Any) -> bool:
    """Whether ``value`` is a generator of NumPy or of Python's library."""
    kind = type(value)
    module = kind.__module__
    return (module[:12] if module[:5] == "numpy" else module, kind.__name__) in _KINDS


def global_of_numpy() -> Any:
    """The generator that ``np.random.rand`` and its like draw from."""
    return np.random.rand.__self__  # type: ignore[attr-defined]


def is_global(source: Any) -> bool:
    """Whether ``source`` is the generator of ``np.random`` or of Python's ``random``."""
    if source is global_of_numpy():
        return True
    library = sys.modules.get("random")
    return library is not None and source is library._inst  # type: ignore[attr-defined]


def sampled(source: Any, name: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """What ``source.name(...)`` would give, of other numbers; raises what it would raise."""
    kind = type(source)
    if kind not in _twins:
        _twins[kind] = np.random.default_rng(0) if kind is np.random.Generator else kind(0)
    return drawn_from(_twins[kind], name, args, options)


def drawn_from(source: Any, name: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """``source.name(...)``, or the order that it brings so many items into."""
    if not name.startswith(ORDER):
        return getattr(source, name)(*args, **options)
    order = np.arange(args[0])
    source.shuffle(order)
    return order


def twin_of(source: Any) -> Any:
    """A generator of its own that will give the same numbers."""
    return copy.deepcopy(source)


def stamp_of(source: Any) -> str:
    """The state of ``source`` as a text."""
    if isinstance(source, np.random.Generator):
        return _text(source.bit_generator.state)
    state = source.get_state() if isinstance(source, np.random.RandomState) else source.getstate()
    return _text(state)


def _text(state: Any) -> str:
    if isinstance(state, dict):
        return ",".join(_text(value) for value in state.values())
    if isinstance(state, tuple):
        return ",".join(map(_text, state))
    return state.tobytes().hex() if isinstance(state, np.ndarray) else repr(state)


def set_as(source: Any, other: Any) -> None:
    """Let ``source`` go on as ``other`` would."""
    if isinstance(source, np.random.Generator):
        source.bit_generator.state = other.bit_generator.state
    elif isinstance(source, np.random.RandomState):
        source.set_state(other.get_state())
    else:
        source.setstate(other.getstate())


class Stream:
    """A generator whose numbers compiled code makes itself; its attributes are its state, which is
    traced. See `mlc.control.engines`."""

    __slots__ = ("__dict__", "source")

    def __init__(self, source: Any) -> None:
        self.source = source

    def load(self, state: Sequence[Any]) -> None:
        """Go on from ``state``, arrays as :func:`words_of` gives them."""
        raise NotImplementedError

    def state(self) -> list[Any]:
        """The state by now, in arrays as :func:`set_words` takes them."""
        raise NotImplementedError

    def draw(self, name: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """What ``source.name(...)`` gives; NotImplemented where that is not known."""
        raise NotImplementedError


_WORDS = 624  # of the Mersenne Twister
_BITS = (1 << 64) - 1


def words_of(source: Any) -> list[Array]:
    """The state of ``source`` in arrays: those that `Stream.load` takes."""
    if isinstance(source, np.random.Generator):
        held = source.bit_generator.state
        state, inc = held["state"]["state"], held["state"]["inc"]
        words = [state >> 64, state & _BITS, inc >> 64, inc & _BITS]
        return [np.array([*words, held["uinteger"], held["has_uint32"]], np.uint64)]
    if isinstance(source, np.random.RandomState):
        made: Any = source.get_state(legacy=False)
        key, place = made["state"]["key"], made["state"]["pos"]
        has_gauss, gauss = made["has_gauss"], made["gauss"]
    else:
        _, words, following = source.getstate()
        key, place = np.array(words[:-1], np.uint32), words[-1]
        has_gauss, gauss = following is not None, following or 0.0
    numbers = np.array([place, has_gauss], np.int64)
    return [key.astype(np.uint32), numbers, np.array([gauss], np.float64)]


def set_words(source: Any, arrays: Sequence[Array]) -> None:
    """Let ``source`` go on from what `Stream.state` has become."""
    if isinstance(source, np.random.Generator):
        high, low, inc_high, inc_low, half, has_half = map(int, arrays[0])
        held: Any = source.bit_generator.state
        held["state"] = {"state": high << 64 | low, "inc": inc_high << 64 | inc_low}
        held["uinteger"], held["has_uint32"] = half, has_half
        source.bit_generator.state = held
        return
    place, ready, has_gauss = map(int, arrays[1])
    key = _renewed(arrays[0].astype(np.uint32), place) if not ready else arrays[0].astype(np.uint32)
    if not place:  # all words are used
        place = _WORDS
    gauss = float(arrays[2][0])
    if isinstance(source, np.random.RandomState):
        made: Any = source.get_state(legacy=False)
        made["state"] = {"key": key, "pos": place}
        made["has_gauss"], made["gauss"] = has_gauss, gauss
        source.set_state(made)
    else:
        version, _, _ = source.getstate()
        source.setstate((version, (*map(int, key), place), gauss if has_gauss else None))


def _renewed(key: Array, place: int) -> Array:
    """``key`` with the words from ``place`` on renewed, of which those before are new already."""
    for n in range(place, _WORDS) if place else ():
        after = key[n + 1] if n + 1 < _WORDS else key[0]
        mixed = int(key[n]) & 0x80000000 | int(after) & 0x7FFFFFFF
        key[n] = int(key[(n + 397) % _WORDS]) ^ mixed >> 1 ^ (mixed & 1) * 0x9908B0DF
    return key


@dataclass(frozen=True, eq=False)
class State:
    """The state of ``source`` as it is then; the ``tensors`` are inputs."""

    source: Any
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Draw:
    """``source.name(*args, **options)``; the result is the input ``tensor``, or dropped."""

    source: Any
    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    tensor: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Make:
    """A generator made at each call, ``function(*args, **options)``: takes the place of ``made``
    in the steps that follow."""

    made: Any
    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Repeat:
    """The steps of a loop of so many iterations: each input has an axis of that length for it."""

    count: int
    steps: tuple[Any, ...]


Step = Draw | Make | Repeat | State


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a compiled function draws: ``inputs`` get what ``steps`` give, or hold what is
    ``fixed``; the generators of ``ends`` are left as their twins are."""

    inputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    fixed: dict[Tensor, Array]
    ends: tuple[tuple[Any, Any], ...]
    streams: tuple[tuple[Any, tuple[int, ...]], ...] = ()  # the outputs that are their states

    def settle(self, computed: Sequence[Array]) -> None:
        """Let the generators that compiled code drew from go on behind that."""
        for source, places in self.streams:
            set_words(source, [computed[place] for place in places])

    def arrays(self) -> list[Array]:
        """An array for each input. The generators go on."""
        found = perform(self.steps)
        for source, twin in self.ends:
            set_as(source, twin)
        return [
            found[t] if t in found else self.fixed[t] if t in self.fixed else _nothing(t)
            for t in self.inputs
        ]

    def tried(self) -> list[Array]:
        """The same, with the generators left as they are."""
        kept = self.kept()
        try:
            return self.arrays()
        finally:
            for source, twin in kept:
                set_as(source, twin)

    def kept(self) -> list[tuple[Any, Any]]:
        """The generators, with twins that are as they are now."""
        sources = {id(s): s for s in (*_sources(self.steps), *(s for s, _ in self.ends))}
        return [(source, twin_of(source)) for source in sources.values()]


def _nothing(tensor: Tensor) -> Array:
    return np.zeros(tensor.shape, tensor.dtype.numpy)


def _sources(steps: Sequence[Step]) -> list[Any]:
    found: list[Any] = []
    for step in steps:
        match step:
            case Draw(source=source) | State(source=source):
                found.append(source)
            case Repeat(steps=inner):
                found += _sources(inner)
    return found


def perform(steps: Sequence[Step]) -> dict[Tensor, Array]:
    """Run ``steps``: an array for each input."""
    lists: dict[Tensor, list[Any]] = {}
    _run(steps, lists, {})
    return {
        tensor: np.asarray(values, tensor.dtype.numpy).reshape(tensor.shape)
        for tensor, values in lists.items()
    }


def _run(steps: Sequence[Step], lists: dict[Tensor, list[Any]], made: dict[int, Any]) -> None:
    for step in steps:
        match step:
            case Make(made=old, function=function, args=args, options=options):
                made[id(old)] = function(*args, **options)
            case Draw(source=source, name=name, args=args, options=options, tensor=tensor):
                value = drawn_from(made.get(id(source), source), name, args, options)
                if tensor is not None:
                    lists.setdefault(tensor, []).append(value)
            case State(source=source, tensors=tensors):
                for tensor, words in zip(tensors, words_of(made.get(id(source), source))):
                    lists[tensor] = [words]
            case Repeat(count=count, steps=inner):
                for _ in range(count):
                    _run(inner, lists, made)
