"""Products of tiles on tensor cores, ``mma.sync`` and ``ldmatrix``, as intrinsics.

::

    tile = mma(float16)                     C[16, 16] += A[16, 16] B[16, 16], sums in float32
    s.tensorize(init, tile.fill)            C[i, j] = 0
    s.tensorize(copy, tile.load_a)          A from shared memory
    s.tensorize(copy, tile.load_b)          B from shared memory
    s.tensorize(product, tile.product)      C[i, j] += float32(A[i, k]) * float32(B[k, j])
    s.tensorize(copy, tile.store)           C to shared or global memory
    s.tensorize(scaling, tile.scale)        C[i, j] *= F[i]

All threads of a warp do a call together: it stands outside of loops over threadIdx.x, which has 32
iterations wherever there is one. The tiles lie in fragments, which are memory of their own
(``tile.scope_a`` and so on, for ``cache_read`` and ``cache_write``), and which nothing but these
calls may touch; `mlc.intrinsics.fragments` says which thread holds what.

What is summed: products are exact, sums are float32 (int32 for int8), added in an order, and with a
rounding of the last digit, that NVIDIA does not specify. A result of a 16-bit type is rounded once,
at the end. ``mma("tf32")`` takes float32 operands and keeps 10 bits of their 23: no schedule uses
it unless it is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

from ..dtypes import DType, bfloat16, float16, float32, int8, int32
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Axis, Expr, Var, cast, const, load
from ..ir.intrinsic import Intrinsic, known, register
from ..ir.program import Accumulate, Block, Buffer, For, Iter, Program, Scope, Stmt, Store
from .fragments import PANEL, ROWS, WARP, Fragment

ROW_BYTES = 16  # what ldmatrix reads at once
_KINDS: dict[str, tuple[DType, DType, str, str]] = {
    "float16": (float16, float32, "m16n8k16_f16", "mlc_half"),
    "bfloat16": (bfloat16, float32, "m16n8k16_bf16", "mlc_bfloat16"),
    "tf32": (float32, float32, "m16n8k8_tf32", "float"),
    "int8": (int8, int32, "m16n8k32_s8", "int8_t"),
}


@dataclass(frozen=True)
class Mma:
    """The names of the intrinsics of one kind of product, its shape, and where its tiles lie."""

    rows: int
    columns: int
    depth: int
    fill: str
    load_a: str
    load_b: str
    product: str
    store: str
    scope_a: str
    scope_b: str
    scope_c: str
    scale: str = ""


def mma(kind: DType | str, columns: int = 16, a_order: str = "mk", b_order: str = "kn") -> Mma:
    """The product of tiles of ``kind``: float16, bfloat16, int8, or "tf32".

    The result has 16 rows and ``columns`` columns, 8 or 16. The operands are indexed in the order
    that is given: ``b_order="nk"`` is for ``C[i, j] += A[i, k] * B[j, k]``.
    """
    name = kind if isinstance(kind, str) else kind.name
    if name not in _KINDS:
        raise ArgumentError(f"tensor cores multiply {', '.join(_KINDS)}; got {name!r}")
    if columns not in (8, 16):
        raise ArgumentError(f"a tile of tensor cores has 8 or 16 columns, got {columns}")
    if a_order not in ("mk", "km") or b_order not in ("kn", "nk"):
        raise ArgumentError(
            f"a_order is 'mk' or 'km' and b_order 'kn' or 'nk', got {a_order!r} and {b_order!r}"
        )
    return _Family(name, columns, a_order, b_order).register()


def named(name: str) -> Intrinsic | None:
    """The intrinsic of this name, made with those of all kinds; None if it is none of them."""
    _make_all()
    return known(name)


@cache
def _make_all() -> None:
    for kind, columns, a, b in product(_KINDS, (8, 16), ("mk", "km"), ("kn", "nk")):
        mma(kind, columns, a, b)


@dataclass(frozen=True)
class _Family:
    name: str
    columns: int
    a_order: str
    b_order: str

    @property
    def depth(self) -> int:
        return 32 // self.dtype.itemsize

    @property
    def dtype(self) -> DType:
        return _KINDS[self.name][0]

    @property
    def total(self) -> DType:
        return _KINDS[self.name][1]

    def fragment(self, role: str) -> Fragment:
        width = 4 // self.dtype.itemsize
        match role:
            case "a":
                return Fragment("a", ROWS, self.depth, width)
            case "b":
                return Fragment("b", self.depth, self.columns, width)
            case _:
                return Fragment("c", ROWS, self.columns, 1)

    def buffer(self, role: str, scope: str = "global") -> Buffer:
        """An operand as its order indexes it."""
        tile = self.fragment(role)
        shape = (tile.rows, tile.columns)
        if (role == "a" and self.a_order == "km") or (role == "b" and self.b_order == "nk"):
            shape = shape[::-1]
        dtype = self.total if role == "c" else self.dtype
        return Buffer(role.upper(), shape, dtype, scope=Scope(scope))

    def scope(self, role: str) -> str:
        """Fragments that are indexed in another order are other memory: nothing fits both."""
        order = {"a": self.a_order, "b": self.b_order, "c": "mn"}[role]
        return f"mma.{order}"

    def register(self) -> Mma:
        shape = f"{ROWS}x{self.columns}x{self.depth}"
        tail = "" if self.columns == 16 else f"_{self.columns}"
        total = self.total.name
        fill, store, scale = (f"mma_{verb}_{total}{tail}" for verb in ("fill", "store", "scale"))
        load_a = f"mma_load_{self.a_order}_{self.name}"
        load_b = f"mma_load_{self.b_order}_{self.name}{tail}"
        product = f"mma_{shape}_{self.name}"
        if (self.a_order, self.b_order) != ("mk", "kn"):
            product += f"_{self.a_order}_{self.b_order}"
        self.declare_fill(fill)
        self.declare_load(load_a, "a", self.a_order == "mk")
        self.declare_load(load_b, "b", self.b_order == "nk")
        self.declare_product(product)
        self.declare_store(store)
        self.declare_scale(scale)
        scopes = (self.scope("a"), self.scope("b"), self.scope("c"))
        calls = (fill, load_a, load_b, product, store)
        return Mma(ROWS, self.columns, self.depth, *calls, *scopes, scale)

    def declare_fill(self, name: str) -> None:
        c = self.buffer("c", self.scope("c"))
        held = self.fragment("c").held
        text = _function(
            name,
            f"{_c_type(self.total)} *c",
            f"#pragma unroll\n  for (int e = 0; e < {held}; ++e) c[e] = 0;",
        )
        _declare(name, (c,), stored(c, None), text, {"C": held})

    def declare_load(self, name: str, role: str, along_reduction: bool) -> None:
        """``along_reduction`` says that neighbours in memory are multiplied with the same row or
        column: ldmatrix hands such pairs to one thread, and others of 16 bits as it turns them."""
        size = self.dtype.itemsize
        uses_ldmatrix = along_reduction or size == 2
        target = self.buffer(role, self.scope(role))
        source = self.buffer(role, "shared" if uses_ldmatrix else "global")
        source = Buffer("source", source.shape, source.dtype, scope=source.scope)
        fragment = self.fragment(role)
        element = _KINDS[self.name][3]
        given = "Rows source" if uses_ldmatrix else f"const {element} *source"
        parameters = f"{given}, int far, int near, {element} *{role}"
        if uses_ldmatrix:
            body = self.ldmatrix(role, along_reduction)
        else:
            row, column = fragment.element_text()
            order = self.a_order if role == "a" else self.b_order
            far, near = (column, row) if order in ("km", "nk") else (row, column)
            body = f"""const int lane = threadIdx.x;
  #pragma unroll
  for (int e = 0; e < {fragment.held}; ++e)
    {role}[e] = source[({far}) * far + ({near}) * near];"""
        rows = {"source": ROW_BYTES} if uses_ldmatrix else {}
        text = _function(name, parameters, body)
        if uses_ldmatrix:
            text = f"template <class Rows>\n{text}"
        _declare(
            name,
            (source, target),
            stored(target, source),
            text,
            {role.upper(): fragment.held},
            rows,
        )

    def ldmatrix(self, role: str, along_reduction: bool) -> str:
        """Lane ``8 m + i`` has the address of row i of matrix m, which fills register m."""
        near = ROW_BYTES // self.dtype.itemsize
        fragment = self.fragment(role)
        registers = fragment.held // fragment.width
        swap = role == "b"  # registers of A count rows first, those of B the reduction
        if along_reduction != swap:
            row, column = "lane % 16", f"lane / 16 * {near}"
        else:
            row, column = "lane % 8 + lane / 16 * 8", f"lane / 8 % 2 * {near}"
        if registers == 2:
            column = column.replace(f"lane / 16 * {near}", "0")
            row = row.replace("lane % 8 + lane / 16 * 8", "lane % 8")
        trans = "" if along_reduction else "_trans"
        return f"""const int lane = threadIdx.x;
  uint32_t (&registers)[{registers}] = *reinterpret_cast<uint32_t (*)[{registers}]>({role});
  mlc_ldmatrix_x{registers}{trans}(registers, source + ({row}) * far + {column});"""

    def declare_product(self, name: str) -> None:
        a, b, c = (self.buffer(role, self.scope(role)) for role in "abc")
        m, n, k = Var("m"), Var("n"), Var("k")
        left = load(a, (m, k) if self.a_order == "mk" else (k, m))
        right = load(b, (k, n) if self.b_order == "kn" else (n, k))
        value = cast(left, self.total) * cast(right, self.total)
        body: Stmt = Accumulate(reducer("sum", self.total), (c,), (m, n), (value,))
        for var, extent in ((k, self.depth), (n, self.columns), (m, ROWS)):
            body = For(var, extent, body)
        element, total = _KINDS[self.name][3], _c_type(self.total)
        width = self.fragment("b").width
        instruction = f"mlc_mma_{_KINDS[self.name][2]}"
        text = f"""const uint32_t (&left)[4] = *reinterpret_cast<const uint32_t (*)[4]>(a);
  #pragma unroll
  for (int p = 0; p < {self.columns // PANEL}; ++p) {{
    {total} (&sums)[4] = *reinterpret_cast<{total} (*)[4]>(c + 4 * p);
    {instruction}(sums, left, *reinterpret_cast<const uint32_t (*)[2]>(b + {2 * width} * p));
  }}"""
        parameters = f"const {element} *a, const {element} *b, {total} *c"
        held = {role.upper(): self.fragment(role).held for role in "abc"}
        _declare(name, (a, b, c), body, _function(name, parameters, text), held)

    def declare_store(self, name: str) -> None:
        c, target = self.buffer("c", self.scope("c")), self.buffer("c")
        target = Buffer("target", target.shape, target.dtype)
        total = _c_type(self.total)
        fragment = self.fragment("c")
        text = f"""const int lane = threadIdx.x;
  #pragma unroll
  for (int e = 0; e < {fragment.held}; e += 2)
    mlc_store_pair(
        &target[(lane / 4 + e / 2 % 2 * 8) * far + (lane % 4 * 2 + e / 4 * 8) * near],
        near, c[e], c[e + 1]);"""
        parameters = f"const {total} *c, {total} *target, int far, int near"
        _declare(
            name, (c, target), stored(target, c), _function(name, parameters, text),
            {"C": fragment.held},
        )  # fmt: skip

    def declare_scale(self, name: str) -> None:
        c = self.buffer("c", self.scope("c"))
        factors = Buffer("factors", (ROWS,), self.total)
        fragment = self.fragment("c")
        total = _c_type(self.total)
        row, _ = fragment.element_text()
        text = f"""const int lane = threadIdx.x;
  #pragma unroll
  for (int e = 0; e < {fragment.held}; ++e) c[e] *= factors[({row}) * near];"""
        parameters = f"const {total} *factors, int near, {total} *c"
        i, j = Var("i"), Var("j")
        vi, vj = Axis("vi", ROWS), Axis("vj", self.columns)
        value = load(c, (vi, vj)) * load(factors, (vi,))
        block = Block("tile", (Iter(vi, i), Iter(vj, j)), Store(c, (vi, vj), value))
        body = For(i, ROWS, For(j, self.columns, block))
        function = _function(name, parameters, text)
        _declare(name, (factors, c), body, function, {"C": fragment.held})


def _c_type(dtype: DType) -> str:
    return "float" if dtype is float32 else "int"


def _function(name: str, parameters: str, body: str) -> str:
    return f"MLC_DEVICE void {name}({parameters}) {{\n  {body}\n}}"


def stored(target: Buffer, source: Buffer | None) -> Stmt:
    """``target[i, j] = source[i, j]``, converted, or 0 without a source."""
    i, j = Var("i"), Var("j")
    vi, vj = Axis("vi", target.shape[0]), Axis("vj", target.shape[1])
    value: Expr = const(0, target.dtype)
    if source is not None:
        value = cast(load(source, (vi, vj)), target.dtype)
    block = Block("tile", (Iter(vi, i), Iter(vj, j)), Store(target, (vi, vj), value))
    return For(i, target.shape[0], For(j, target.shape[1], block))


def _declare(
    name: str,
    operands: tuple[Buffer, ...],
    body: Stmt,
    text: str,
    held: dict[str, int],
    rows: dict[str, int] | None = None,
) -> None:
    meaning = Program(name, operands, body)
    rows = rows or {}
    register(Intrinsic(name, meaning, {"cuda": text}, WARP, held, rows, frozenset(rows)))
