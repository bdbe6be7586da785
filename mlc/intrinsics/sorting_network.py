"""Rows of some hundred to some thousand elements sorted by comparing whole vectors.

Elements become signed integers of the same order, in memory of their own, filled up with the
greatest ones to whole blocks of ``BLOCK`` vectors. The columns of a block are sorted by a network,
then it is transposed, so that each column is a run in order. Runs are merged two by two: the first
with the second backwards gives a half of lesser and one of greater elements, and each half goes on
so with steps of half the length, between vectors first, then inside blocks that are held in
registers, at last inside vectors, by shuffles of two.
"""

from __future__ import annotations

from collections.abc import Iterator

from .key_text import KeyText

BLOCK = 16  # vectors that are held in registers


def network(n: int) -> Iterator[tuple[int, int]]:
    """Batcher's merge exchange: pairs of places to be put in order, for ``n`` a power of two."""
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        yield i + j, i + j + k
            k //= 2
        p *= 2


def sort_few(name: str, t: KeyText, most: int, keys: bool) -> None:
    """The lines of ``void name(ptr a, i64 n, ptr to)``, which writes n <= ``most`` elements in
    order; ``keys``: what it reads are keys."""
    room = -(-most // (t.lanes * BLOCK)) * BLOCK
    t.add(
        f"define void @{name}(ptr %a, i64 %n, ptr %to) {{",
        "entry:",
        f"  %w = alloca [{room} x {t.vector}], align 64",
        f"  %whole = sdiv i64 %n, {t.lanes}",
        f"  %several = add i64 %n, {t.lanes - 1}",
        f"  %count = sdiv i64 %several, {t.lanes}",
        f"  %more = add i64 %count, {BLOCK - 1}",
        f"  %blocks = sdiv i64 %more, {BLOCK}",
        f"  %filled = mul i64 %blocks, {BLOCK}",
        f"  %rest = srem i64 %n, {t.lanes}",
    )
    here = t.lanes_before("%rest")
    key = (lambda x: x) if keys else t.key
    align, highest = t.dtype.itemsize, t.splat(t.highest)

    def keep(i: str) -> None:
        x = t.let(f"load {t.vector}, ptr {t.at('%a', i)}, align {align}")
        t.store(key(x), t.at("%w", i))

    def keep_rest(i: str) -> None:
        x = key(t.masked_read(t.at("%a", i), here))
        t.store(t.chosen(here, x, highest), t.at("%w", i))

    def give(i: str) -> None:
        x = t.element(t.load(t.at("%w", i)))
        t.add(f"  store {t.vector} {x}, ptr {t.at('%to', i)}, align {align}")

    def give_rest(i: str) -> None:
        t.masked_write(t.element(t.load(t.at("%w", i))), t.at("%to", i), here)

    t.loop("keep", "0", "%whole", 1, keep)
    t.loop("rest", "%whole", "%count", 1, keep_rest)
    t.loop("fill", "%count", "%filled", 1, lambda i: t.store(highest, t.at("%w", i)))
    t.loop("block", "0", "%filled", BLOCK, lambda i: _block(t, i))
    _merge_runs(t)
    t.loop("give", "0", "%whole", 1, give)
    t.loop("last", "%whole", "%count", 1, give_rest)
    t.add("  ret void", "}")


def _merge_runs(t: KeyText) -> None:
    """Runs of a block merged, then those of two, of four, until there is one."""

    def level(run: str) -> str:
        double = t.let(f"shl i64 {run}, 1")
        last = t.let(f"sub i64 %count, {run}")
        t.loop("meet", "0", last, double, lambda first: _meet(t, run, first))
        t.halving(t.let(f"lshr i64 {run}, 1"), BLOCK, lambda step: _part(t, step))
        t.loop("near", "0", "%count", BLOCK, near)
        return double

    def near(i: str) -> None:
        places, held = _held(t, i)
        _merge(t, held, BLOCK // 2)
        for place, value in zip(places, held, strict=True):
            t.store(value, place)

    t.repeat("level", str(BLOCK), lambda run: f"icmp slt i64 {run}, %count", level)


def _meet(t: KeyText, run: str, first: str) -> None:
    """Two runs of vectors from ``first`` on, the second one backwards; none that only fills up."""
    double = t.let(f"shl i64 {run}, 1")
    behind = t.let(f"add i64 {first}, {double}")
    top = t.let(f"sub i64 {behind}, 1")
    beyond = t.let(f"sub i64 {behind}, %count")
    skipped = t.let(f"call i64 @llvm.smax.i64(i64 {beyond}, i64 0)")

    def pair(i: str) -> None:
        low = t.at("%w", t.let(f"add i64 {first}, {i}"))
        high = t.at("%w", t.let(f"sub i64 {top}, {i}"))
        a, b = t.put_in_order(t.load(low), t.backwards(t.load(high)))
        t.store(a, low)
        t.store(t.backwards(b), high)

    t.loop("pair", skipped, run, 1, pair)


def _part(t: KeyText, step: str) -> None:
    """All vectors and those ``step`` behind them, in each stretch of twice as many."""
    twice = t.let(f"shl i64 {step}, 1")
    last = t.let(f"sub i64 %count, {step}")

    def stretch(first: str) -> None:
        middle = t.let(f"add i64 {first}, {step}")
        stop = t.let(f"call i64 @llvm.smin.i64(i64 {middle}, i64 {last})")
        t.loop("pair", first, stop, 1, pair)

    def pair(i: str) -> None:
        low, high = t.at("%w", i), t.at("%w", t.let(f"add i64 {i}, {step}"))
        a, b = t.put_in_order(t.load(low), t.load(high))
        t.store(a, low)
        t.store(b, high)

    t.loop("stretch", "0", last, twice, stretch)


def _held(t: KeyText, first: str) -> tuple[list[str], list[str]]:
    """The places and the values of the block of vectors that begins at ``first``."""
    start = t.at("%w", first)
    places = [t.at(start, str(k)) for k in range(BLOCK)]
    return places, [t.load(place) for place in places]


def _block(t: KeyText, first: str) -> None:
    """One block in order."""
    places, held = _held(t, first)
    for i, j in network(BLOCK):
        held[i], held[j] = t.put_in_order(held[i], held[j])
    held = _transposed(t, held)
    run = BLOCK // t.lanes
    while run < BLOCK:
        for start in range(0, BLOCK, 2 * run):
            for i in range(run):
                low, high = start + i, start + 2 * run - 1 - i
                a, b = t.put_in_order(held[low], t.backwards(held[high]))
                held[low], held[high] = a, t.backwards(b)
        _merge(t, held, run // 2)
        run *= 2
    for place, value in zip(places, held, strict=True):
        t.store(value, place)


def _transposed(t: KeyText, held: list[str]) -> list[str]:
    """The columns of a block as runs of vectors."""
    m = t.lanes
    squares = []
    for start in range(0, BLOCK, m):
        rows = held[start : start + m]
        d = m // 2
        while d:
            for i in range(m):
                if not i & d:
                    low = [l if not l & d else m + (l ^ d) for l in range(m)]
                    high = [l ^ d if not l & d else m + l for l in range(m)]
                    a, b = rows[i], rows[i + d]
                    rows[i], rows[i + d] = t.shuffle(a, b, low), t.shuffle(a, b, high)
            d //= 2
        squares.append(rows)
    return [square[column] for column in range(m) for square in squares]


def _merge(t: KeyText, held: list[str], far: int) -> None:
    """The steps of a merge from ``far`` vectors on, in place."""
    while far:
        for i in range(BLOCK):
            if not i & far:
                held[i], held[i + far] = t.put_in_order(held[i], held[i + far])
        far //= 2
    m = t.lanes
    inside = [list(range(m)), list(range(m, 2 * m))]
    for i in range(0, BLOCK, 2):
        a, b = held[i], held[i + 1]
        have, d = inside, m // 2
        while d:
            low = [e for e in range(2 * m) if not e & d]
            want = [low, [e + d for e in low]]
            a, b = t.put_in_order(*t.two(a, b, have, want))
            have, d = want, d // 2
        held[i], held[i + 1] = t.two(a, b, have, inside)
