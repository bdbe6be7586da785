"""Running products of floats for cards, cut into pieces whose own products may overflow where the
whole does not.

Products of pieces are pairs: a number from 1 up to 2, with its sign, and a power of 2 of any size.
The prefix of an element is the right one as long as those before it, and it, are normal numbers.
From the first on that is not, one thread goes along the line as NumPy does, with all the roundings
of very small numbers, until there is a 0, an infinity or a NaN. From there on nothing else can
follow: signs, and what makes NaN of it, are scanned again::

    first[line] = min of i whose prefix is no normal number
    out[i] = prefix of i                              for i < first
    out[i] = out[i - 1] * x[i]                        until out[i] is 0, infinite or NaN
    out[i] = that * product of x[j], each of which counts as -1, 1, or as it is if one of those
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from .. import te
from ..dtypes import DType, float32, int32, int64, uint32, uint64
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.program import Buffer
from ..records import dataclass
from .on_grid import Parts, points, prefixes
from .programs import Writer

Place = Callable[[Expr, Expr | int], Sequence[Expr | int]]


@dataclass(frozen=True)
class Layout:
    """The bits of a float: ``digits`` of the fraction, and what is added to exponents."""

    raw: DType
    digits: int
    bias: int


def _layout(dtype: DType) -> Layout:
    return Layout(uint32, 23, 127) if dtype is float32 else Layout(uint64, 52, 1023)


def running_products(
    w: Writer, lines: int, n: int, work: DType, read: Callable[[Expr, Expr | int], Expr],
    at: Place, out: Buffer, kept: Buffer | None, threads: int, each: int,
) -> None:  # fmt: skip
    """``out[at(line, i)] = read(line, 0) * ... * read(line, i)``, in ``work``; ``kept`` is ``out``
    where that has the same dtype."""
    layout = _layout(work)
    count = int32 if n <= int32.highest else int64
    # Sums of as many exponents of single numbers.
    powers = int32 if n * 2 * (layout.bias + layout.digits) <= int32.highest else int64
    first = w.memory("first", (lines,), count)
    with points(w, lines, "line") as line:
        w.store(first, (line,), n)
    held = kept or w.memory("kept", (lines, n), work)
    place: Place = at if kept is not None else lambda line, i: (line, i)

    def write(line: Expr, i: Expr, value: Parts) -> None:
        size, power = value
        normal = _is_normal(size, power, layout)
        with w.when(normal):
            found = size * _power_of_2(power, layout, work)
            w.store(held, place(line, i), found)
            if kept is None:
                w.store(out, at(line, i), found)
        with w.otherwise():
            to = w.variable("to", line)
            w.accumulate("min", first, (to[()],), cast(i, count))

    prefixes(
        w, lines, n, (work, powers), lambda line, i: _parted(read(line, i), layout, powers),
        _multiplied, write, threads, each, atomic=True,
    )  # fmt: skip
    ends, last = w.memory("ends", (lines,), count), w.memory("last", (lines,), work)
    with points(w, lines, "line") as line:
        i = w.variable("i", cast(first[line], int64))
        start = held[tuple(place(line, te.max(i[()] - 1, 0)))]
        value = w.variable("value", select(i[()] > 0, start, const(1, work)))
        goes_on = w.variable("goes_on", const(True))
        with w.repeat((i[()] < n) & goes_on[()]):
            w.set(value, value[()] * read(line, i[()]))
            w.store(out, at(line, i[()]), value[()])
            w.set(goes_on, ~_is_final(value[()]))
            w.set(i, i[()] + 1)
        w.store(ends, (line,), cast(i[()], count))
        w.store(last, (line,), value[()])

    def rest(line: Expr, i: Expr, value: Parts) -> None:
        with w.when(i >= cast(ends[line], int64)):
            w.store(out, at(line, i), last[line] * value[0])

    def kind(line: Expr, i: Expr) -> Parts:
        x = read(line, i)
        one = apply("copysign", const(1, work), x)
        done = i < cast(ends[line], int64)
        return (select(done, const(1, work), select(_is_final(x), x, one)),)

    prefixes(
        w, lines, n, (work,), kind, lambda a, b: (a[0] * b[0],), rest, threads, each
    )  # fmt: skip


def _is_final(x: Expr) -> Expr:
    """Whether ``x`` is 0, infinite or NaN."""
    size = apply("abs", x)
    return ~((size > const(0, x.dtype)) & (size < const(inf, x.dtype)))


def _parted(x: Expr, layout: Layout, powers: DType) -> Parts:
    """``x`` as a number from 1 up to 2 and a power of 2; what is 0, infinite or NaN as it is."""
    raw, digits, bias = layout.raw, layout.digits, layout.bias
    small = apply("abs", x) < const(2.0 ** (1 - bias), x.dtype)
    step = digits + 1
    scaled = select(small, x * const(2.0**step, x.dtype), x)
    bits = apply("bitcast", scaled, dtype=raw)
    exponent = (bits >> const(digits, raw)) & const(2 * bias + 1, raw)
    rest = bits & const(((1 << raw.bits) - 1) ^ (2 * bias + 1 << digits), raw)
    size = apply("bitcast", rest | const(bias << digits, raw), dtype=x.dtype)
    power = cast(exponent, powers) - select(small, const(bias + step, powers), const(bias, powers))
    final = _is_final(x)
    return select(final, x, size), select(final, const(0, powers), power)


def _multiplied(a: Parts, b: Parts) -> Parts:
    """The product of two pairs as a pair."""
    size, power = a[0] * b[0], a[1] + b[1]
    large = apply("abs", size) >= const(2, size.dtype)
    half = size * const(0.5, size.dtype)
    return select(large, half, size), power + cast(large, power.dtype)


def _is_normal(size: Expr, power: Expr, layout: Layout) -> Expr:
    least, most = (const(e, power.dtype) for e in (1 - layout.bias, layout.bias))
    return ~_is_final(size) & (power >= least) & (power <= most)


def _power_of_2(power: Expr, layout: Layout, dtype: DType) -> Expr:
    bits = cast(power + const(layout.bias, power.dtype), layout.raw) << const(
        layout.digits, layout.raw
    )
    return apply("bitcast", bits, dtype=dtype)
