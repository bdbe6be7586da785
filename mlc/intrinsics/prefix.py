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
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program

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
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, fn, source, dtype, n)}))


def _identity(fn: str, dtype: DType) -> str:
    if not dtype.is_float:
        number = {"add": 0, "mul": 1, "maximum": dtype.lowest, "minimum": dtype.highest}[fn]
        return str(number)
    high = {32: "0x7FF0000000000000", 64: "0x7FF0000000000000"}[dtype.bits]
    low = "0xFFF0000000000000"
    return {"add": "-0.0", "mul": "1.0", "maximum": low, "minimum": high}[fn]


def _text(name: str, fn: str, source: DType, dtype: DType, n: int) -> str:
    bits, is_float = dtype.bits, dtype.is_float
    lanes = 512 // bits
    element = {32: "float", 64: "double"}[bits] if is_float else f"i{bits}"
    given = element if source is dtype else f"i{8 * source.itemsize}"
    vector, read = f"<{lanes} x {element}>", f"<{lanes} x {given}>"
    declared: dict[str, None] = {}
    out: list[str] = []
    count = 0

    def let(text: str) -> str:
        nonlocal count
        count += 1
        out.append(f"  %t{count} = {text}")
        return f"%t{count}"

    def combine(a: str, b: str, kind: str) -> str:
        if fn in ("add", "mul"):
            return let(f"{'f' if is_float else ''}{fn} {kind} {a}, {b}")
        called = fn if is_float else ("u" if dtype.kind == "u" else "s") + fn[:3]
        scalar = f"{'f' if is_float else 'i'}{bits}"
        symbol = f"@llvm.{called}.{f'v{lanes}{scalar}' if kind == vector else scalar}"
        declared[f"declare {kind} {symbol}({kind}, {kind})"] = None
        return let(f"call {kind} {symbol}({kind} {a}, {kind} {b})")

    def widened(value: str, kind: str, to: str) -> str:
        if source is dtype or given == element:
            return value
        return let(f"{'sext' if source.kind == 'i' else 'zext'} {kind} {value} to {to}")

    def picked(a: str, b: str, lanes_of: list[int]) -> str:
        mask = ", ".join(f"i32 {lane}" for lane in lanes_of)
        return let(f"shufflevector {vector} {a}, {vector} {b}, <{lanes} x i32> <{mask}>")

    nothing = f"<{', '.join([f'{element} {_identity(fn, dtype)}'] * lanes)}>"
    steps, rest = divmod(n, lanes)
    out += [f"define void @{name}(ptr %a, i64 %as, ptr %c, ptr %b, i64 %bs) {{", "start:"]
    neighbours = [let(f"icmp eq i64 {stride}, 1") for stride in ("%as", "%bs")]
    out += [f"  br i1 {let(f'and i1 {neighbours[0]}, {neighbours[1]}')}, label %entry, label %far"]
    out += ["entry:"]
    start = let(f"load {element}, ptr %c, align {dtype.itemsize}")
    one = let(f"insertelement {vector} poison, {element} {start}, i32 0")
    first = picked(one, "poison", [0] * lanes)
    last = first
    if steps:
        out += ["  br label %loop", "loop:", "  %i = phi i64 [ 0, %entry ], [ %i2, %loop ]"]
        head = len(out)
        at = let(f"mul i64 %i, {lanes}")
        place = let(f"getelementptr {given}, ptr %a, i64 {at}")
        value = widened(let(f"load {read}, ptr {place}, align {source.itemsize}"), read, vector)
        step = 1
        while step < lanes:
            moved = [lane - step if lane >= step else lanes + lane for lane in range(lanes)]
            value = combine(picked(value, nothing, moved), value, vector)
            step *= 2
        target = let(f"getelementptr {element}, ptr %b, i64 {at}")
        whole = combine("%carry", value, vector)
        out.append(f"  store {vector} {whole}, ptr {target}, align {dtype.itemsize}")
        last = combine("%carry", picked(value, "poison", [lanes - 1] * lanes), vector)
        out.insert(head, f"  %carry = phi {vector} [ {first}, %entry ], [ {last}, %loop ]")
        out += [
            "  %i2 = add nuw nsw i64 %i, 1",
            f"  %more = icmp ult i64 %i2, {steps}",
            "  br i1 %more, label %loop, label %rest",
            "rest:",
        ]
    if rest:
        total = let(f"extractelement {vector} {last}, i32 0")
    for k in range(rest):
        place = let(f"getelementptr {given}, ptr %a, i64 {steps * lanes + k}")
        value = widened(let(f"load {given}, ptr {place}, align {source.itemsize}"), given, element)
        total = combine(total, value, element)
        target = let(f"getelementptr {element}, ptr %b, i64 {steps * lanes + k}")
        out.append(f"  store {element} {total}, ptr {target}, align {dtype.itemsize}")
    out += ["  ret void", "far:", f"  %before = load {element}, ptr %c, align {dtype.itemsize}"]
    out += ["  br label %next", "next:", "  %j = phi i64 [ 0, %far ], [ %j2, %next ]"]
    head = len(out)
    place = let(f"getelementptr {given}, ptr %a, i64 {let('mul i64 %j, %as')}")
    value = widened(let(f"load {given}, ptr {place}, align {source.itemsize}"), given, element)
    total = combine("%sofar", value, element)
    out.insert(head, f"  %sofar = phi {element} [ %before, %far ], [ {total}, %next ]")
    target = let(f"getelementptr {element}, ptr %b, i64 {let('mul i64 %j, %bs')}")
    out += [
        f"  store {element} {total}, ptr {target}, align {dtype.itemsize}",
        "  %j2 = add nuw nsw i64 %j, 1",
        f"  %again = icmp ult i64 %j2, {n}",
        "  br i1 %again, label %next, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join([*declared, *out])
