"""Random numbers that a traced function draws: other ones at each call, those that NumPy would.

::

    def noisy(x):                             noisy(x, drawn):        drawn: np.random.randn(4),
        return x + np.random.randn(4)    ->       return x + drawn    before each call

What is drawn becomes an input. In a native loop it is a table, a row for each iteration. From
``np.random.seed(0)`` or ``default_rng(0)`` on the numbers are known while tracing, and constants.
Where a trace fails because it would need to know what is drawn, it begins anew with the numbers
that come next: code that holds for this state of the generators alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .. import te
from ..errors import UnsupportedError
from ..ops.op import CURRENT
from ..te.tensor import Tensor
from .concrete import all_known, plain, wrapped
from .native_draws import DrawnHereError, NativeDraws, weakened
from .streams import (
    ORDER,
    Draw,
    Drawn,
    Make,
    Repeat,
    Step,
    Stream,
    drawn_from,
    global_of_numpy,
    is_generator,
    is_global,
    perform,
    sampled,
    set_as,
    stamp_of,
    twin_of,
    words_of,
)
from .traced_draws import is_range, of_traced, settled
from .unfollowed_draws import check_spawned, has_seed, refusing

KNOWN_DRAWS: ContextVar[bool] = ContextVar("mlc_known_draws", default=False)
_MOST = 1 << 27  # elements of a table
_ALIASES = {"ranf": "random_sample", "sample": "random_sample", "random_integers": "randint"}
_STATES = ("get_state", "set_state", "getstate", "setstate")
_ORDERS = ("shuffle", "permutation")
_OF_ITEMS = ("choice", "choices", "sample", "shuffle")  # of Python's library


def with_known_draws(error: Exception, again: Callable[[], Any]) -> Any:
    """What tracing ``again`` gives where the numbers that come next are known. Raises ``error``, if
    that was tried already, fails as well, or nothing was drawn."""
    if not getattr(error, "drew", False) or KNOWN_DRAWS.get():
        raise error
    token = KNOWN_DRAWS.set(True)
    try:
        return again()
    except Exception:
        raise error from error.__cause__
    finally:
        KNOWN_DRAWS.reset(token)


class DrawsWantedError(UnsupportedError):
    """What is drawn must be known while tracing."""


class Draws(NativeDraws):
    """What one trace draws. ``inputs`` are those of the graph, arguments first; ``outside`` holds
    the ids of generators that the function reads from elsewhere."""

    def __init__(self, trace: Any, inputs: list[Tensor], outside: Container[int]) -> None:
        self.trace, self.inputs, self.outside = trace, inputs, outside
        self.is_known = KNOWN_DRAWS.get()
        self.steps: list[Step] = []
        self.own: dict[int, Any] = {}  # generators made in the function, of a known seed
        self.fresh: dict[int, Any] = {}  # and those made of none, anew at each call
        self.twins: dict[int, tuple[Any, Any, str | None]] = {}
        self.tables: dict[Any, Tensor] = {}
        self.fixed: dict[Tensor, Any] = {}
        self.places: list[tuple[Any, range, int]] = []  # of the loops around: where they are
        self.why_not = ""  # nothing can be drawn here
        super().__init__()
        self.drew = False
        self.count = 0  # how often something was drawn
        self.performed = 0  # of the loops that drew: how many left no step

    def drawn(self, place_of: Callable[[Any], int] | None = None) -> Drawn | None:
        """What to do before each call; None if nothing. ``place_of`` numbers what a traced value
        is then among the outputs; without it the generators do not go on."""
        ends = [(source, twin) for source, twin, _ in self.twins.values()]
        own = [t for t in self.inputs if t in set(self.tables.values())]
        known_ends, streams = ([], []) if place_of is None else self.states(place_of)
        ends += known_ends
        if not (self.steps or ends or own or streams):
            return None
        return Drawn(tuple(own), tuple(self.steps), self.fixed, tuple(ends), tuple(streams))

    def starts(self) -> list[tuple[str, Any, Any, Any]]:
        """Checks as those of captures: the states that the code was compiled for."""
        return [
            ("the state of the random generator", stamp_of, source, start)
            for source, _, start in self.twins.values()
            if start is not None
        ]

    # Loops and branches

    @contextmanager
    def loop(self, index: Any, along: range) -> Iterator[list[Step]]:
        """What is drawn inside is drawn once for each iteration."""
        outer, inner = self.steps, list[Step]()
        self.steps = inner
        self.places.append((index, along, len(outer) + self.performed))
        try:
            yield inner
        finally:
            self.steps = outer
            self.places.pop()

    def repeated(self, count: int, steps: list[Step]) -> None:
        """A loop has become native in which ``steps`` were drawn."""
        if not steps:
            return
        self.steps.append(Repeat(count, tuple(steps)))
        if self.places:
            return
        mine = self.steps.pop()
        known_ones = _only(mine, self._is_eager)
        if known_ones is not None:
            self.fixed |= perform([known_ones])
            self.performed += 1
        rest = _only(mine, lambda source: not self._is_eager(source))
        self.steps += [] if rest is None else [rest]

    @contextmanager
    def nowhere(self, why: str) -> Iterator[None]:
        """Inside, nothing can be drawn."""
        before, self.why_not = self.why_not, self.why_not or why
        try:
            yield
        finally:
            self.why_not = before

    @contextmanager
    def tried(self) -> Iterator[list[Any]]:
        """What is drawn inside comes out, and is not drawn."""
        steps, own, twins = list(self.steps), self.own, self.twins
        fresh = dict(self.fresh)
        drawn: list[Any] = []
        copies = {key: twin_of(made) for key, made in own.items()}
        before, self.count, performed = self.count, 0, self.performed
        try:
            yield drawn
        finally:
            self.performed = performed
            drawn += range(self.count)
            self.count += before
            self.steps[:] = steps
            self.fresh = fresh
            for key, made in list(own.items()):
                if key in copies:
                    set_as(made, copies[key])
                    if key in self.streams:
                        self.streams[key].load(words_of(made))
            for key in [key for key in twins if id(twins[key][1]) not in copies]:
                del twins[key]

    def _is_eager(self, source: Any) -> bool:
        return id(source) in self.own

    # Drawing

    def source(self, source: Any) -> tuple[Any, bool]:
        """The generator to draw from, and whether its numbers are known while tracing."""
        key = id(source)
        if key in self.own:
            return source, True
        if key in self.twins:
            return self.twins[key][1], True
        if key in self.fresh:
            if self.is_known:
                raise UnsupportedError(
                    "a generator without a seed is made in the function, and what it draws would "
                    "have to be known while tracing; give it a seed, or pass it as an argument"
                )
            return source, False
        if not (is_global(source) or key in self.outside):
            self.own[key] = source  # a library has made it
            return source, True
        if not self.is_known:
            return source, False
        return self._twin(source, twin_of(source), stamp_of(source)), True

    def _twin(self, source: Any, twin: Any, start: str | None) -> Any:
        self.twins[id(source)] = source, twin, start
        self.own[id(twin)] = twin
        return twin

    def made(self, function: Any, args: Any, options: Any) -> Any:
        """A generator that the function makes."""
        found = function(*args, **options)
        if getattr(function, "__name__", "") == "Generator" or has_seed(args, options):
            self.own[id(found)] = found
            if self._is_own_native():
                self._fix(found, found)
            return found
        self.fresh[id(found)] = found
        if not self._is_own_native():
            self._check(found, function.__name__)
        if self.places:
            raise UnsupportedError("a generator without a seed is made in a loop; make it before")
        self.drew = True
        self.steps.append(Make(found, function, args, options))
        if self._is_own_native():
            self._open(found)
        return found

    def seeded(self, source: Any, args: Any, options: Any) -> None:
        """``source.seed(...)``."""
        self._check(source, "seed")
        if self.places:
            raise UnsupportedError("seed() in a native loop cannot be traced; call it before")
        if not has_seed(args, options):
            if self.is_known:
                raise UnsupportedError("seed() without a number cannot be traced here; give it one")
            self.twins.pop(id(source), None)
            self.steps.append(Draw(source, "seed", args, options))
            return
        start = self.twins[id(source)][2] if id(source) in self.twins else None
        twin = type(source)()
        twin.seed(*args, **options)
        if id(source) in self.streams:
            self.own[id(source)] = twin
            self._fix(source, twin)
            return
        self._twin(source, twin, start)

    def draw(self, source: Any, name: str, args: Any, options: Any) -> Any:
        """``source.name(...)``, all arguments known."""
        stream = self.streams.get(id(source))
        if id(source) not in self.own:
            check_spawned(name)
        if stream is not None:
            return self._streamed(stream, name, args, options)
        self._check(source, name)
        source, is_known = self.source(source)
        if not self.places:
            if is_known:
                return wrapped(drawn_from(source, name, args, options))
            if name in _STATES or name == "shuffle":
                raise DrawsWantedError(f"{name} needs what is drawn while tracing")
        if name in _STATES:
            raise UnsupportedError(f"{name} in a native loop cannot be traced; call it before")
        return self._input(source, name, args, options)

    def _check(self, source: Any, name: str) -> None:
        self.drew = True
        self.count += 1
        if self.why_not:
            self._want_native(source)
            raise DrawnHereError(
                f"random numbers are drawn in {self.why_not}, so the data decide whether; there "
                f"default_rng, np.random and random give uniform, normal and exponential numbers, "
                f"integers, choices and permutations, not what {name} of {_kind_of(source)} "
                f"gives: draw from these, or before, for all cases"
            )

    def _input(self, source: Any, name: str, args: Any, options: Any) -> Any:
        from .tracer import Tracer

        if type(source).__name__ == "Random" and name in _OF_ITEMS:
            raise DrawsWantedError(
                f"{name} of Python's random picks from items, which compiled code cannot here; "
                f"draw a place, items[random.randrange(len(items))], from an array of numbers"
            )
        sample = sampled(source, name, args, options)
        kind = type(sample)
        if kind not in (bool, int, float) and not isinstance(sample, (np.ndarray, np.generic)):
            raise DrawsWantedError(f"{name} gives {kind.__name__}, which is no array or number")
        array = np.asarray(sample)
        if array.dtype.kind not in "biuf":
            raise DrawsWantedError(f"{name} gives elements of {array.dtype}")
        shape = (*(len(along) for _, along, _ in self.places), *array.shape)
        if math.prod(shape) > _MOST:
            raise UnsupportedError(
                f"{name} in a native loop draws {math.prod(shape)} numbers, too many for a table"
            )
        where = tuple(n for _, _, n in self.places)
        key = (where, len(self.steps), name, shape, array.dtype.str)
        tensor = self.tables.get(key)
        if tensor is None:
            tensor = te.placeholder(shape, array.dtype, f"drawn{len(self.tables)}")
            self.tables[key] = tensor
            self.inputs.append(tensor)
        self.steps.append(Draw(source, name, args, options, tensor))
        is_weak = kind in (bool, int, float)
        if not self.places:
            if is_weak:
                self.trace.weak.add(tensor)
            return Tracer(tensor, self.trace)
        at = tuple((index - along.start) // along.step for index, along, _ in self.places)
        return weakened(Tracer(tensor, self.trace)[at], is_weak)


def _only(step: Step, keep: Callable[[Any], bool]) -> Any:
    """``step`` with the draws from the generators of which ``keep`` holds; None if there are
    none."""
    match step:
        case Draw(source=source):
            return step if keep(source) else None
        case Repeat(count=count, steps=steps):
            inner = tuple(kept for kept in (_only(s, keep) for s in steps) if kept is not None)
            return Repeat(count, inner) if inner else None
    return None


def _kind_of(source: Any) -> str:
    """What ``source`` is called in messages."""
    return type(getattr(source, "bit_generator", source)).__name__


def current() -> Draws | None:
    """What draws in the function that is being traced."""
    return getattr(CURRENT.get(), "draws", None)


def streams() -> list[Stream]:
    """The generators from which native code draws in the function that is being traced."""
    draws = current()
    return [] if draws is None else list(draws.streams.values())


@functools.cache
def _maker(function: Any) -> Callable[..., Any]:
    """``np.random.default_rng`` or a class of generators."""

    @functools.wraps(function)
    def make(*args: Any, **options: Any) -> Any:
        draws = current()
        if draws is None or args and isinstance(args[0], np.random.Generator):
            return function(*args, **options)
        return draws.made(function, *settled(args, options, function.__name__))

    return make


def random_form(function: Any) -> Any:
    """What to call in the place of ``function``, which makes generators or draws from one; None
    if it does neither."""
    owner = getattr(function, "__self__", None)
    if owner is not None and is_generator(owner):
        return drawing_from(owner, function)
    module = getattr(function, "__module__", None)
    name = getattr(function, "__name__", "")
    if (instead := refusing(function)) is not None:
        return instead
    if module == "random" and name == "Random":
        return _maker(function)
    if not isinstance(module, str) or not module.startswith("numpy.random"):
        return None
    if name in ("seed", *_ALIASES):
        return drawing_from(global_of_numpy(), function)
    return _maker(function) if name in ("default_rng", "RandomState", "Generator") else None


def drawing_from(source: Any, function: Any) -> Callable[..., Any]:
    """``function``, a method of the generator ``source``, as traced code calls it."""
    name = function.__name__
    if type(source).__module__ != "random":  # whose `sample` is another
        name = _ALIASES.get(name, name)

    @functools.wraps(function)
    def draw(*args: Any, **options: Any) -> Any:
        draws = current()
        if draws is None:
            return function(*args, **options)
        if name == "seed":
            return draws.seeded(source, *settled(args, options, name))
        if name in _ORDERS:
            return _ordered(draws, source, name, *args, **options)
        if all_known([*args, *options.values()]) and not is_range(args):
            return draws.draw(source, name, *settled(args, options, name))
        return of_traced(draws, source, name, args, options)

    return draw


def _ordered(draws: Draws, source: Any, name: str, x: Any, *rest: Any, **options: Any) -> Any:
    """``shuffle(x)`` or ``permutation(x)``: items in an order that is drawn."""
    if isinstance(x, list) and name == "shuffle":  # in place, whatever it holds
        return draws.draw(source, name, (x, *rest), options)
    is_array = isinstance(x, np.ndarray) or hasattr(type(x), "__mlc_lift__") and x.shape
    axis = options.pop("axis", rest[0] if rest else 0)
    if not is_array or axis or options:
        if not all_known([x, axis, *options.values()]):
            raise UnsupportedError(
                f"{name} of a list of traced values, along another axis, or of a number that data "
                f"decide cannot be traced; use an array, and x[rng.permutation(len(x))]"
            )
        return draws.draw(source, name, (plain(x), *rest), {"axis": axis} if axis else {})
    order = draws.draw(source, ORDER + name, (len(x),), {})
    if name == "permutation":
        return np.asarray(x)[order] if isinstance(x, np.ndarray) else x[order]
    x[...] = x[order]
    return None
