"""Where the greatest or least of a row stands, in one pass.

::

    extreme_place("argmax", float32, 1000, meaning)     P[0] = argmax(A[0:1000])

Each lane keeps the best element that it saw and the step at which it came; at the end the first of
the best ones is found. NaN takes no part in that: whether there is one is noted on the side, and
then a second pass finds the first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, kept_dimensions, register
from ..ir.program import Program
from .sorting import cpu_features

TYPES = ("float32", "float64", "int32", "uint32", "int64", "uint64")
AHEAD_BYTES = 8192  # what comes then is asked for: memory far away answers late
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
    return register(Intrinsic(name, meaning(name), {"llvm": text}))


@cache
def _chains() -> int:
    return 8 if cpu_features().get("AVX512F", False) else 2


def _text(name: str, fn: str, dtype: DType, shape: tuple[int, ...], counter: DType) -> str:
    """The LLVM function: vectors of 64 bytes, ``_chains()`` of them a step."""
    n = prod(shape)
    steps_given = "".join(f"i64 %step{d}, " for d in kept_dimensions(shape))
    is_float, bits = dtype.is_float, dtype.bits
    lanes, chains = 512 // bits, _chains()
    element = ("float" if bits == 32 else "double") if is_float else f"i{bits}"
    vector, places, masks = f"<{lanes} x {element}>", f"<{lanes} x i{bits}>", f"<{lanes} x i1>"
    sign = "" if is_float else "u" if dtype.kind == "u" else "s"
    better = f"{'fcmp o' if is_float else f'icmp {sign}'}{'gt' if fn == 'argmax' else 'lt'}"
    equal = "fcmp oeq" if is_float else "icmp eq"
    width = lanes * chains
    steps, rest = divmod(n, width)
    out: list[str] = []
    fresh = iter(range(1 << 30))

    def let(text: str) -> str:
        out.append(f"  %t{(number := next(fresh))} = {text}")
        return f"%t{number}"

    def splat(value: str, kind: str = f"i{bits}") -> str:
        one = let(f"insertelement <{lanes} x {kind}> poison, {kind} {value}, i32 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        return let(f"shufflevector <{lanes} x {kind}> {one}, <{lanes} x {kind}> poison, {zeros}")

    def loaded(at: str) -> str:
        place = let(f"getelementptr {element}, ptr %a, i64 {at}")
        return let(f"load {vector}, ptr {place}, align {dtype.itemsize}")

    def iota(start: int) -> str:
        return "<" + ", ".join(f"i{bits} {start + lane}" for lane in range(lanes)) + ">"

    def nan_among(values: list[str], before: str) -> str:
        for left, right in zip(values[::2], [*values[1::2], values[-1]], strict=False):
            before = let(f"or {masks} {before}, {let(f'fcmp uno {vector} {left}, {right}')}")
        return before

    def taken(u: int, value: str, step: str, best: list[str], when: list[str]) -> None:
        wins = let(f"{better} {vector} {value}, {best[u]}")
        best[u] = let(f"select {masks} {wins}, {vector} {value}, {vector} {best[u]}")
        when[u] = let(f"select {masks} {wins}, {places} {step}, {places} {when[u]}")

    out += [f"define void @{name}(ptr %a, {steps_given}ptr %p) {{", "entry:"]
    used = chains if steps else 0
    first = [loaded(str(u * lanes)) for u in range(used)]
    nan = nan_among(first, "zeroinitializer") if is_float and used else "zeroinitializer"
    best, when = list(first), ["zeroinitializer"] * used
    if steps > 1:
        one = "<" + ", ".join([f"i{bits} 1"] * lanes) + ">"
        out += ["  br label %loop", "loop:"]
        head = len(out)
        out.append("  %i = phi i64 [ 1, %entry ], [ %i2, %loop ]")
        out.append(f"  %s = phi {places} [ {one}, %entry ], [ %s2, %loop ]")
        best, when = [f"%b{u}" for u in range(chains)], [f"%w{u}" for u in range(chains)]
        start = let(f"mul i64 %i, {width}")
        values = [loaded(let(f"add i64 {start}, {u * lanes}")) for u in range(chains)]
        for u in range(chains if AHEAD_BYTES else 0):
            ahead = let(f"add i64 {start}, {u * lanes + AHEAD_BYTES // dtype.itemsize}")
            place = let(f"getelementptr {element}, ptr %a, i64 {ahead}")
            out.append(f"  call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 3, i32 1)")
        noted = nan_among(values, "%n") if is_float else ""
        for u in range(chains):
            taken(u, values[u], "%s", best, when)
        phis = [
            line
            for u in range(chains)
            for line in (
                f"  %b{u} = phi {vector} [ {first[u]}, %entry ], [ {best[u]}, %loop ]",
                f"  %w{u} = phi {places} [ zeroinitializer, %entry ], [ {when[u]}, %loop ]",
            )
        ]
        if is_float:
            phis.append(f"  %n = phi {masks} [ {nan}, %entry ], [ {noted}, %loop ]")
            nan = noted
        out[head:head] = phis
        out += [
            f"  %s2 = add {places} %s, {one}",
            "  %i2 = add nuw nsw i64 %i, 1",
            f"  %more = icmp ult i64 %i2, {steps}",
            "  br i1 %more, label %loop, label %rest",
            "rest:",
        ]
    whole = "<" + ", ".join([f"i{bits} {steps}"] * lanes) + ">"
    for u in range(rest // lanes):
        value = loaded(str(steps * width + u * lanes))
        if is_float:
            nan = nan_among([value], nan)
        if u < used:
            taken(u, value, whole, best, when)
        else:
            best.append(value)
            when.append("zeroinitializer")
    scale = "<" + ", ".join([f"i{bits} {width}"] * lanes) + ">"
    at = [
        let(f"add {places} {let(f'mul {places} {w}, {scale}')}, {iota(u * lanes)}")
        for u, w in enumerate(when)
    ]
    if rest % lanes:
        value = loaded(str(n - lanes))
        if is_float:
            nan = nan_among([value], nan)
        best.append(value)
        at.append(iota(n - lanes))
    top = _tree(best, lambda x, y: let(
        f"select {masks} {let(f'{better} {vector} {x}, {y}')}, {vector} {x}, {vector} {y}"
    ))  # fmt: skip
    reduce = (
        ("fmax" if fn == "argmax" else "fmin")
        if is_float
        else sign + ("max" if fn == "argmax" else "min")
    )
    kind = f"v{lanes}{'f' if is_float else 'i'}{bits}"
    fast = "nnan " if is_float else ""
    winner = splat(
        let(f"call {fast}{element} @llvm.vector.reduce.{reduce}.{kind}({vector} {top})"), element
    )
    far = "<" + ", ".join([f"i{bits} {2 ** (bits - 1) - 1}"] * lanes) + ">"
    found = [
        let(
            f"select {masks} {let(f'{equal} {vector} {b}, {winner}')}, {places} {w}, {places} {far}"
        )
        for b, w in zip(best, at, strict=True)
    ]
    nearest = _tree(found, lambda x, y: let(
        f"select {masks} {let(f'icmp slt {places} {x}, {y}')}, {places} {x}, {places} {y}"
    ))  # fmt: skip
    place = let(f"call i{bits} @llvm.vector.reduce.smin.v{lanes}i{bits}({places} {nearest})")
    if counter.bits != bits:
        place = let(
            f"{'sext' if counter.bits > bits else 'trunc'} i{bits} {place} to i{counter.bits}"
        )
    if is_float:
        some = let(f"call i1 @llvm.vector.reduce.or.v{lanes}i1({masks} {nan})")
        out += [f"  br i1 {some}, label %search, label %done"]
        out += [
            "search:",
            f"  %j = phi i64 [ 0, %{'rest' if steps > 1 else 'entry'} ], [ %j2, %search ]",
            f"  %e = getelementptr {element}, ptr %a, i64 %j",
            f"  %x = load {element}, ptr %e, align {dtype.itemsize}",
            f"  %odd = fcmp uno {element} %x, %x",
            "  %j2 = add nuw nsw i64 %j, 1",
            "  br i1 %odd, label %hit, label %search",
            "hit:",
            f"  %h = trunc i64 %j to i{counter.bits}"
            if counter.bits < 64
            else "  %h = add i64 %j, 0",
            f"  store i{counter.bits} %h, ptr %p, align {counter.itemsize}",
            "  ret void",
            "done:",
        ]
    out += [f"  store i{counter.bits} {place}, ptr %p, align {counter.itemsize}", "  ret void", "}"]
    declared = [
        f"declare {element} @llvm.vector.reduce.{reduce}.{kind}({vector})",
        f"declare i{bits} @llvm.vector.reduce.smin.v{lanes}i{bits}({places})",
        f"declare i1 @llvm.vector.reduce.or.v{lanes}i1({masks})",
        "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
    ]
    return "\n".join([*dict.fromkeys(declared), *out])


def _tree(values: list[str], combine: Callable[[str, str], str]) -> str:
    """All values combined, neighbours first."""
    while len(values) > 1:
        pairs = [combine(x, y) for x, y in zip(values[::2], values[1::2], strict=False)]
        values = pairs + ([values[-1]] if len(values) % 2 else [])
    return values[0]
