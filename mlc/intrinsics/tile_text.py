"""The LLVM functions of `mlc.intrinsics.tile_products`.

Registers are named by number: 0 to 3 hold sums, 4 and 5 rows of A, 6 and 7 columns of B. How many
rows the registers have is loaded first, for whole blocks and then for what is left below them.

A block of 32 rows of A is copied to the stack, tile by tile, with zeros behind the depth: there it
begins at cache lines, and stays near while all columns of B go by. Of a long reduction that is done
for one part after the other, and sums wait in C.
"""

from __future__ import annotations

from ..records import dataclass

TILE_ROWS = 16
TILE_COLUMNS = 16  # numbers of 4 bytes
STEP_BYTES = 64  # of a row of a tile
BLOCK = 2 * TILE_ROWS  # rows and columns of the sums that registers hold
MOST_STEPS = 16  # of a copy of rows of A: 32 KB, which the nearest cache holds beside a panel of B
_BESIDE = TILE_ROWS * STEP_BYTES  # from a tile of the copy to the one below it
_STEP = 2 * _BESIDE

_DECLARED = (
    "void @llvm.x86.ldtilecfg(ptr)",
    "void @llvm.x86.tilerelease()",
    "void @llvm.x86.tilezero(i8)",
    "void @llvm.x86.tileloadd64(i8, ptr, i64)",
    "void @llvm.x86.tilestored64(i8, ptr, i64)",
    "i64 @llvm.umin.i64(i64, i64)",
)


@dataclass(frozen=True)
class Product:
    """What a function multiplies: operands of ``itemsize`` bytes by the instruction ``tdp<kind>``.

    ``words`` and ``begin`` are those of `tile_product`.
    """

    name: str
    kind: str
    itemsize: int
    rows: int
    columns: int
    depth: int
    words: bool
    begin: bool


def tile_text(product: Product) -> str:
    """The function, and what it needs."""
    return "\n".join(_Text(product).lines())


