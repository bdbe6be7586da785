"""What generators give of the bits of an engine: the numbers that NumPy and Python would.

Sources: D. Lemire, Fast Random Integer Generation in an Interval, ACM TOMACS 29, 2019; G. Marsaglia
and W. W. Tsang, The Ziggurat Method for Generating Random Variables, J. Stat. Softw. 5, 2000;
G. Marsaglia and T. A. Bray, A Convenient Method for Generating Normal Variables, SIAM Review 6,
1964.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.update import setitem
from ..tracer.concrete import known
from ..tracer.noting import note_error
from ..tracer.streams import ORDER
from ..tracer.tracer import Tracer
from .carry import current
from .engines import Engine, Forms, Mersenne, Pcg64
from .forms import fori_loop, while_loop

Array = np.ndarray[Any, Any]
Draw = Callable[[], Any]
_BITS32 = (1 << 32) - 1
_NORMAL_END, _EXPONENTIAL_END = 3.6541528853610087963519472518, 7.6971174701310497140446280481
_DONE, _BEGIN, _EDGE, _FAR, _FURTHER = range(5)  # what the next 64 bits of a ziggurat are for
_MOST_PICKED = 10_000  # of which any number of places is picked in one way
_NONE = np.uint64(0)
_MOST_INVERTED = 30  # expected successes, which NumPy finds by inversion
_UNROLLED = 4  # numbers of an array that are drawn one by one


class NumPys(Pcg64):
    """``np.random.Generator`` over PCG64."""

    __slots__ = ()

    def below(self, least: Any, most: Any) -> Draw:
        """Whole numbers from ``least`` to ``most``."""
        span = known(most - least)
        if isinstance(span, int) and span > _BITS32:
            return _not_known
        if isinstance(span, int) and span == 0:
            return lambda: np.int64(least)
        low = np.uint64(_BITS32)
        if not isinstance(span, int):
            top = _span(span, _none_below(least))
            times = top + np.uint64(1)
            over = (np.uint64(_BITS32 + 1) - times) % times
            following = lambda: self.next32() * times
            found = lambda: _until(top != 0, following, lambda m: (m & low) < over)
            return lambda: (found() >> np.uint64(32)).astype(np.int64) + least
        many = np.uint64(span + 1)

        def one() -> Any:
            first = self.next32() * many
            rest = (np.uint64(_BITS32 + 1) - many) % many
            found = while_loop(lambda m: (m & low) < rest, lambda m: self.next32() * many, first)
            return (found >> np.uint64(32)).astype(np.int64) + least

        return one

    def normal(self) -> Any:
        """A standard normal number."""
        table = _normal_table()
        heights = _fixed(table.heights)

        def begun(bits: Any) -> tuple[Any, ...]:
            place = (bits & np.uint64(255)).astype(np.int64)
            part = (bits >> np.uint64(9)) & np.uint64(0xFFFFFFFFFFFFF)
            size = part.astype(np.float64) * _fixed(table.widths)[place]
            value = np.where((bits >> np.uint64(8)) & np.uint64(1) != 0, -size, size)
            is_inside = part < _fixed(table.bounds)[place]
            stage = np.where(is_inside, _DONE, np.where(place == 0, _FAR, _EDGE))
            return stage, place, part, value, 0.0 * value

        def drawn(state: tuple[Any, ...]) -> tuple[Any, ...]:
            stage, place, part, value, x = state
            bits = self.next64()
            u = _unit(bits)
            height, tail = heights[place], -np.log1p(-u)
            is_under = (heights[place - 1] - height) * u + height < np.exp(-0.5 * value * value)
            is_far = tail + tail > x * x
            end = _NORMAL_END + x
            end = np.where((part >> np.uint64(8)) & np.uint64(1) != 0, -end, end)
            after = np.where(stage == _EDGE, np.where(is_under, _DONE, _BEGIN), _FURTHER)
            after = np.where(stage == _FURTHER, np.where(is_far, _DONE, _FAR), after)
            value = np.where(np.logical_and(stage == _FURTHER, is_far), end, value)
            x = np.where(stage == _FAR, (1 / _NORMAL_END) * tail, x)
            is_new = stage == _BEGIN
            now = after, place, part, value, x
            return tuple(np.where(is_new, a, b) for a, b in zip(begun(bits), now))

        found = while_loop(lambda s: s[0] != _DONE, drawn, begun(self.next64()))
        return found[3]

    def exponential(self) -> Any:
        """A standard exponential number."""
        table = _exponential_table()
        heights = _fixed(table.heights)

        def begun(bits: Any) -> tuple[Any, ...]:
            place = ((bits >> np.uint64(3)) & np.uint64(255)).astype(np.int64)
            part = bits >> np.uint64(11)
            value = part.astype(np.float64) * _fixed(table.widths)[place]
            is_inside = part < _fixed(table.bounds)[place]
            return np.where(is_inside, _DONE, _EDGE), place, value

        def drawn(state: tuple[Any, ...]) -> tuple[Any, ...]:
            stage, place, value = state
            bits = self.next64()
            u = _unit(bits)
            height, is_end = heights[place], place == 0
            is_under = (heights[place - 1] - height) * u + height < np.exp(-value)
            value = np.where(is_end, _EXPONENTIAL_END - np.log1p(-u), value)
            now = np.where(np.logical_or(is_end, is_under), _DONE, _BEGIN), place, value
            is_new = stage == _BEGIN
            return tuple(np.where(is_new, a, b) for a, b in zip(begun(bits), now))

        found = while_loop(lambda s: s[0] != _DONE, drawn, begun(self.next64()))
        return found[2]


class Twister(Mersenne):
    """``np.random.RandomState``."""

    __slots__ = ()

    def below(self, least: Any, most: Any) -> Draw:
        """Whole numbers from ``least`` to ``most``, by rejection."""
        span = known(most - least)
        if not isinstance(span, int):
            limit = _span(span, _none_below(least))
            held = _all_ones(limit)
            following = lambda: self.next32() & held
            found = lambda: _until(limit != 0, following, lambda m: m > limit)
            return lambda: found().astype(np.int64) + least
        if span > _BITS32:
            return _not_known
        if span == 0:
            return lambda: np.int64(least)
        mask, top = np.uint64((1 << span.bit_length()) - 1), np.uint64(span)

        def one() -> Any:
            first = self.next32() & mask
            found = while_loop(lambda m: m > top, lambda m: self.next32() & mask, first)
            return found.astype(np.int64) + least

        return one

    def normal(self) -> Any:
        """A standard normal number, of pairs of which one is kept."""
        had, kept = self.has_gauss, self.gauss

        def drawn(_: Any) -> tuple[Any, ...]:
            x, y = 2.0 * self.next_double() - 1.0, 2.0 * self.next_double() - 1.0
            square = x * x + y * y
            return x, y, square, np.logical_and(square < 1.0, square != 0.0)

        start = kept, kept, 0.0 * kept + 0.5, np.logical_or(had, False)
        x, y, square, _ = while_loop(lambda s: np.logical_not(s[3]), drawn, start)
        factor = np.sqrt(-2.0 * np.log(square) / square)
        self.gauss, self.has_gauss = np.where(had, 0.0, factor * x), np.logical_not(had)
        return np.where(had, kept, factor * y)

    def exponential(self) -> Any:
        """A standard exponential number."""
        return -np.log(1.0 - self.next_double())


class Pythons(Mersenne):
    """``random.Random``."""

    __slots__ = ()

    def below(self, least: Any, most: Any) -> Draw:
        """Whole numbers from ``least`` to ``most``, by rejection."""
        span = known(most - least)
        if not isinstance(span, int):
            many = _span(span, "empty range for randrange()") + np.uint64(1)
            by = np.uint64(32) - _bit_length(many)
            following = lambda: self.next32() >> by
            found = lambda: _until(True, following, lambda m: m >= many)
            return lambda: found().astype(np.int64) + least
        if span >= _BITS32:
            return _not_known
        count, shift = np.uint64(span + 1), np.uint64(32 - (span + 1).bit_length())

        def one() -> Any:
            first = self.next32() >> shift
            found = while_loop(lambda m: m >= count, lambda m: self.next32() >> shift, first)
            return found.astype(np.int64) + least

        return one

    def drawn_gauss(self, mu: float = 0.0, sigma: float = 1.0) -> Any:
        """A normal number, of pairs of which one is kept."""
        had, kept, before = self.has_gauss, self.gauss, self.held()
        turn = self.next_double() * (2.0 * math.pi)
        factor = np.sqrt(-2.0 * np.log(1.0 - self.next_double()))
        self.keep(had, before)
        self.gauss, self.has_gauss = np.where(had, 0.0, np.sin(turn) * factor), np.logical_not(had)
        return mu + np.where(had, kept, np.cos(turn) * factor) * sigma


class Table:
    """The ziggurat that NumPy has: widths as they are there, the rest to the last places."""

    def __init__(self, method: str, shift: int, bits: int, end: float, density: Any) -> None:
        steps = [1 << shift | place << (3 if shift == 11 else 0) for place in range(256)]
        self.widths = np.array([getattr(_next_is(step), method)() for step in steps])
        edges = self.widths * float(1 << bits)
        ratios = [end / edges[0], 0.0, *(edges[1:-1] / edges[2:])]
        self.bounds = np.array([int(ratio * (1 << bits)) for ratio in ratios], np.uint64)
        self.heights = np.array([1.0, *map(density, edges[1:])])


def _next_is(bits: int) -> np.random.Generator:
    """A generator whose next 64 bits are ``bits``."""
    made: Any = np.random.PCG64(0)
    held, factor = made.state, 0x2360ED051FC65DA44385DF649FCCF645
    before = (bits - 1) * pow(factor, -1, 1 << 128) & ((1 << 128) - 1)
    made.state = held | {"state": {"state": before, "inc": 1}}
    return np.random.Generator(made)


@functools.cache
def _normal_table() -> Table:
    return Table("standard_normal", 9, 52, _NORMAL_END, lambda x: math.exp(-0.5 * x * x))


@functools.cache
def _exponential_table() -> Table:
    return Table("standard_exponential", 11, 53, _EXPONENTIAL_END, lambda x: math.exp(-x))


def _fixed(array: Array) -> Tracer:
    trace = current()
    return Tracer(trace.lift(array), trace)


def _span(span: Any, empty: str) -> Any:
    """``span``, traced, as uint64; the call raises ValueError where it is negative."""
    note_error(np.less(span, 0), ValueError(empty))
    note_error(np.greater_equal(span, _BITS32), UnsupportedError(
        "whole numbers of a range that the data decide are drawn below 2**32 - 1 alone; draw from "
        "0 to 1, and compute from that"
    ))  # fmt: skip
    return np.clip(span, 0, _BITS32 - 1).astype(np.uint64)


def _none_below(least: Any) -> str:
    """NumPy's words where the limit is not above ``least``."""
    return "high <= 0" if isinstance(least, int) and least == 0 else "low >= high"


