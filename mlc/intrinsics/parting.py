"""Rows told apart into parts that pivots separate, with vectors that are compressed in registers.

::

    count_parts(float32, 1000, meaning)     how many elements of a piece of a row go to each part
    move_parts(float32, 1000, meaning)      the elements themselves, one part behind the other
    sort_part(float32, 1000, meaning)       one part of a row, in order, to another row
    threads_at_hand(meaning)                how many threads a parallel loop may use now

The operands of the first: PARTS - 1 pivots in order; the row; the state of the piece, where it
begins and ends, and then a number for each part. Those of the second have the new row as well, and
where in it the next element of each part belongs. An element belongs behind pivots until it is less
than one; so NaN, which is less than none, comes last, and elements that are equal stay in one part.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program
from .sorting import DEPTH, division_text

PARTS = 8
STATE = 2 + PARTS

Meaning = Callable[[str], Program]


def count_parts(dtype: DType, n: int, meaning: Meaning) -> Intrinsic:
    """For pieces of rows of ``n`` elements of 4 or 8 bytes; ``meaning(name)`` writes the program
    that says it."""
    name = f"count_parts_{dtype.name}_{n}"
    return _made(name, meaning, lambda: _parting(name, dtype, _count))


def move_parts(dtype: DType, n: int, meaning: Meaning) -> Intrinsic:
    """The same, of elements that are moved."""
    name = f"move_parts_{dtype.name}_{n}"
    return _made(name, meaning, lambda: _parting(name, dtype, _move))


def sort_part(dtype: DType, n: int, meaning: Meaning) -> Intrinsic:
    """From the first place of two to the second, in a row of ``n`` elements: those that are there,
    in order in another row. Of memory for two more rows, whose contents nobody reads, it has that
    part."""
    name = f"sort_part_{dtype.name}_{n}"
    return _made(name, meaning, lambda: _sorting(name, dtype, n))


def threads_at_hand(meaning: Meaning) -> Intrinsic:
    """One for all loops of the process. No result may depend on it."""
    return _made("threads_at_hand", meaning, lambda: _THREADS)


def _made(name: str, meaning: Meaning, text: Callable[[], str]) -> Intrinsic:
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": text()}))


_THREADS = """
declare i32 @mlc_thread_count()
define void @threads_at_hand(ptr %to) {
entry:
  %count = call i32 @mlc_thread_count()
  %wide = sext i32 %count to i64
  store i64 %wide, ptr %to
  ret void
}"""


def _sorting(name: str, dtype: DType, n: int) -> str:
    element = f"i{dtype.bits}"
    return f"""{division_text(dtype)}