def panels_of(columns: int) -> tuple[int, int]:
    """How many panels words of so many columns lie in, and how many columns each of them has."""
    return (columns // BLOCK, BLOCK) if columns >= BLOCK else (1, columns)


class _Text:
    """Strides in bytes: %a1 from row to row of A, %b1 from group to group of B and %bn to the next
    block of columns, %c1 from row to row of C."""

    def __init__(self, product: Product) -> None:
        self.product = product
        length = product.depth * product.itemsize
        self.whole, self.rest = divmod(length, STEP_BYTES)
        self.steps = -(-length // STEP_BYTES)
        self.parts = -(-self.steps // MOST_STEPS)
        self.each = -(-self.steps // self.parts)  # steps of a part; the last may have fewer
        down, left = divmod(product.rows, BLOCK)
        self.sections: list[tuple[int, int, tuple[int, ...]]] = []  # first row, blocks, heights
        if down:
            self.sections.append((0, down, (TILE_ROWS, TILE_ROWS)))
        if left:
            heights = (TILE_ROWS, left - TILE_ROWS) if left > TILE_ROWS else (left,)
            self.sections.append((down * BLOCK, 1, heights))
        self.out: list[str] = []

    def lines(self) -> list[str]:
        product = self.product
        panels, _ = panels_of(product.columns)
        itemsize = 4 if product.words else product.itemsize
        strides = "i64 %bq, i64 %bj, i64 %br"
        across = f"mul i64 {BLOCK}, {4}"
        if product.words:
            strides = "i64 %bp, i64 %bq, i64 %bj" if panels > 1 else "i64 %bq, i64 %bj"
            across = f"mul i64 {'%bp' if panels > 1 else 0}, 4"
        dot, row = f"void @llvm.x86.tdp{product.kind}(i8, i8, i8)", f"<{STEP_BYTES} x i8>"
        masked = f"{row} @llvm.masked.load.v{STEP_BYTES}i8.p0(ptr, <{STEP_BYTES} x i1>, {row})"
        self.out = [f"declare {each}" for each in (*_DECLARED, dot, masked)]
        for number, (_, _, heights) in enumerate(self.sections):
            self.out.append(
                f"@{product.name}.shape{number} = internal constant [64 x i8] "
                f'c"{_shape(heights)}", align 64'
            )
        self.out += [
            f"define void @{product.name}(ptr %a, i64 %am, i64 %ak, ptr %b, {strides}, "
            f"ptr %c, i64 %cm, i64 %cn) {{",
            "entry:",
            f"  %near = alloca [{self.each * _STEP} x i8], align 64",
            f"  %a1 = mul i64 %am, {product.itemsize}",
            f"  %b1 = mul i64 %bq, {itemsize}",
            f"  %b16 = mul i64 %b1, {TILE_ROWS}",
            f"  %bn = {across}",
            "  %c1 = mul i64 %cm, 4",
            f"  %c16 = mul i64 %c1, {TILE_ROWS}",
        ]
        for number, (row_, down, heights) in enumerate(self.sections):
            self.out.append(f"  call void @llvm.x86.ldtilecfg(ptr @{product.name}.shape{number})")
            self.section(f"s{number}", row_, down, heights)
        return [*self.out, "  call void @llvm.x86.tilerelease()", "  ret void", "}"]

    def section(self, x: str, row: int, down: int, heights: tuple[int, ...]) -> None:
        """Blocks of rows with tiles of ``heights``, from ``row`` on."""
        self.out += [
            f"  br label %{x}before",
            f"{x}before:",
            f"  br label %{x}row",
            f"{x}row:",
            f"  %{x}i = phi i64 [ 0, %{x}before ], [ %{x}i2, %{x}last ]",
            f"  %{x}i0 = mul i64 %{x}i, {BLOCK}",
            f"  %{x}ir = add i64 %{x}i0, {row}",
            f"  %{x}ia = mul i64 %{x}ir, %a1",
            f"  %{x}ic = mul i64 %{x}ir, %c1",
            f"  %{x}a = getelementptr i8, ptr %a, i64 %{x}ia",
            f"  %{x}c = getelementptr i8, ptr %c, i64 %{x}ic",
            f"  br label %{x}part",
            f"{x}part:",
            f"  %{x}h = phi i64 [ 0, %{x}row ], [ %{x}h2, %{x}next ]",
            f"  %{x}first = mul i64 %{x}h, {self.each}",
            f"  %{x}left = sub i64 {self.steps}, %{x}first",
            f"  %{x}steps = call i64 @llvm.umin.i64(i64 %{x}left, i64 {self.each})",
            f"  %{x}ha = mul i64 %{x}first, {STEP_BYTES}",
            f"  %{x}pa = getelementptr i8, ptr %{x}a, i64 %{x}ha",
            f"  %{x}hb = mul i64 %{x}first, %b16",
            f"  %{x}pb = getelementptr i8, ptr %b, i64 %{x}hb",
        ]
        self.copy(x, sum(heights))
        pairs, single = divmod(self.product.columns, BLOCK)
        if pairs:
            self.columns(f"{x}w", x, heights, 2, pairs)
        if single:
            self.columns(f"{x}n", x, heights, 1, 1)
        self.out += [
            f"  br label %{x}next",
            f"{x}next:",
            f"  %{x}h2 = add nuw nsw i64 %{x}h, 1",
            f"  %{x}hm = icmp ult i64 %{x}h2, {self.parts}",
            f"  br i1 %{x}hm, label %{x}part, label %{x}last",
            f"{x}last:",
            f"  %{x}i2 = add nuw nsw i64 %{x}i, 1",
            f"  %{x}im = icmp ult i64 %{x}i2, {down}",
            f"  br i1 %{x}im, label %{x}row, label %{x}done",
            f"{x}done:",
        ]

    def copy(self, x: str, rows: int) -> None:
        """Rows of this part of the reduction, each step of them to a tile."""
        row = f"<{STEP_BYTES} x i8>"
        self.out += [
            f"  %{x}full0 = sub i64 {self.whole}, %{x}first",
            f"  %{x}full = call i64 @llvm.umin.i64(i64 %{x}full0, i64 {self.each})",
            f"  %{x}any = icmp ne i64 %{x}full, 0",
            f"  br label %{x}take",
            f"{x}take:",
            f"  %{x}r = phi i64 [ 0, %{x}part ], [ %{x}r2, %{x}taken ]",
            f"  %{x}ra = mul i64 %{x}r, %a1",
            f"  %{x}rp = getelementptr i8, ptr %{x}pa, i64 %{x}ra",
            f"  %{x}rn = mul i64 %{x}r, {STEP_BYTES}",
            f"  %{x}rq = getelementptr i8, ptr %near, i64 %{x}rn",
            f"  br i1 %{x}any, label %{x}tile, label %{x}end",
            f"{x}tile:",
            f"  %{x}t = phi i64 [ 0, %{x}take ], [ %{x}t2, %{x}tile ]",
            f"  %{x}ta = mul i64 %{x}t, {STEP_BYTES}",
            f"  %{x}tp = getelementptr i8, ptr %{x}rp, i64 %{x}ta",
            f"  %{x}tn = mul i64 %{x}t, {_STEP}",
            f"  %{x}tq = getelementptr i8, ptr %{x}rq, i64 %{x}tn",
            f"  %{x}tv = load {row}, ptr %{x}tp, align 1",
            f"  store {row} %{x}tv, ptr %{x}tq, align {STEP_BYTES}",
            f"  %{x}t2 = add nuw nsw i64 %{x}t, 1",
            f"  %{x}tm = icmp ult i64 %{x}t2, %{x}full",
            f"  br i1 %{x}tm, label %{x}tile, label %{x}end",
            f"{x}end:",
        ]
        if self.rest:
            mask = ", ".join(f"i1 {str(n < self.rest).lower()}" for n in range(STEP_BYTES))
            self.out += [
                f"  %{x}ends = icmp ult i64 %{x}full, %{x}steps",
                f"  br i1 %{x}ends, label %{x}fill, label %{x}taken",
                f"{x}fill:",
                f"  %{x}ea = mul i64 %{x}full, {STEP_BYTES}",
                f"  %{x}ep = getelementptr i8, ptr %{x}rp, i64 %{x}ea",
                f"  %{x}en = mul i64 %{x}full, {_STEP}",
                f"  %{x}eq = getelementptr i8, ptr %{x}rq, i64 %{x}en",
                f"  %{x}ev = call {row} @llvm.masked.load.v{STEP_BYTES}i8.p0(ptr align 1 %{x}ep, "
                f"<{STEP_BYTES} x i1> <{mask}>, {row} zeroinitializer)",
                f"  store {row} %{x}ev, ptr %{x}eq, align {STEP_BYTES}",
            ]
        self.out += [
            f"  br label %{x}taken",
            f"{x}taken:",
            f"  %{x}r2 = add nuw nsw i64 %{x}r, 1",
            f"  %{x}rm = icmp ult i64 %{x}r2, {rows}",
            f"  br i1 %{x}rm, label %{x}take, label %{x}have",
            f"{x}have:",
        ]

    def columns(self, y: str, x: str, heights: tuple[int, ...], wide: int, across: int) -> None:
        """The sums of the rows that were copied, block by block: ``wide`` tiles of columns each,
        the last ones if they are single."""
        start = 0 if wide == 2 else self.product.columns // BLOCK
        tiles = [(i, j) for i in range(len(heights)) for j in range(wide)]
        self.out += [
            f"  br label %{y}before",
            f"{y}before:",
            f"  br label %{y}column",
            f"{y}column:",
            f"  %{y}j = phi i64 [ {start}, %{y}before ], [ %{y}j2, %{y}made ]",
            f"  %{y}jb = mul i64 %{y}j, %bn",
            f"  %{y}b = getelementptr i8, ptr %{x}pb, i64 %{y}jb",
            f"  %{y}jc = mul i64 %{y}j, {BLOCK * 4}",
            f"  %{y}c00 = getelementptr i8, ptr %{x}c, i64 %{y}jc",
        ]
        for i, j in tiles[1:]:
            above, by = (f"%{y}c{i}0", str(STEP_BYTES)) if j else (f"%{y}c00", "%c16")
            self.out.append(f"  %{y}c{i}{j} = getelementptr i8, ptr {above}, i64 {by}")
        self.begin(y, x, tiles)
        self.out += [
            f"{y}step:",
            f"  %{y}k = phi i64 [ 0, %{y}begun ], [ %{y}k2, %{y}step ]",
            f"  %{y}pa = phi ptr [ %near, %{y}begun ], [ %{y}pa2, %{y}step ]",
            f"  %{y}pb = phi ptr [ %{y}b, %{y}begun ], [ %{y}pb2, %{y}step ]",
        ]
        self.step(y, len(heights) == 2, wide == 2)
        self.out += [
            f"  %{y}pa2 = getelementptr i8, ptr %{y}pa, i64 {_STEP}",
            f"  %{y}pb2 = getelementptr i8, ptr %{y}pb, i64 %b16",
            f"  %{y}k2 = add nuw nsw i64 %{y}k, 1",
            f"  %{y}km = icmp ult i64 %{y}k2, %{x}steps",
            f"  br i1 %{y}km, label %{y}step, label %{y}made",
            f"{y}made:",
            *(
                f"  call void @llvm.x86.tilestored64(i8 {2 * i + j}, ptr %{y}c{i}{j}, i64 %c1)"
                for i, j in tiles
            ),
            f"  %{y}j2 = add nuw nsw i64 %{y}j, 1",
            f"  %{y}jm = icmp ult i64 %{y}j2, {start + across}",
            f"  br i1 %{y}jm, label %{y}column, label %{y}end",
            f"{y}end:",
        ]

    def begin(self, y: str, x: str, tiles: list[tuple[int, int]]) -> None:
        """Sums begin with zeros, or with what C holds."""
        zeros = [f"  call void @llvm.x86.tilezero(i8 {2 * i + j})" for i, j in tiles]
        loads = [
            f"  call void @llvm.x86.tileloadd64(i8 {2 * i + j}, ptr %{y}c{i}{j}, i64 %c1)"
            for i, j in tiles
        ]
        if self.product.begin and self.parts > 1:
            self.out += [
                f"  %{y}new = icmp eq i64 %{x}h, 0",
                f"  br i1 %{y}new, label %{y}zero, label %{y}load",
                f"{y}zero:",
                *zeros,
                f"  br label %{y}begun",
                f"{y}load:",
                *loads,
            ]
        else:
            self.out += zeros if self.product.begin else loads
        self.out += [f"  br label %{y}begun", f"{y}begun:", f"  br label %{y}step"]

    def step(self, y: str, tall: bool, wide: bool) -> None:
        """One tile of the depth."""
        load, dot = "call void @llvm.x86.tileloadd64", f"call void @llvm.x86.tdp{self.product.kind}"
        self.out += [
            f"  {load}(i8 4, ptr %{y}pa, i64 {STEP_BYTES})",
            f"  {load}(i8 6, ptr %{y}pb, i64 %b1)",
            f"  {dot}(i8 0, i8 4, i8 6)",
        ]
        if wide:
            self.out += [
                f"  %{y}beside = getelementptr i8, ptr %{y}pb, i64 {STEP_BYTES}",
                f"  {load}(i8 7, ptr %{y}beside, i64 %b1)",
                f"  {dot}(i8 1, i8 4, i8 7)",
            ]
        if tall:
            self.out += [
                f"  %{y}below = getelementptr i8, ptr %{y}pa, i64 {_BESIDE}",
                f"  {load}(i8 5, ptr %{y}below, i64 {STEP_BYTES})",
                f"  {dot}(i8 2, i8 5, i8 6)",
            ]
        if tall and wide:
            self.out.append(f"  {dot}(i8 3, i8 5, i8 7)")


def _shape(heights: tuple[int, ...]) -> str:
    """The 64 bytes that say how many rows, and bytes in a row, each register has."""
    upper, lower = heights[0], heights[1] if len(heights) > 1 else 0
    rows = (upper, upper, lower, lower, upper, lower, TILE_ROWS, TILE_ROWS)
    data = bytearray(STEP_BYTES)
    data[0] = 1
    for register, count in enumerate(rows):
        data[16 + 2 * register] = STEP_BYTES if count else 0
        data[48 + register] = count
    return "".join(f"\\{byte:02x}" for byte in data)