def _until(is_drawn: Any, following: Draw, is_off: Callable[[Any], Any], none: Any = _NONE) -> Any:
    """The first of the numbers ``following`` that is not off, drawn if ``is_drawn``; else
    ``none``."""

    def drawn(_: Any) -> tuple[Any, Any]:
        number = following()
        return number, is_off(number)

    start = none, np.logical_and(is_drawn, True)
    return while_loop(lambda state: state[1], drawn, start)[0]


def _all_ones(value: Any) -> Any:
    """The least 2**n - 1 that is not below ``value``, of at most 32 bits."""
    for shift in (1, 2, 4, 8, 16):
        value = value | value >> np.uint64(shift)
    return value


def _bit_length(value: Any) -> Any:
    """How many bits ``value`` has, as uint64; at most 32."""
    return np.frexp(value.astype(np.float64))[1].astype(np.uint64)


def _unit(bits: Any) -> Any:
    """64 bits as a float64 in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * (1 / 9007199254740992.0)


def _not_known() -> Any:
    return NotImplemented


def _many(one: Draw, size: Any, dtype: Any = np.float64) -> Any:
    """One number, or an array of ``size``."""
    if size is None:
        return one()
    shape = (operator.index(size),) if not isinstance(size, (tuple, list)) else tuple(size)
    count = math.prod(shape)
    if count <= _UNROLLED:
        drawn = [one() for _ in range(count)]
        return np.reshape(np.stack(drawn), shape) if drawn else np.zeros(shape, dtype)
    made = fori_loop(0, count, lambda i, x: setitem(x, i, one()), np.zeros(count, dtype))
    return np.reshape(made, shape)


# Methods


def _random(stream: Engine, size: Any = None) -> Any:
    return _many(stream.next_double, size)


def _uniform(stream: Engine, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
    return low + (high - low) * _many(stream.next_double, size)


def _integers(stream: Any, low: Any, high: Any = None, size: Any = None, **options: Any) -> Any:
    endpoint = options.pop("endpoint", False)
    if options:
        return NotImplemented
    least, most = (0, low) if high is None else (low, high)
    one = stream.below(least, most if endpoint else most - 1)
    return NotImplemented if one is _not_known else _many(one, size, np.int64)


def _normal(stream: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    return loc + scale * _many(stream.normal, size)


def _standard_normal(stream: Any, size: Any = None) -> Any:
    return _many(stream.normal, size)


def _exponential(stream: Any, scale: Any = 1.0, size: Any = None) -> Any:
    return scale * _many(stream.exponential, size)


def _standard_exponential(stream: Any, size: Any = None) -> Any:
    return _many(stream.exponential, size)


def _binomial(stream: Engine, n: Any, p: Any, size: Any = None) -> Any:
    """Successes of ``n`` known tries, by inversion: V. Kachitvichyanukul and B. W. Schmeiser,
    Binomial random variate generation, Comm. ACM 31, 1988."""
    if np.shape(n) or np.shape(p) or min(p, 1 - p) * n > _MOST_INVERTED:
        return NotImplemented
    share = min(p, 1.0 - p)
    if (n == 0 or p == 0.0) and isinstance(stream, NumPys):  # which draws nothing there
        return _many(lambda: np.int64(0), size, np.int64)
    rest, mean = 1.0 - share, n * share
    first = math.exp(n * math.log1p(-share))
    bound = int(min(n, mean + 10.0 * math.sqrt(mean * rest + 1)))

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        count, chance, u = state
        count = count + 1
        is_new = count > bound
        fresh = _until(is_new, stream.next_double, lambda _: np.False_, np.float64(0.0))
        following = (n - count + 1) * share * chance / (count * rest)
        chosen = (0, count), (first, following), (fresh, u - chance)
        return tuple(np.where(is_new, a, b) for a, b in chosen)

    def one() -> Any:
        start = np.int64(0), np.float64(first), stream.next_double()
        found = while_loop(lambda state: state[2] > state[1], step, start)[0]
        return found if p <= 0.5 else n - found

    return _many(one, size, np.int64)


def _masked(stream: Engine, most: Any, masks: Array) -> Any:
    """A whole number from 0 to ``most``, by rejection of those that ``masks[most]`` lets pass."""
    mask, top = _fixed(masks)[most], most.astype(np.uint64)
    first = stream.next32() & mask
    found = while_loop(lambda m: m > top, lambda m: stream.next32() & mask, first)
    return found.astype(np.int64)


def _shuffled(below: Callable[[Any], Any], order: Any, count: int) -> Any:
    """``order``, an array of ``count``, with its elements in another one; ``below(n)`` draws a
    whole number from 0 to n."""

    def swapped(n: Any, held: Any) -> Any:
        last = count - 1 - n
        other = below(last)
        return setitem(setitem(held, last, held[other]), other, held[last])

    return fori_loop(0, count - 1, swapped, order) if count > 1 else order


def _order(stream: Any, count: int) -> Any:
    masks = np.array([(1 << n.bit_length()) - 1 for n in range(count)], np.uint64)
    return _shuffled(lambda n: _masked(stream, n, masks), np.arange(count), count)


def _permutation(stream: Any, x: Any) -> Any:
    return NotImplemented if np.shape(x) else _order(stream, operator.index(x))


def _picked(stream: Any, count: int, size: int) -> Any:
    """``size`` different places out of ``count``."""
    if isinstance(stream, Twister):
        return _order(stream, count)[:size]
    if count > _MOST_PICKED and size > count // 50:
        return NotImplemented
    numbers = np.arange(size)

    def picked(n: Any, held: Any) -> Any:  # R. W. Floyd's way
        last = count - size + n
        place = stream.below(0, last)()
        is_held = np.logical_and(numbers < n, held == place).any()
        return setitem(held, n, np.where(is_held, last, place))

    found = fori_loop(int(size == count), size, picked, np.zeros(size, np.int64))
    return _shuffled(lambda n: stream.below(0, n)(), found, size)


def _choice(
    stream: Any, a: Any, size: Any = None, replace: bool = True, p: Any = None, **options: Any
) -> Any:  # fmt: skip
    count = len(a) if np.shape(a) else operator.index(a)
    if options or not (replace or p is None and type(size) is int):
        return NotImplemented
    if not replace:
        index = _picked(stream, count, size)
        if index is NotImplemented:
            return index
    elif p is None:
        index = _integers(stream, count, size=size)
    else:
        ends = np.cumsum(np.asarray(p, np.float64))
        index = np.searchsorted(_fixed(ends / ends[-1]), _random(stream, size), side="right")
    return index if not np.shape(a) else _fixed(np.asarray(a))[index]


def _of_shape(form: Callable[..., Any]) -> Callable[..., Any]:
    return lambda stream, *shape: form(stream, shape or None)


def _between(stream: Pythons, a: int, b: int) -> Any:
    return stream.below(a, b)()


def _in_range(stream: Pythons, start: int, stop: int | None = None) -> Any:
    first, end = (0, start) if stop is None else (start, stop)
    return stream.below(first, end - 1)()


def _item(stream: Pythons, items: Any) -> Any:
    kinds = {type(item) for item in items}
    if kinds not in ({int}, {float}):
        return NotImplemented
    return _fixed(np.array(list(items)))[stream.below(0, len(items) - 1)()]


_SHARED: Forms = {
    "uniform": _uniform, "normal": _normal, "standard_normal": _standard_normal,
    "exponential": _exponential, "standard_exponential": _standard_exponential, "choice": _choice,
    "binomial": _binomial,
    "permutation": _permutation, f"{ORDER}shuffle": _order, f"{ORDER}permutation": _order,
}  # fmt: skip
NumPys.forms = _SHARED | {"random": _random, "integers": _integers}
Twister.forms = _SHARED | {
    "random": _random, "random_sample": _random, "rand": _of_shape(_random), "randint": _integers,
    "randn": _of_shape(_standard_normal),
}  # fmt: skip
Pythons.forms = {
    "random": lambda stream: stream.next_double(),
    "uniform": lambda stream, a, b: a + (b - a) * stream.next_double(),
    "randint": _between, "randrange": _in_range, "choice": _item,
    "gauss": Pythons.drawn_gauss,
    "expovariate": lambda stream, lambd=1.0: -np.log(1.0 - stream.next_double()) / lambd,
}  # fmt: skip


def stream_of(source: Any) -> Engine | None:
    """``source`` as traced code; None for bit generators that are not known here."""
    if isinstance(source, np.random.Generator):
        return NumPys(source) if type(source.bit_generator) is np.random.PCG64 else None
    if isinstance(source, np.random.RandomState):
        kind = source.get_state(legacy=False)["bit_generator"]  # type: ignore[call-overload]
        return Twister(source) if kind == "MT19937" else None
    return Pythons(source) if type(source).__name__ == "Random" else None