define void @{name}(ptr %bounds, i64 %s1, ptr %a, i64 %s2, ptr %spare, i64 %s3,
                    ptr %b, i64 %s4) {{
entry:
  %begin = load i64, ptr %bounds
  %end_at = getelementptr i64, ptr %bounds, i64 %s1
  %end = load i64, ptr %end_at
  %size = sub i64 %end, %begin
  %offset = mul i64 %begin, %s2
  %first = getelementptr {element}, ptr %a, i64 %offset
  %to = getelementptr {element}, ptr %b, i64 %begin
  %x = getelementptr {element}, ptr %spare, i64 %begin
  %y = getelementptr {element}, ptr %x, i64 {n}
  %near = icmp eq i64 %s2, 1
  br i1 %near, label %sort, label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %copy ]
  %left = icmp slt i64 %i, %size
  br i1 %left, label %copy, label %sort
copy:
  %o = mul i64 %i, %s2
  %from = getelementptr {element}, ptr %first, i64 %o
  %v = load {element}, ptr %from
  %at = getelementptr {element}, ptr %to, i64 %i
  store {element} %v, ptr %at
  %next = add i64 %i, 1
  br label %head
sort:
  %row = phi ptr [ %first, %entry ], [ %to, %head ]
  call void @sort_many(ptr %row, ptr %x, ptr %y, i64 %size, ptr %to, i64 {DEPTH})
  ret void
}}"""


class _Text:
    """The spelling of vectors of ``dtype``, and of how elements compare with pivots."""

    def __init__(self, dtype: DType) -> None:
        self.bits, self.lanes = dtype.bits, 512 // dtype.bits
        self.element = (
            {32: "float", 64: "double"}[dtype.bits] if dtype.is_float else f"i{dtype.bits}"
        )
        self.vector = f"<{self.lanes} x {self.element}>"
        self.mask = f"<{self.lanes} x i1>"
        kind = "fcmp u" if dtype.is_float else f"icmp {'u' if dtype.kind == 'u' else 's'}"
        self.behind = f"{kind}ge"
        self.mangled = f"v{self.lanes}{'f' if dtype.is_float else 'i'}{self.bits}"


def _parting(name: str, dtype: DType, work: Callable[[_Text], _Work]) -> str:
    """A loop over vectors of the piece, if its elements are neighbours, and one over what is left,
    in which each element's part is the number of pivots that it is not less than."""
    t = _Text(dtype)
    own = work(t)
    out = [*own.declared, f"define void @{name}({own.params}) {{", "entry:"]
    for q in range(PARTS - 1):
        out += [
            f"  %pa{q} = getelementptr {t.element}, ptr %pivots, i64 {q}",
            f"  %p{q} = load {t.element}, ptr %pa{q}",
            f"  %pi{q} = insertelement {t.vector} poison, {t.element} %p{q}, i64 0",
            f"  %pv{q} = shufflevector {t.vector} %pi{q}, {t.vector} poison, "
            f"<{t.lanes} x i32> zeroinitializer",
        ]
    out += [
        "  %begin = load i64, ptr %state",
        "  %end_at = getelementptr i64, ptr %state, i64 1",
        "  %end = load i64, ptr %end_at",
        "  %numbers = getelementptr i64, ptr %state, i64 2",
        *own.start,
        "  %near = icmp eq i64 %as, 1",
        f"  %room = sub i64 %end, {t.lanes}",
        "  %last = select i1 %near, i64 %room, i64 -1",
        "  br label %head",
        "head:",
        "  %i = phi i64 [ %begin, %entry ], [ %i_next, %body ]",
        *own.carried,
        "  %whole = icmp sle i64 %i, %last",
        "  br i1 %whole, label %body, label %rest",
        "body:",
        f"  %at = getelementptr {t.element}, ptr %a, i64 %i",
        f"  %v = load {t.vector}, ptr %at, align {t.bits // 8}",
        *_behind(t.mask, "m", lambda q: f"{t.behind} {t.vector} %v, %pv{q}"),
        *own.body,
        f"  %i_next = add i64 %i, {t.lanes}",
        "  br label %head",
        "rest:",
        *own.end,
        "  br label %tail",
        "tail:",
        "  %j = phi i64 [ %i, %rest ], [ %j_next, %each ]",
        "  %left = icmp slt i64 %j, %end",
        "  br i1 %left, label %each, label %done",
        "each:",
        "  %jo = mul i64 %j, %as",
        f"  %ja = getelementptr {t.element}, ptr %a, i64 %jo",
        f"  %x = load {t.element}, ptr %ja",
    ]
    out += _behind("i1", "b", lambda q: f"{t.behind} {t.element} %x, %p{q}")
    part = "0"
    for q in range(PARTS - 1):
        out += [
            f"  %bw{q} = zext i1 %b{q} to i64",
            f"  %part{q} = add i64 {part}, %bw{q}",
        ]
        part = f"%part{q}"
    return "\n".join([
        *out,
        f"  %place = getelementptr i64, ptr %numbers, i64 {part}",
        "  %number = load i64, ptr %place",
        "  %more = add i64 %number, 1",
        "  store i64 %more, ptr %place",
        *own.each,
        "  %j_next = add i64 %j, 1",
        "  br label %tail",
        "done:",
        "  ret void",
        "}",
    ])  # fmt: skip


def _behind(kind: str, name: str, compare: Callable[[int], str]) -> list[str]:
    """Whether what is compared belongs behind each pivot, and so behind those before it: nothing is
    less than a pivot that is NaN."""
    out = [f"  %{name}0 = {compare(0)}"]
    for q in range(1, PARTS - 1):
        out += [
            f"  %{name}c{q} = {compare(q)}",
            f"  %{name}{q} = and {kind} %{name}c{q}, %{name}{q - 1}",
        ]
    return out


class _Work:
    """What one function does beside telling parts apart, as lines of its blocks."""

    def __init__(self, params: str) -> None:
        self.params = params
        self.declared: list[str] = []
        self.start: list[str] = []
        self.carried: list[str] = []
        self.body: list[str] = []
        self.end: list[str] = []
        self.each: list[str] = []


