"""Rows of some hundred to some thousand elements sorted by comparing whole vectors.

Elements become signed integers of the same order, in memory of their own, filled up with the
greatest ones to whole blocks of ``BLOCK`` vectors. The columns of a block are sorted by a network,
then it is transposed, so that each column is a run in order. Runs are merged two by two: the first
with the second backwards gives a half of lesser and one of greater elements, and each half goes on
so with steps of half the length, between vectors first, then inside blocks that are held in
registers, at last inside vectors, by shuffles of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..dtypes import DType

BLOCK = 16  # vectors that are held in registers

Body = Callable[[str], None]


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


class _Text:
    """The lines of a function over vectors of ``lanes`` keys of ``dtype``."""

    def __init__(self, dtype: DType, vector_bits: int) -> None:
        self.dtype, self.lanes = dtype, vector_bits // dtype.bits
        self.kind, self.bytes = f"i{dtype.bits}", vector_bits // 8
        self.vector = f"<{self.lanes} x {self.kind}>"
        self.mangled, self.masks = f"v{self.lanes}{self.kind}", f"<{self.lanes} x i1>"
        self.masked_load = f"@llvm.masked.load.{self.mangled}.p0"
        self.masked_store = f"@llvm.masked.store.{self.mangled}.p0"
        self.highest = (1 << (dtype.bits - 1)) - 1
        self.lines: list[str] = []
        self.made = 0

    def add(self, *lines: str) -> None:
        self.lines += lines

    def let(self, text: str) -> str:
        self.made += 1
        self.lines.append(f"  %.{self.made} = {text}")
        return f"%.{self.made}"

    def label(self, name: str) -> str:
        self.made += 1
        return f"{name}.{self.made}"

    def chosen(self, masks: str, a: str, b: str) -> str:
        return self.let(f"select {self.masks} {masks}, {self.vector} {a}, {self.vector} {b}")

    def splat(self, value: object) -> str:
        return f"splat ({self.kind} {value})"

    def loop(self, name: str, start: str, stop: str, step: object, body: Body) -> None:
        """``body(i)`` for all i from ``start`` on that are less than ``stop``."""

        def step_on(i: str) -> str:
            body(i)
            return self.let(f"add nsw i64 {i}, {step}")

        self.repeat(name, start, lambda i: f"icmp slt i64 {i}, {stop}", step_on)

    def halving(self, start: str, body: Body) -> None:
        """``body(step)`` for steps from ``start`` on, each half the one before, down to a block."""

        def step_on(step: str) -> str:
            body(step)
            return self.let(f"lshr i64 {step}, 1")

        self.repeat("step", start, lambda step: f"icmp sge i64 {step}, {BLOCK}", step_on)

    def repeat(
        self, name: str, start: str, holds: Callable[[str], str], body: Callable[[str], str]
    ) -> None:
        """A value from ``start`` on, while it ``holds``; ``body`` says the next."""
        before, head, inside, last, after = (
            self.label(f"{name}_{part}") for part in ("before", "head", "in", "last", "after")
        )
        i = f"%{self.label('i')}"
        self.add(f"  br label %{before}", f"{before}:", f"  br label %{head}", f"{head}:")
        phi = len(self.lines)
        self.add(f"  br i1 {self.let(holds(i))}, label %{inside}, label %{after}", f"{inside}:")
        following = body(i)
        self.add(f"  br label %{last}", f"{last}:", f"  br label %{head}", f"{after}:")
        self.lines.insert(phi, f"  {i} = phi i64 [ {start}, %{before} ], [ {following}, %{last} ]")

    def at(self, base: str, i: str) -> str:
        return self.let(f"getelementptr {self.vector}, ptr {base}, i64 {i}")

    def load(self, place: str) -> str:
        return self.let(f"load {self.vector}, ptr {place}, align {self.bytes}")

    def store(self, value: str, place: str) -> None:
        self.add(f"  store {self.vector} {value}, ptr {place}, align {self.bytes}")

    def extreme(self, which: str, a: str, b: str) -> str:
        v = self.vector
        return self.let(f"call {v} @llvm.{which}.{self.mangled}({v} {a}, {v} {b})")

    def put_in_order(self, a: str, b: str) -> tuple[str, str]:
        return self.extreme("smin", a, b), self.extreme("smax", a, b)

    def shuffle(self, a: str, b: str, lanes: Sequence[int]) -> str:
        v = self.vector
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.let(f"shufflevector {v} {a}, {v} {b}, <{len(lanes)} x i32> <{mask}>")

    def backwards(self, a: str) -> str:
        return self.shuffle(a, "poison", range(self.lanes - 1, -1, -1))

    def two(self, a: str, b: str, have: list[list[int]], want: list[list[int]]) -> tuple[str, str]:
        """Two vectors whose lanes hold the elements ``have`` as two that hold ``want``."""
        lanes = {element: lane for lane, element in enumerate([*have[0], *have[1]])}
        first, second = (self.shuffle(a, b, [lanes[e] for e in each]) for each in want)
        return first, second


def sort_few(name: str, dtype: DType, most: int, vector_bits: int) -> list[str]:
    """The lines of ``void name(ptr, i64 n)``, which sorts n <= ``most`` elements in place."""
    t = _Text(dtype, vector_bits)
    v = t.vector
    room = -(-most // (t.lanes * BLOCK)) * BLOCK
    t.add(
        *(f"declare {v} @llvm.{which}.{t.mangled}({v}, {v})" for which in ("smin", "smax")),
        *(f"declare i64 @llvm.{which}.i64(i64, i64)" for which in ("smin", "smax")),
        f"declare {v} {t.masked_load}(ptr, {t.masks}, {v})",
        f"declare void {t.masked_store}({v}, ptr, {t.masks})",
        f"define void @{name}(ptr %a, i64 %n) {{",
        "entry:",
        f"  %w = alloca [{room} x {v}], align 64",
        f"  %whole = sdiv i64 %n, {t.lanes}",
        f"  %several = add i64 %n, {t.lanes - 1}",
        f"  %count = sdiv i64 %several, {t.lanes}",
        f"  %more = add i64 %count, {BLOCK - 1}",
        f"  %blocks = sdiv i64 %more, {BLOCK}",
        f"  %filled = mul i64 %blocks, {BLOCK}",
        f"  %rest = srem i64 %n, {t.lanes}",
    )
    left = "%rest" if t.kind == "i64" else t.let(f"trunc i64 %rest to {t.kind}")
    one = t.let(f"insertelement {v} poison, {t.kind} {left}, i64 0")
    lefts = t.let(f"shufflevector {v} {one}, {v} poison, <{t.lanes} x i32> zeroinitializer")
    lanes = ", ".join(f"{t.kind} {lane}" for lane in range(t.lanes))
    t.add(f"  %here = icmp slt {v} <{lanes}>, {lefts}")
    _keep(t)
    t.loop("block", "0", "%filled", BLOCK, lambda i: _block(t, i))
    _merge_runs(t)
    _give(t)
    t.add("  ret void", "}")
    return t.lines


def _key(t: _Text, x: str) -> str:
    """Signed integers in the order of ``x``: NaN is the greatest, -0.0 is less than 0.0."""
    if t.dtype.kind == "i":
        return x
    if not t.dtype.is_float:
        return t.let(f"xor {t.vector} {x}, {t.splat(-t.highest - 1)}")
    numbers = f"<{t.lanes} x { ({32: 'float', 64: 'double'}[t.dtype.bits]) }>"
    mirrored = _mirrored(t, x)
    number = t.let(f"bitcast {t.vector} {x} to {numbers}")
    is_nan = t.let(f"fcmp uno {numbers} {number}, zeroinitializer")
    return t.chosen(is_nan, t.splat(t.highest), mirrored)


def _mirrored(t: _Text, x: str) -> str:
    """Floats as integers of their order, and back."""
    sign = t.let(f"ashr {t.vector} {x}, {t.splat(t.dtype.bits - 1)}")
    bits = t.let(f"and {t.vector} {sign}, {t.splat(t.highest)}")
    return t.let(f"xor {t.vector} {x}, {bits}")


def _keep(t: _Text) -> None:
    """Keys of the row, and what fills the last block up."""
    v, align = t.vector, t.dtype.itemsize

    def keep(i: str) -> None:
        t.store(_key(t, t.let(f"load {v}, ptr {t.at('%a', i)}, align {align}")), t.at("%w", i))

    def keep_rest(i: str) -> None:
        read = f"call {v} {t.masked_load}(ptr align {align} {t.at('%a', i)}, {t.masks} %here"
        key = _key(t, t.let(f"{read}, {v} zeroinitializer)"))
        t.store(t.chosen("%here", key, t.splat(t.highest)), t.at("%w", i))

    t.loop("keep", "0", "%whole", 1, keep)
    t.loop("rest", "%whole", "%count", 1, keep_rest)
    t.loop("fill", "%count", "%filled", 1, lambda i: t.store(t.splat(t.highest), t.at("%w", i)))


def _give(t: _Text) -> None:
    """Elements from keys."""
    v, align = t.vector, t.dtype.itemsize

    def element(i: str) -> str:
        key = t.load(t.at("%w", i))
        return _mirrored(t, key) if t.dtype.is_float else _key(t, key)

    def give_rest(i: str) -> None:
        to = f"ptr align {align} {t.at('%a', i)}"
        t.add(f"  call void {t.masked_store}({v} {element(i)}, {to}, {t.masks} %here)")

    t.loop("give", "0", "%whole", 1, lambda i: t.add(
        f"  store {v} {element(i)}, ptr {t.at('%a', i)}, align {align}"
    ))  # fmt: skip
    t.loop("last", "%whole", "%count", 1, give_rest)


def _merge_runs(t: _Text) -> None:
    """Runs of a block merged, then those of two, of four, until there is one."""

    def level(run: str) -> str:
        double = t.let(f"shl i64 {run}, 1")
        last = t.let(f"sub i64 %count, {run}")
        t.loop("meet", "0", last, double, lambda first: _meet(t, run, first))
        t.halving(t.let(f"lshr i64 {run}, 1"), lambda step: _part(t, step))
        t.loop("near", "0", "%count", BLOCK, near)
        return double

    def near(i: str) -> None:
        places, held = _held(t, i)
        _merge(t, held, BLOCK // 2)
        for place, value in zip(places, held, strict=True):
            t.store(value, place)

    t.repeat("level", str(BLOCK), lambda run: f"icmp slt i64 {run}, %count", level)


def _meet(t: _Text, run: str, first: str) -> None:
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


def _part(t: _Text, step: str) -> None:
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


def _held(t: _Text, first: str) -> tuple[list[str], list[str]]:
    """The places and the values of the block of vectors that begins at ``first``."""
    start = t.at("%w", first)
    places = [t.at(start, str(k)) for k in range(BLOCK)]
    return places, [t.load(place) for place in places]


def _block(t: _Text, first: str) -> None:
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


def _transposed(t: _Text, held: list[str]) -> list[str]:
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


def _merge(t: _Text, held: list[str], far: int) -> None:
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
