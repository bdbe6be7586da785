"""Where the greatest or least of each column stands, in one pass over rows as they lie in memory.

::

    column_places("argmax", float32, 1000, 64, ...)     P[j] = argmax(A[:, j]), V[j] = A[P[j], j]

A new extreme is rare after the first rows, so vectors are compared with the best so far, and only
where a lane is beyond that is anything stored: what is read sets the pace. Where new ones are
frequent, as in the first rows, or in columns that grow, nobody could guess when, and rows are
stored as they come. NaN is beyond all, and nothing is beyond NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, kept_dimensions, register
from ..ir.program import Program
from ..records import dataclass
from .lane_text import LaneText, with_and_without_requests

AHEAD_BYTES = 8192  # what comes then is asked for: memory far away answers late
TOGETHER = 2  # vectors that one branch is for
MANY = 8  # a row in which more than this part of the branches is taken
PLAIN = 15  # is followed by so many rows that are stored without any


def narrowest(dtype: DType) -> int:
    """The fewest columns of ``dtype`` that `column_places` takes."""
    return TOGETHER * 512 // dtype.bits


def column_places(
    fn: str, dtype: DType, rows: int, rest: tuple[int, ...], counter: DType,
    meaning: Callable[[str], Program],
) -> Intrinsic:  # fmt: skip
    """``fn`` is argmax or argmin; ``A`` has ``rows`` rows of shape ``rest``, each contiguous and of
    `narrowest` elements or more, as the results are. ``meaning(name)`` writes the program that says
    it."""
    name = f"{fn}_columns_{dtype.name}_{'_'.join(map(str, (rows, *rest)))}_{counter.name}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    text = _text(name, fn, dtype, rows, rest, counter)
    return register(Intrinsic(name, meaning(name), with_and_without_requests(name, text)))


def _text(
    name: str, fn: str, dtype: DType, rows: int, rest: tuple[int, ...], counter: DType
) -> str:
    """The LLVM function; the last vectors of a row overlap those before, which does no harm."""
    inner = len(kept_dimensions(rest))
    pitch, held, at = (
        "".join(f", i64 %{operand}{d}" for d in range(inner)) for operand in ("a", "v", "p")
    )
    found = _Columns(fn, dtype, prod(rest), counter)
    text = found.text
    text.declare("i64 @llvm.umin.i64(i64, i64)")
    text.add(f"define void @{name}(ptr %a, i64 %pitch{pitch}, ptr %v{held}, ptr %p{at}) {{")
    text.add("entry:")
    found.first_row()
    found.next_row()
    found.look()
    found.store_all()
    text.add(
        "row_end:",
        "%plain2 = phi i64 [ %wait, %looked ], [ %less, %stored ]",
        "%r2 = add nuw nsw i64 %r, 1",
        f"%r_more = icmp ult i64 %r2, {rows}",
        "br i1 %r_more, label %rows, label %done",
        "done:",
        "ret void",
        "}",
    )
    return text.text()


@dataclass(frozen=True)
class _Compared:
    """A vector of a row: its elements, the best so far, where that lies, which lanes are beyond."""

    value: str
    best: str
    held: str
    won: str


class _Columns:
    """The lines of a search. ``row`` is the address of a row, ``here`` its number in all lanes."""

    def __init__(self, fn: str, dtype: DType, columns: int, counter: DType) -> None:
        self.text = text = LaneText(dtype)
        self.counter, self.columns = counter, columns
        self.number = f"i{counter.bits}"
        self.places = text.of(self.number)
        self.width = TOGETHER * text.lanes
        self.steps = -(-columns // self.width)
        sign = "fcmp u" if dtype.is_float else "icmp u" if dtype.kind == "u" else "icmp s"
        self.beyond = f"{sign}{'gt' if fn == 'argmax' else 'lt'}"
        self.row = self.here = ""

    def first_row(self) -> None:
        """The first row is the best so far."""
        text = self.text
        text.add("br label %first", "first:", "%s = phi i64 [ 0, %entry ], [ %s2, %first ]")
        start = self.start_of("%s")
        for u in range(TOGETHER):
            value = text.load(text.vector, self.at("%a", start, u, text.element))
            text.store(text.vector, value, self.at("%v", start, u, text.element))
            self.store_places("zeroinitializer", self.at("%p", start, u, self.number))
        text.add(
            "%s2 = add nuw nsw i64 %s, 1",
            f"%s_more = icmp ult i64 %s2, {self.steps}",
            "br i1 %s_more, label %first, label %rows",
        )

    def next_row(self) -> None:
        """A row is looked at, or stored as it comes while ``%plain`` is not 0."""
        text = self.text
        text.add(
            "rows:",
            "%r = phi i64 [ 1, %first ], [ %r2, %row_end ]",
            "%plain = phi i64 [ 0, %first ], [ %plain2, %row_end ]",
        )
        self.row = text.place("%a", text.let("mul i64 %r, %pitch"))
        short = text.let(f"trunc i64 %r to {self.number}") if self.counter.bits < 64 else "%r"
        self.here = text.splat(self.number, short)
        text.add(f"br i1 {text.let('icmp eq i64 %plain, 0')}, label %look, label %all")

    def look(self) -> None:
        """A row of which nothing is stored but where something is beyond the best."""
        text = self.text
        text.add(
            "look:",
            "%t = phi i64 [ 0, %rows ], [ %t2, %next ]",
            "%n = phi i64 [ 0, %rows ], [ %n2, %next ]",
        )
        start, found = self.compared("%t")
        some, *others = (one.won for one in found)
        for other in others:
            some = text.let(f"or {text.masks} {some}, {other}")
        bits = f"i{text.lanes}"
        some = text.let(f"icmp ne {bits} {text.let(f'bitcast {text.masks} {some} to {bits}')}, 0")
        text.add(f"br i1 {some}, label %take, label %next", "take:")
        self.take(start, found)
        text.add(
            "%n1 = add nuw nsw i64 %n, 1",
            "br label %next",
            "next:",
            "%n2 = phi i64 [ %n, %look ], [ %n1, %take ]",
            "%t2 = add nuw nsw i64 %t, 1",
            f"%t_more = icmp ult i64 %t2, {self.steps}",
            "br i1 %t_more, label %look, label %looked",
            "looked:",
            f"%many = icmp ugt i64 %n2, {self.steps // MANY}",
            f"%wait = select i1 %many, i64 {PLAIN}, i64 0",
            "br label %row_end",
        )

    def store_all(self) -> None:
        """A row that is stored without a look."""
        text = self.text
        text.add("all:", "%w = phi i64 [ 0, %rows ], [ %w2, %all ]")
        self.take(*self.compared("%w"))
        text.add(
            "%w2 = add nuw nsw i64 %w, 1",
            f"%w_more = icmp ult i64 %w2, {self.steps}",
            "br i1 %w_more, label %all, label %stored",
            "stored:",
            "%less = sub nuw nsw i64 %plain, 1",
            "br label %row_end",
        )

    def compared(self, step: str) -> tuple[str, list[_Compared]]:
        """The first column of a step, and its vectors."""
        text, start = self.text, self.start_of(step)
        found = []
        for u in range(TOGETHER):
            source = self.at(self.row, start, u, text.element)
            held = self.at("%v", start, u, text.element)
            value, best = (text.load(text.vector, place) for place in (source, held))
            text.prefetch(text.place(source, str(AHEAD_BYTES), "i8"))
            won = text.let(f"{self.beyond} {text.vector} {value}, {best}")
            found.append(_Compared(value, best, held, won))
        return start, found

    def take(self, start: str, found: list[_Compared]) -> None:
        """What is beyond the best is the best from now on."""
        text = self.text
        for u, one in enumerate(found):
            won = one.won
            if text.dtype.is_float:
                is_number = text.let(f"fcmp ord {text.vector} {one.best}, {one.best}")
                won = text.let(f"and {text.masks} {won}, {is_number}")
            text.store(text.vector, text.select(won, text.vector, one.value, one.best), one.held)
            place = self.at("%p", start, u, self.number)
            size = f"align {self.counter.itemsize}"
            before = text.let(f"load {self.places}, ptr {place}, {size}")
            self.store_places(text.select(won, self.places, self.here, before), place)

    def store_places(self, value: str, place: str) -> None:
        size = f"align {self.counter.itemsize}"
        self.text.add(f"store {self.places} {value}, ptr {place}, {size}")

    def at(self, base: str, start: str, u: int, kind: str) -> str:
        """Where the elements of vector ``u`` lie."""
        text = self.text
        return text.place(base, text.let(f"add i64 {start}, {u * text.lanes}"), kind)

    def start_of(self, step: str) -> str:
        """The first column of a step: no further than that its vectors end with the row."""
        text = self.text
        begin = text.let(f"mul i64 {step}, {self.width}")
        return text.let(f"call i64 @llvm.umin.i64(i64 {begin}, i64 {self.columns - self.width})")
