"""Running sums and extremes of elements along a row, by vectors.

::

    running("add", float32, float32, 2048, meaning)     B[i] = C[0] + A[0] + ... + A[i]

A vector becomes its own prefixes in log2(lanes) steps, each of which combines it with itself moved
up (Hillis and Steele, 1986); what came before the vector is combined with all of it. So elements
are combined in another order than one by one, the same at every call. Elements that are no
neighbours in memory are combined one by one.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dtypes import DType
from ..ir.intrinsic import PAST, Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program
from .lane_text import LaneText

FUNCTIONS = ("add", "mul", "maximum", "minimum")
LANE_BITS = (32, 64)


def running(
    fn: str, source: DType, dtype: DType, n: int, meaning: Callable[[str], Program]
) -> Intrinsic:
    """``fn`` is among FUNCTIONS; ``dtype``, in which is combined, has LANE_BITS, and ``source`` is
    it, or both are integers and ``source`` is no wider. ``meaning(name)`` writes the program that
    says it."""
    name = f"running_{fn}_{source.name}_{dtype.name}_{n}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    texts = {"llvm": _text(name, fn, source, dtype, n)}
    texts[PAST] = _text(f"{name}_past", fn, source, dtype, n, past=True)
    return register(Intrinsic(name, meaning(name), dict(texts)))


def _identity(fn: str, dtype: DType) -> str:
    if not dtype.is_float:
        number = {"add": 0, "mul": 1, "maximum": dtype.lowest, "minimum": dtype.highest}[fn]
        return str(number)
    high, low = "0x7FF0000000000000", "0xFFF0000000000000"  # infinities, of float32 as well
    return {"add": "-0.0", "mul": "1.0", "maximum": low, "minimum": high}[fn]


def _text(name: str, fn: str, source: DType, dtype: DType, n: int, past: bool = False) -> str:
    """The LLVM function: by vectors where both rows lie so, else one by one."""
    row = _Row(fn, source, dtype, past)
    text = row.text
    text.add(f"define void @{name}(ptr %a, i64 %as, ptr %c, ptr %b, i64 %bs) {{", "start:")
    near = [text.let(f"icmp eq i64 {stride}, 1") for stride in ("%as", "%bs")]
    both = text.let(f"and i1 {near[0]}, {near[1]}")
    text.add(f"br i1 {both}, label %entry, label %far", "entry:")
    start = text.load(text.element, "%c")
    one = text.let(f"insertelement {text.vector} poison, {text.element} {start}, i32 0")
    steps, rest = divmod(n, text.lanes)
    last = row.picked(one, "poison", [0] * text.lanes)
    if steps:
        last = row.by_vectors(last, steps)
    if rest:
        total = text.let(f"extractelement {text.vector} {last}, i32 0")
        for k in range(steps * text.lanes, n):
            total = row.one_more(total, str(k), str(k))
    text.add("ret void")
    row.one_by_one(n)
    return text.text()


class _Row:
    """The lines that combine by ``fn`` in ``dtype`` what is read as ``source``."""

    def __init__(self, fn: str, source: DType, dtype: DType, past: bool) -> None:
        self.text, self.past = LaneText(dtype), past
        self.fn, self.source, self.dtype = fn, source, dtype
        self.given = self.text.element if source is dtype else f"i{8 * source.itemsize}"

    def by_vectors(self, first: str, steps: int) -> str:
        """A loop over whole vectors; what all of it combined to, in every lane."""
        text, lanes = self.text, self.text.lanes
        latch = "stored" if self.past else "loop"
        nothing = text.all_lanes(text.element, _identity(self.fn, self.dtype))
        text.add("br label %loop", "loop:", f"%i = phi i64 [ 0, %entry ], [ %i2, %{latch} ]")
        head = len(text.lines)
        at = text.let(f"mul i64 %i, {lanes}")
        value = self.read("%a", at, text.of(self.given), text.vector)
        step = 1
        while step < lanes:
            moved = [lane - step if lane >= step else lanes + lane for lane in range(lanes)]
            value = self.combined(self.picked(value, nothing, moved), value, text.vector)
            step *= 2
        target = text.place("%b", at)
        made = self.combined("%carry", value, text.vector)
        greatest = self.picked(value, "poison", [lanes - 1] * lanes)
        last = self.combined("%carry", greatest, text.vector)
        text.put(head, f"%carry = phi {text.vector} [ {first}, %entry ], [ {last}, %{latch} ]")
        if self.past:
            text.store_past(made, target, latch)
        else:
            text.store(text.vector, made, target)
        text.add(
            "%i2 = add nuw nsw i64 %i, 1",
            f"%more = icmp ult i64 %i2, {steps}",
            "br i1 %more, label %loop, label %rest",
            "rest:",
        )
        return last

    def one_by_one(self, n: int) -> None:
        """A loop over elements that lie ``%as`` and ``%bs`` apart."""
        text = self.text
        text.add("far:", f"%before = load {text.element}, ptr %c, align {self.dtype.itemsize}")
        text.add("br label %next", "next:", "%j = phi i64 [ 0, %far ], [ %j2, %next ]")
        head = len(text.lines)
        total = self.one_more("%sofar", text.let("mul i64 %j, %as"), ("%j", "%bs"))
        text.put(head, f"%sofar = phi {text.element} [ %before, %far ], [ {total}, %next ]")
        text.add(
            "%j2 = add nuw nsw i64 %j, 1",
            f"%again = icmp ult i64 %j2, {n}",
            "br i1 %again, label %next, label %done",
            "done:",
            "ret void",
            "}",
        )

    def one_more(self, total: str, at: str, to: str | tuple[str, str]) -> str:
        """``total`` with the element at ``at``, stored at ``to``, or at the product of two."""
        text = self.text
        value = self.read("%a", at, self.given, text.element)
        total = self.combined(total, value, text.element)
        place = to if isinstance(to, str) else text.let(f"mul i64 {to[0]}, {to[1]}")
        text.store(text.element, total, text.place("%b", place))
        return total

    def read(self, base: str, at: str, kind: str, to: str) -> str:
        """What stands at ``at``, of the type ``kind``, as one of the type ``to``."""
        place = self.text.place(base, at, self.given)
        value = self.text.let(f"load {kind}, ptr {place}, align {self.source.itemsize}")
        if self.given == self.text.element:
            return value
        return self.text.let(
            f"{'sext' if self.source.kind == 'i' else 'zext'} {kind} {value} to {to}"
        )

    def combined(self, a: str, b: str, kind: str) -> str:
        """``fn`` of two elements, or of two vectors: of what came before, and of what is new."""
        text, dtype = self.text, self.dtype
        if self.fn in ("add", "mul"):
            return text.let(f"{'f' if dtype.is_float else ''}{self.fn} {kind} {a}, {b}")
        if dtype.is_float:  # one instruction, and a look for NaN in what is not waited for
            beyond = text.let(f"fcmp {'ogt' if self.fn == 'maximum' else 'olt'} {kind} {b}, {a}")
            bools = kind.replace(text.element, "i1")
            best = text.let(f"select {bools} {beyond}, {kind} {b}, {kind} {a}")
            lost = text.let(f"fcmp uno {kind} {b}, {b}")
            return text.let(f"select {bools} {lost}, {kind} {b}, {kind} {best}")
        sign = "u" if dtype.kind == "u" else "s"
        scalar = f"i{dtype.bits}"
        symbol = f"@llvm.{sign}{self.fn[:3]}.{text.mangled if kind == text.vector else scalar}"
        text.declare(f"{kind} {symbol}({kind}, {kind})")
        return text.let(f"call {kind} {symbol}({kind} {a}, {kind} {b})")

    def picked(self, a: str, b: str, lanes: list[int]) -> str:
        """A vector of the elements with these numbers, those of ``b`` behind those of ``a``."""
        text = self.text
        mask = text.constant("i32", lanes)
        return text.let(
            f"shufflevector {text.vector} {a}, {text.vector} {b}, {text.of('i32')} {mask}"
        )
