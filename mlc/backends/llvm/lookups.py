"""Small tables: a permutation of registers where there is one, else loads from memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...dtypes import DType, float32, int32, int64
from ...errors import CompileError
from .emitter import Emitter
from .types import Value, constant, literal, shuffle_mask, type_of

ENTRIES = 16


def look_up(e: Emitter, x: Value, entries: Sequence[Value]) -> Value:
    """That of ``entries``, which are constants, which the lowest bits of ``x`` number."""
    dtype = x.dtype
    index = e.bitcast(x, int32 if dtype is float32 else int64)
    numbers = [literal(entry.const, dtype) for entry in entries if entry.const is not None]
    if len(numbers) < ENTRIES:
        raise CompileError("lookup16 takes its 16 entries as constants; one is computed here")
    if index.lanes and "+avx512f" in e.target.features.split(","):
        return _permuted(e, index, numbers, dtype)
    return _gathered(e, index, numbers, dtype)


def _permuted(e: Emitter, index: Value, numbers: list[str], dtype: DType) -> Value:
    """By vpermps over one register, or vpermt2pd over two; whole registers at a time."""
    width = 16 if dtype is float32 else 8
    return by_registers(e, [index], width, lambda piece: _permute_one(e, piece[0], numbers, dtype))


def by_registers(
    e: Emitter, values: Sequence[Value], width: int, one: Callable[[list[Value]], Value]
) -> Value:
    """``one`` of pieces of ``values``, ``width`` lanes at a time, and its results side by side."""
    lanes = values[0].lanes
    parts: list[Value] = []
    for start in range(0, lanes, width):
        parts.append(one([v if lanes == width else _widened(e, v, start, width) for v in values]))
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [_joined(e, *pair) if len(pair) > 1 else pair[0] for pair in pairs]
    whole = parts[0]
    return whole if whole.lanes == lanes else e.shuffle(whole, list(range(lanes)))


def _permute_one(e: Emitter, index: Value, numbers: list[str], dtype: DType) -> Value:
    kind = type_of(dtype)

    def vector(part: list[str]) -> str:
        return f"{type_of(dtype, len(part))} <{', '.join(f'{kind} {number}' for number in part)}>"

    if dtype is float32:
        name = "@llvm.x86.avx512.permvar.sf.512"
        e.declare(f"declare <16 x float> {name}(<16 x float>, <16 x i32>)")
        return e.op(f"call <16 x float> {name}({vector(numbers)}, {index})", dtype, 16)
    name = "@llvm.x86.avx512.vpermi2var.pd.512"
    e.declare(f"declare <8 x double> {name}(<8 x double>, <8 x i64>, <8 x double>)")
    low, high = vector(numbers[:8]), vector(numbers[8:])
    return e.op(f"call <8 x double> {name}({low}, {index}, {high})", dtype, 8)


def _widened(e: Emitter, value: Value, start: int, width: int) -> Value:
    """``width`` lanes from ``start`` on. Those beyond the last are undefined: LLVM 22 mistakes an
    index of two numbers, the second repeated, for the first one in all lanes."""
    picked = [str(i) if i < value.lanes else "poison" for i in range(start, start + width)]
    mask = f"<{width} x i32> <{', '.join(f'i32 {i}' for i in picked)}>"
    return e.op(f"shufflevector {value}, {value.type} poison, {mask}", value.dtype, width)


def _joined(e: Emitter, a: Value, b: Value) -> Value:
    """The lanes of ``a`` and then those of ``b``, which has no more."""
    if b.lanes < a.lanes:
        b = _widened(e, b, 0, a.lanes)
    total = 2 * a.lanes
    return e.op(f"shufflevector {a}, {b}, {shuffle_mask(list(range(total)))}", a.dtype, total)


def _gathered(e: Emitter, index: Value, numbers: list[str], dtype: DType) -> Value:
    """From a constant array; a processor without an instruction for that loads lane by lane."""
    import hashlib

    kind = type_of(dtype)
    text = ", ".join(f"{kind} {number}" for number in numbers)
    table = f"@table_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    array = f"[{ENTRIES} x {kind}]"
    e.declare(f"{table} = private unnamed_addr constant {array} [{text}], align 64")
    inside = e.binary("and", index, constant(ENTRIES - 1, index.dtype, index.lanes))
    if not index.lanes:
        place = e.raw(f"getelementptr inbounds {kind}, ptr {table}, {inside}")
        return e.op(f"load {kind}, ptr {place}, align {dtype.itemsize}", dtype)
    lanes = index.lanes
    places = e.raw(f"getelementptr inbounds {kind}, ptr {table}, {inside}")
    vector = type_of(dtype, lanes)
    name = f"@llvm.masked.gather.v{lanes}f{dtype.bits}.v{lanes}p0"
    e.declare(f"declare {vector} {name}(<{lanes} x ptr>, <{lanes} x i1>, {vector})")
    every = f"<{lanes} x i1> splat (i1 true)"
    operands = f"<{lanes} x ptr> align {dtype.itemsize} {places}, {every}, {vector} poison"
    return e.op(f"call {vector} {name}({operands})", dtype, lanes)