def _count(t: _Text) -> _Work:
    """Elements not less than each pivot, counted by lanes."""
    work = _Work("ptr %pivots, i64 %ps, ptr %a, i64 %as, ptr %state, i64 %ss")
    counts, sums = f"<{t.lanes} x i{t.bits}>", f"@llvm.vector.reduce.add.v{t.lanes}i{t.bits}"
    work.declared = [f"declare i{t.bits} {sums}({counts})"]
    for q in range(PARTS - 1):
        work.carried.append(
            f"  %c{q} = phi {counts} [ zeroinitializer, %entry ], [ %cn{q}, %body ]"
        )
        work.body += [
            f"  %w{q} = sext {t.mask} %m{q} to {counts}",
            f"  %cn{q} = sub {counts} %c{q}, %w{q}",
        ]
        work.end += [
            f"  %s{q} = call i{t.bits} {sums}({counts} %c{q})",
            f"  %sw{q} = {'bitcast' if t.bits == 64 else 'zext'} i{t.bits} %s{q} to i64",
        ]
    work.end.append("  %s_all = sub i64 %i, %begin")
    above = ["%s_all", *(f"%sw{q}" for q in range(PARTS - 1)), "0"]
    for q in range(PARTS):
        work.end += [
            f"  %n{q} = sub i64 {above[q]}, {above[q + 1]}",
            f"  %na{q} = getelementptr i64, ptr %numbers, i64 {q}",
            f"  store i64 %n{q}, ptr %na{q}",
        ]
    return work


def _move(t: _Text) -> _Work:
    """The elements of each part that are in a vector, side by side, to where they belong: no
    further, as other threads write there."""
    work = _Work("ptr %pivots, i64 %ps, ptr %a, i64 %as, ptr %state, i64 %ss, ptr %b, i64 %bs")
    compress = f"@llvm.experimental.vector.compress.{t.mangled}"
    store, wide = f"@llvm.masked.store.{t.mangled}.p0", f"i{t.lanes}"
    work.declared = [
        f"declare {t.vector} {compress}({t.vector}, {t.mask}, {t.vector})",
        f"declare void {store}({t.vector}, ptr, {t.mask})",
        f"declare {wide} @llvm.ctpop.{wide}({wide})",
    ]
    ones = f"<{', '.join(['i1 true'] * t.lanes)}>"
    for q in range(PARTS):
        work.start += [
            f"  %na{q} = getelementptr i64, ptr %numbers, i64 {q}",
            f"  %t{q} = load i64, ptr %na{q}",
        ]
        work.carried.append(f"  %to{q} = phi i64 [ %t{q}, %entry ], [ %tn{q}, %body ]")
        here = f"%m{q - 1}" if q else ones
        if q < PARTS - 1:
            work.body += [
                f"  %not{q} = xor {t.mask} %m{q}, {ones}",
                f"  %k{q} = and {t.mask} {here}, %not{q}",
            ]
            here = f"%k{q}"
        work.body += [
            f"  %bits{q} = bitcast {t.mask} {here} to {wide}",
            f"  %pop{q} = call {wide} @llvm.ctpop.{wide}({wide} %bits{q})",
            f"  %many{q} = zext {wide} %pop{q} to i64",
            f"  %up{q} = shl i64 1, %many{q}",
            f"  %low{q} = sub i64 %up{q}, 1",
            f"  %kept{q} = trunc i64 %low{q} to {wide}",
            f"  %fill{q} = bitcast {wide} %kept{q} to {t.mask}",
            f"  %side{q} = call {t.vector} {compress}({t.vector} %v, {t.mask} {here}, "
            f"{t.vector} poison)",
            f"  %ta{q} = getelementptr {t.element}, ptr %b, i64 %to{q}",
            f"  call void {store}({t.vector} %side{q}, ptr align {t.bits // 8} %ta{q}, "
            f"{t.mask} %fill{q})",
            f"  %tn{q} = add i64 %to{q}, %many{q}",
        ]
        work.end.append(f"  store i64 %to{q}, ptr %na{q}")
    work.each = [
        f"  %xa = getelementptr {t.element}, ptr %b, i64 %number",
        f"  store {t.element} %x, ptr %xa",
    ]
    return work
