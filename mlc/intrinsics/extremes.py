"""Where the greatest or least of a row stands, in one pass.

::

    extreme_place("argmax", float32, 1000, meaning)     P[0] = argmax(A[0:1000])

Each lane keeps the best element that it saw and the step at which it came; at the end the first of
the best ones is found. NaN takes no part in that: whether there is one is noted on the side, and
then a second pass finds the first.

Where vectors are short, and what is kept fills the registers, a lane looks at the best of several
vectors at a step; the step is then looked at again for the first element that equals the best.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, kept_dimensions, register
from ..ir.program import Program
from .lane_text import LaneText, with_and_without_requests
from .sorting import cpu_features

TYPES = ("float32", "float64", "int32", "uint32", "int64", "uint64")
AHEAD_BYTES = 8192  # what comes then is asked for: memory far away answers late
LONG = 1024  # elements, from which on it pays to look at a step again
LEAST = 64  # elements of a row for which the lanes pay


def extreme_place(
    fn: str,
    dtype: DType,
    shape: tuple[int, ...],
    counter: DType,
    meaning: Callable[[str], Program],
) -> Intrinsic:
    """``fn`` is argmax or argmin; ``dtype`` is among TYPES, and a contiguous array of ``shape`` has
    at least LEAST elements. ``meaning(name)`` writes the program that says it."""
    name = f"{fn}_{dtype.name}_{'_'.join(map(str, shape))}_{counter.name}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    text = _text(name, fn, dtype, shape, counter)
    return register(Intrinsic(name, meaning(name), with_and_without_requests(name, text)))


@cache
def _per_step(n: int) -> tuple[int, int]:
    """How many vectors keep their best of ``n`` elements, and among how many vectors of each
    step."""
    if cpu_features().get("AVX512F", False):
        return 8, 1
    return (2, 4) if n >= LONG else (2, 1)


def _text(name: str, fn: str, dtype: DType, shape: tuple[int, ...], counter: DType) -> str:
    """The LLVM function, of vectors of 64 bytes."""
    steps_given = "".join(f"i64 %step{d}, " for d in kept_dimensions(shape))
    search = _Search(fn, dtype, prod(shape))
    search.text.add(f"define void @{name}(ptr %a, {steps_given}ptr %p) {{", "entry:")
    search.first_step()
    if search.steps > 1:
        search.other_steps()
    search.rest()
    search.stored(search.nearest(search.winner()), counter)
    return search.text.text()


class _Search:
    """The lines of a search, and the names of what it has found so far.

    ``best`` are vectors of the best elements, ``when`` the steps at which the first of those came;
    ``at``, once all is read, where the others stand, or all of them if ``group`` is 1. ``nan`` says
    in which lanes there was one, ``block`` which part of the function is being written.
    """

    def __init__(self, fn: str, dtype: DType, n: int) -> None:
        self.text = text = LaneText(dtype)
        self.is_float, self.n = dtype.is_float, n
        self.index = f"i{dtype.bits}"
        self.places = text.of(self.index)
        self.chains, self.group = _per_step(n)
        self.width = text.lanes * self.chains * self.group
        self.steps, self.left = divmod(n, self.width)
        sign = "" if self.is_float else "u" if dtype.kind == "u" else "s"
        fold = "max" if fn == "argmax" else "min"
        compared = "fcmp o" if self.is_float else f"icmp {sign}"
        self.better = f"{compared}{'gt' if fn == 'argmax' else 'lt'}"
        self.equal = "fcmp oeq" if self.is_float else "icmp eq"
        self.fold = f"{'f' if self.is_float else sign}{fold}"
        self.best: list[str] = []
        self.when: list[str] = []
        self.at: list[str] = []
        self.nan = "zeroinitializer"
        self.block = "entry"

    def first_step(self) -> None:
        """The first vectors are the best so far."""
        chains = self.chains if self.steps else 0
        offsets = range(0, chains * self.group * self.text.lanes, self.text.lanes)
        values = [self.loaded(str(offset)) for offset in offsets]
        self.nan = self.nan_among(values, self.nan)
        self.best = self.best_of_groups(values)
        self.when = ["zeroinitializer"] * chains

    def other_steps(self) -> None:
        """A loop over the other whole steps."""
        text, first, chains = self.text, self.best, range(self.chains)
        one = text.all_lanes(self.index, 1)
        text.add("br label %loop", "loop:")
        head = len(text.lines)
        text.add("%i = phi i64 [ 1, %entry ], [ %i2, %loop ]")
        text.add(f"%s = phi {self.places} [ {one}, %entry ], [ %s2, %loop ]")
        self.best, self.when = [f"%b{u}" for u in chains], [f"%w{u}" for u in chains]
        start = text.let(f"mul i64 %i, {self.width}")
        offsets = [u * text.lanes for u in range(self.chains * self.group)]
        values = [self.loaded(text.let(f"add i64 {start}, {offset}")) for offset in offsets]
        for offset in offsets:
            ahead = offset + AHEAD_BYTES // text.dtype.itemsize
            text.prefetch(text.place("%a", text.let(f"add i64 {start}, {ahead}")))
        noted = self.nan_among(values, "%n")
        for u, value in enumerate(self.best_of_groups(values)):
            self.take(u, value, "%s")
        phis = [
            phi
            for u in chains
            for phi in (
                f"%b{u} = phi {text.vector} [ {first[u]}, %entry ], [ {self.best[u]}, %loop ]",
                f"%w{u} = phi {self.places} [ zeroinitializer, %entry ], [ {self.when[u]}, %loop ]",
            )
        ]
        if self.is_float:
            phis.append(f"%n = phi {text.masks} [ {self.nan}, %entry ], [ {noted}, %loop ]")
            self.nan = noted
        text.put(head, *phis)
        text.add(
            f"%s2 = add {self.places} %s, {one}",
            "%i2 = add nuw nsw i64 %i, 1",
            f"%more = icmp ult i64 %i2, {self.steps}",
            "br i1 %more, label %loop, label %rest",
            "rest:",
        )
        self.block = "rest"

    def rest(self) -> None:
        """The vectors behind the last step; the last of all overlaps the one before."""
        text = self.text
        last = text.all_lanes(self.index, self.steps)
        for u in range(self.left // text.lanes):
            value = self.loaded(str(self.steps * self.width + u * text.lanes))
            self.nan = self.nan_among([value], self.nan)
            if self.group > 1:
                self.best.append(value)
                self.at.append(self.iota(self.steps * self.width + u * text.lanes))
            elif self.steps:
                self.take(u, value, last)
            else:
                self.best.append(value)
                self.when.append("zeroinitializer")
        scale = text.all_lanes(self.index, self.width)
        for u, when in enumerate(self.when if self.group == 1 else ()):
            step = text.let(f"mul {self.places} {when}, {scale}")
            self.at.append(text.let(f"add {self.places} {step}, {self.iota(u * text.lanes)}"))
        if self.left % text.lanes:
            value = self.loaded(str(self.n - text.lanes))
            self.nan = self.nan_among([value], self.nan)
            self.best.append(value)
            self.at.append(self.iota(self.n - text.lanes))

    def winner(self) -> str:
        """A vector of nothing but the best of all."""
        text = self.text

        def better(x: str, y: str) -> str:
            return text.select(text.let(f"{self.better} {text.vector} {x}, {y}"), text.vector, x, y)

        top = _tree(self.best, better)
        called = f"{text.element} @llvm.vector.reduce.{self.fold}.{text.mangled}({text.vector}"
        text.declare(f"{called})")
        fast = "nnan " if self.is_float else ""
        return text.splat(text.element, text.let(f"call {fast}{called} {top})"))

    def nearest(self, winner: str) -> str:
        """The first place where the best of all stands."""
        if self.group == 1 or not self.steps:
            return self.least(self.best, self.at, winner)
        text, far = self.text, 2 ** (self.text.dtype.bits - 1) - 1
        step = self.least(self.best[: self.chains], self.when, winner)
        behind = self.least(self.best[self.chains :], self.at, winner) if self.at else str(far)
        seen = text.let(f"icmp ne {self.index} {step}, {far}")
        text.add(f"br i1 {seen}, label %again, label %first", "again:")
        here = self.again(step, winner)
        text.add("br label %first", "first:")
        came = f"[ {behind}, %{self.block} ], [ {here}, %again ]"
        self.block = "first"
        return text.let(f"phi {self.index} {came}")

    def least(self, bests: list[str], numbers: list[str], winner: str) -> str:
        """The least of the ``numbers`` of what equals the best of all; the highest if nothing
        does."""
        text, places = self.text, self.places
        far = text.all_lanes(self.index, 2 ** (text.dtype.bits - 1) - 1)
        found = []
        for best, at in zip(bests, numbers, strict=True):
            is_best = text.let(f"{self.equal} {text.vector} {best}, {winner}")
            found.append(text.select(is_best, places, at, far))

        def sooner(x: str, y: str) -> str:
            return text.select(text.let(f"icmp slt {places} {x}, {y}"), places, x, y)

        first = _tree(found, sooner)
        called = f"{self.index} @llvm.vector.reduce.smin.v{text.lanes}{self.index}({places}"
        text.declare(f"{called})")
        return text.let(f"call {called} {first})")

    def again(self, step: str, winner: str) -> str:
        """The first place in a step where the best of all stands."""
        text, many = self.text, 64 // self.text.lanes  # vectors whose bits one number has
        wide = step if self.index == "i64" else text.let(f"zext {self.index} {step} to i64")
        start = text.let(f"mul i64 {wide}, {self.width}")
        words: list[str] = []
        for u in range(self.chains * self.group):
            value = self.loaded(text.let(f"add i64 {start}, {u * text.lanes}"))
            equal = text.let(f"{self.equal} {text.vector} {value}, {winner}")
            bits = text.let(f"bitcast {text.masks} {equal} to i{text.lanes}")
            bits = text.let(f"zext i{text.lanes} {bits} to i64")
            if u % many:
                bits = text.let(f"shl i64 {bits}, {u % many * text.lanes}")
                words[-1] = text.let(f"or i64 {words[-1]}, {bits}")
            else:
                words.append(bits)
        text.declare("i64 @llvm.cttz.i64(i64, i1)")
        place = "0"
        for n, word in reversed(list(enumerate(words))):
            count = text.let(f"call i64 @llvm.cttz.i64(i64 {word}, i1 false)")
            count = text.let(f"add i64 {count}, {64 * n}")
            some = text.let(f"icmp ne i64 {word}, 0")
            place = text.let(f"select i1 {some}, i64 {count}, i64 {place}")
        place = text.let(f"add i64 {start}, {place}")
        return place if self.index == "i64" else text.let(f"trunc i64 {place} to {self.index}")

    def stored(self, place: str, counter: DType) -> None:
        """``place`` as the result; of floats the place of the first NaN, if there is any."""
        text, number = self.text, f"i{counter.bits}"
        if counter.bits != text.dtype.bits:
            change = "sext" if counter.bits > text.dtype.bits else "trunc"
            place = text.let(f"{change} {self.index} {place} to {number}")
        if self.is_float:
            called = f"i1 @llvm.vector.reduce.or.v{text.lanes}i1({text.masks}"
            text.declare(f"{called})")
            some = text.let(f"call {called} {self.nan})")
            text.add(
                f"br i1 {some}, label %search, label %done",
                "search:",
                f"%j = phi i64 [ 0, %{self.block} ], [ %j2, %search ]",
                f"%e = getelementptr {text.element}, ptr %a, i64 %j",
                f"%x = load {text.element}, ptr %e, align {text.dtype.itemsize}",
                f"%odd = fcmp uno {text.element} %x, %x",
                "%j2 = add nuw nsw i64 %j, 1",
                "br i1 %odd, label %hit, label %search",
                "hit:",
                f"%h = trunc i64 %j to {number}" if counter.bits < 64 else "%h = add i64 %j, 0",
                f"store {number} %h, ptr %p, align {counter.itemsize}",
                "ret void",
                "done:",
            )
        text.add(f"store {number} {place}, ptr %p, align {counter.itemsize}", "ret void", "}")

    def loaded(self, at: str) -> str:
        """The vector that begins at element ``at``."""
        return self.text.load(self.text.vector, self.text.place("%a", at))

    def iota(self, start: int) -> str:
        """The places of a vector's elements, the first of them at ``start``."""
        return self.text.constant(self.index, range(start, start + self.text.lanes))

    def best_of_groups(self, values: list[str]) -> list[str]:
        """The best of each ``group`` of vectors, lane by lane; what is NaN does not matter."""
        text = self.text

        def better(x: str, y: str) -> str:
            return text.select(text.let(f"{self.better} {text.vector} {x}, {y}"), text.vector, x, y)

        groups = [values[n : n + self.group] for n in range(0, len(values), self.group)]
        return [_tree(group, better) for group in groups]

    def take(self, u: int, value: str, step: str) -> None:
        """What is better in ``value``, read at ``step``, becomes the best of chain ``u``."""
        text = self.text
        wins = text.let(f"{self.better} {text.vector} {value}, {self.best[u]}")
        self.best[u] = text.select(wins, text.vector, value, self.best[u])
        self.when[u] = text.select(wins, self.places, step, self.when[u])

    def nan_among(self, values: list[str], before: str) -> str:
        """The lanes in which ``before`` holds or one of ``values`` is NaN."""
        if not self.is_float:
            return before
        text = self.text
        for left, right in zip(values[::2], [*values[1::2], values[-1]] if values else []):
            odd = text.let(f"fcmp uno {text.vector} {left}, {right}")
            before = text.let(f"or {text.masks} {before}, {odd}")
        return before


def _tree(values: list[str], combine: Callable[[str, str], str]) -> str:
    """All values combined, neighbours first."""
    while len(values) > 1:
        pairs = [combine(x, y) for x, y in zip(values[::2], values[1::2], strict=False)]
        values = pairs + ([values[-1]] if len(values) % 2 else [])
    return values[0]
