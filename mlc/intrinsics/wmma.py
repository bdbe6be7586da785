"""Products of tiles on tensor cores by ``wmma``, as intrinsics: simpler than `mlc.intrinsics.mma`,
and a little slower, since no one but the card knows which thread holds what.

::

    tile = wmma(float16)             C[16, 16] += A[16, 16] B[16, 16], sums in float32

Tiles are loaded from shared memory and stored there, in rows that begin at multiples of 32 bytes.
All threads of a warp do a call together.
"""

from __future__ import annotations

from ..dtypes import DType, bfloat16, float16, float32
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Var, cast, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Accumulate, Buffer, For, Program, Scope, Stmt
from .fragments import WARP
from .mma import Mma, stored

SIDE = 16
SUMS = SIDE * SIDE // WARP
STEP = 32  # bytes, of which the address of a tile is a multiple
_KINDS = {float16: ("f16", "mlc_half", 16), bfloat16: ("bf16", "mlc_bfloat16", 8)}


def wmma(dtype: DType | str, a_order: str = "mk", b_order: str = "kn") -> Mma:
    """The product of tiles of ``dtype``, float16 or bfloat16; each operand in the order in which it
    is indexed, as `mlc.intrinsics.mma` has it."""
    known = {kind.name: kind for kind in _KINDS}
    name = dtype if isinstance(dtype, str) else dtype.name
    if name not in known:
        raise ArgumentError(f"wmma multiplies float16 and bfloat16, got {name}")
    if a_order not in ("mk", "km") or b_order not in ("kn", "nk"):
        raise ArgumentError(
            f"a_order is 'mk' or 'km' and b_order 'kn' or 'nk', got {a_order!r} and {b_order!r}"
        )
    kind = known[name]
    short, element, held = _KINDS[kind]
    registers = held // 2
    ways = {"a": "row" if a_order == "mk" else "col", "b": "row" if b_order == "kn" else "col"}
    scopes = {"a": "wmma.matrix_a", "b": "wmma.matrix_b"}
    for role, way in ways.items():  # the registers of the two orders are not the same
        scopes[role] += "" if way == "row" else "_col"
    loads = {role: f"wmma_load_{role}_{ways[role]}_{name}" for role in "ab"}
    for role in "ab":
        tile = Buffer(role.upper(), (SIDE, SIDE), kind, scope=Scope(scopes[role]))
        source = Buffer("source", tile.shape, kind, scope=Scope.SHARED)
        text = f"""MLC_DEVICE void {loads[role]}(
    const {element} *source, int far, int near, {element} *{role}) {{
  uint32_t (&registers)[{registers}] = *reinterpret_cast<uint32_t (*)[{registers}]>({role});
  mlc_wmma_{loads[role].removeprefix("wmma_").removesuffix(name)}{short}(registers, source, far);
}}"""
        _declare(
            loads[role], (source, tile), stored(tile, source), text, {role.upper(): held}, STEP
        )
    a, b = (Buffer(r.upper(), (SIDE, SIDE), kind, scope=Scope(scopes[r])) for r in "ab")
    c = Buffer("C", (SIDE, SIDE), float32, scope=Scope("wmma.accumulator"))
    target = Buffer("target", c.shape, float32, scope=Scope.SHARED)
    names = Mma(
        SIDE, SIDE, SIDE, "wmma_fill_float32", loads["a"], loads["b"],
        f"wmma_{ways['a']}_{ways['b']}_{name}", "wmma_store_float32",
        scopes["a"], scopes["b"], "wmma.accumulator",
    )  # fmt: skip
    fill = f"""MLC_DEVICE void {names.fill}(float *c) {{
  #pragma unroll
  for (int e = 0; e < {SUMS}; ++e) c[e] = 0;
}}"""
    product = f"""MLC_DEVICE void {names.product}(
    const {element} *a, const {element} *b, float *c) {{
  mlc_wmma_{ways["a"]}_{ways["b"]}_{short}(
      *reinterpret_cast<float (*)[{SUMS}]>(c),
      *reinterpret_cast<const uint32_t (*)[{registers}]>(a),
      *reinterpret_cast<const uint32_t (*)[{registers}]>(b));
}}"""
    store = f"""MLC_DEVICE void {names.store}(const float *c, float *target, int far, int near) {{
  mlc_wmma_store(target, *reinterpret_cast<const float (*)[{SUMS}]>(c), far);
}}"""
    _declare(names.fill, (c,), stored(c, None), fill, {"C": SUMS})
    body = _product(a, b, c, a_order, b_order)
    _declare(names.product, (a, b, c), body, product, {"A": held, "B": held, "C": SUMS})
    _declare(names.store, (c, target), stored(target, c), store, {"C": SUMS}, STEP)
    return names


def _product(a: Buffer, b: Buffer, c: Buffer, a_order: str, b_order: str) -> Stmt:
    m, n, k = Var("m"), Var("n"), Var("k")
    left = load(a, (m, k) if a_order == "mk" else (k, m))
    right = load(b, (k, n) if b_order == "kn" else (n, k))
    value = cast(left, float32) * cast(right, float32)
    body: Stmt = Accumulate(reducer("sum", float32), (c,), (m, n), (value,))
    for var in (k, n, m):
        body = For(var, SIDE, body)
    return body


def _declare(
    name: str,
    operands: tuple[Buffer, ...],
    body: Stmt,
    text: str,
    held: dict[str, int],
    step: int | None = None,
) -> None:
    rows = {b.name: step for b in operands if b.name not in held and step is not None}
    register(Intrinsic(name, Program(name, operands, body), {"cuda": text}, WARP, held, rows))
