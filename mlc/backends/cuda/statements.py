"""Statements as CUDA C."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ...dtypes import DType, int64
from ...errors import CompileError
from ...intrinsics.boxes import is_box_load
from ...ir.expr import Apply, Const, Expr, Load, Var, load
from ...ir.intrinsic import intrinsic_named, is_intrinsic, kept_dimensions
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Region,
    Seq,
    Stmt,
    Store,
    While,
)
from ...ir.rewrite import loads_of
from ...ir.sharing import shared_nodes
from ...lower.cuda.apply_atomics import ATOMICS
from ...lower.cuda.kernel import (
    BARRIER,
    CLUSTER_BARRIER,
    PRODUCTS_WAIT,
    SLOT_FILL,
    SLOT_LEAVE,
    SLOT_WAIT,
    SLOTS_BEGIN,
    BoxMap,
)
from ...lower.cuda.overlap_stages import ASYNC, COMMIT, LATE, WAIT
from ...lower.place_buffers import span_bytes
from ...lower.unroll_partly import factor_of
from .expressions import Expressions
from .functions import C_FUNCTIONS, Text, c_type, is_half
from .vectors import late_copy, vector_copy, vector_fold, vector_or_rest

_WORDS = """
alignas alignof and asm auto bool break case catch char class const continue decltype default delete
do double else enum explicit extern false float for friend goto if inline int long mutable namespace
new not nullptr operator or private protected public register return short signed sizeof static
struct switch template this throw true try typedef typename union unsigned using virtual void
volatile wchar_t while xor half threadIdx blockIdx blockDim gridDim warpSize dim3 main abs min max
y0 y1 yn j0 j1 jn gamma signgam INFINITY NAN NULL linux unix size_t int8_t int16_t int32_t int64_t
uint8_t uint16_t uint32_t uint64_t float2 float4 double2 int2 int4 uint2 uint4
"""
_RESERVED = frozenset(_WORDS.split()) | C_FUNCTIONS
_UNSUITED = re.compile(r"\W")
_PLAIN = re.compile(r"[A-Za-z]+\d*(_\d+){0,2}")
_SLOTS = frozenset({SLOTS_BEGIN, SLOT_FILL, SLOT_WAIT, SLOT_LEAVE})
_MOST_UNROLLED = 64  # iterations that are asked to be written out whole


class Names:
    """Identifiers of C, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(_RESERVED | set(taken))

    def fresh(self, wish: str) -> str:
        """An identifier that looks like ``wish``."""
        name = _UNSUITED.sub("_", wish) or "_"
        if name[0].isdigit() or name.startswith(("mlc_", "__")):
            name = f"v{name}"
        base, n = name, 1
        while name in self.taken:
            name, n = f"{base}_{n}", n + 1
        self.taken.add(name)
        return name


@dataclass
class Slots:
    """What the text calls the mbarriers of a kernel, the one that the next boxes arrive at, and the
    descriptions of arrays that boxes are taken of. ``cluster`` blocks fill them together."""

    name: str = ""
    cluster: int = 1
    filled: str = ""
    maps: dict[BoxMap, str] = field(default_factory=dict)


class Statements(Expressions):
    """Prints the body of a kernel, line by line."""

    def __init__(self, names: Names, checks: Mapping[str, int] | None = None) -> None:
        super().__init__()
        self.checks = checks or {}
        self.is_checked = False
        self.waits = False  # whether there are barriers
        self.copies_late = False  # whether there are asynchronous copies
        self.identifiers = names
        self.lines: list[str] = []
        self.depth = 1
        self.handed: set[Buffer] = set()  # what shuffles fill that has no name
        self.intrinsics: dict[str, str] = {}  # the text of those called, by name
        self.slots = Slots()

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    def bind(self, var: Var, extent: int, wish: str = "") -> str:
        """A name for a variable that runs over ``range(extent)``."""
        name = self.identifiers.fresh(wish or var.name)
        self.names[var] = Text(name, narrow=extent < 1 << 31)
        self.ranges[var] = extent
        self.flattened.clear()
        return name

    @contextmanager
    def block(self, head: str, tail: str = "}") -> Iterator[None]:
        self.line(f"{head} {{")
        with self.inside():
            yield
        self.line(tail)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Lines further in, whose names are forgotten after them; braces of their own around all of
        them are left out."""
        self.depth += 1
        known, taken = dict(self.names), set(self.identifiers.taken)
        begin = len(self.lines)
        yield
        self.unwrap(begin)
        self.names, self.identifiers.taken = known, taken
        self.depth -= 1

    def unwrap(self, begin: int) -> None:
        """Lets go of braces around all lines from ``begin`` on."""
        margin = "  " * self.depth
        match self.lines[begin:]:
            case [first, *inner, last] if (first, last) == (f"{margin}{{", f"{margin}}}"):
                if all(line.startswith(f"{margin}  ") for line in inner):
                    self.lines[begin:] = [line[2:] for line in inner]

    def statement(self, stmt: Stmt) -> None:
        match stmt:
            case Seq(stmts=stmts):
                for before, part in zip((None, *stmts), stmts):
                    is_late = isinstance(before, Evaluate) and before.name == LATE
                    if not is_late or not late_copy(self, part):
                        self.statement(part)
            case Evaluate(name=name) if name == LATE:
                pass
            case For():
                self.loop(stmt)
            case While():
                self.repeat(stmt)
            case If():
                self.branch(stmt)
            case Allocate(buffers=buffers, body=body):
                for buffer in buffers:
                    if buffer not in self.handed:
                        body = self.array(buffer, body)
                self.statement(body)
            case Store(buffer=buffer, indices=(index,)) if buffer.name in self.checks:
                self.check(buffer, index)
            case Store(buffer=buffer, indices=indices, value=value):
                at, made = self.place(buffer, indices), self.flat(value)
                with self.sharing((at, made)):
                    self.line(f"{self.cell(buffer, at)} = {self.stored(made)};")
            case Accumulate():
                self.accumulate(stmt)
            case Evaluate(name=name, args=(Const(value=some),)) if name == BARRIER:
                self.line(f"mlc_barrier_of<{some}>();")
            case Evaluate(name=name) if name == BARRIER:
                self.line("mlc_barrier();")
            case Evaluate(name=name) if name == CLUSTER_BARRIER:
                self.line("mlc_cluster_barrier();")
            case Evaluate(name=name) if name == COMMIT:
                self.line("mlc_cp_async_commit();")
            case Evaluate(name=name, args=(Const(value=pending),)) if name == WAIT:
                self.line(f"mlc_cp_async_wait<{pending}>();")
            case Evaluate(name=name, args=(Const(value=left), *held)) if name == PRODUCTS_WAIT:
                self.line(f"mlc_wgmma_wait<{left}>();")
                for region in held:
                    assert isinstance(region, Region)
                    self.line(f"mlc_wgmma_done({self.names[region.buffer].text});")
            case Evaluate(name=name, args=args) if name in _SLOTS:
                self.slot(name, *args)
            case Evaluate(name="shuffle" | "shuffle_down", args=args):
                self.shuffle(stmt.name, *args)
            case Evaluate(name=name, args=(Region() as at, Expr() as value)) if name in ATOMICS:
                self.atomic(name, at, value)
            case Evaluate(name=name) if is_box_load(name):
                self.load_box(stmt)
            case Evaluate(name=name) if is_intrinsic(name):
                self.call(stmt)
            case _:
                raise CompileError(f"CUDA C cannot be generated for a {type(stmt).__name__}")

    def loop(self, stmt: For) -> None:
        if stmt.extent <= 0:
            return
        if stmt.kind is LoopKind.VECTORIZED and (
            vector_copy(self, stmt) or vector_or_rest(self, stmt)
        ):
            return
        if stmt.kind is LoopKind.UNROLLED and vector_fold(self, stmt):
            return
        written_out = stmt.kind in (LoopKind.UNROLLED, LoopKind.VECTORIZED)
        if written_out:
            self.line("#pragma unroll" + (f" {_MOST_UNROLLED}" * (stmt.extent > _MOST_UNROLLED)))
        elif (factor := factor_of(stmt)) > 1:
            self.line(f"#pragma unroll {factor}")
        known = dict(self.names), set(self.identifiers.taken)
        name = self.bind(stmt.var, stmt.extent, _short(stmt.var.name))
        kind = "int" if stmt.extent < 1 << 31 else "int64_t"
        with self.block(f"for ({kind} {name} = 0; {name} < {stmt.extent}; ++{name})"):
            is_late = bool(dict(stmt.annotations).get(ASYNC))
            if not is_late or not late_copy(self, stmt.body):
                self.statement(stmt.body)
        self.names, self.identifiers.taken = known

    def repeat(self, stmt: While) -> None:
        head = len(self.lines)
        with self.block("while (true)"):
            condition = self.flat(stmt.condition)
            with self.sharing((condition,)):
                test = self.value(condition).text
                self.line(f"if (!({test})) break;")
            is_short = len(self.lines) == head + 2
            self.statement(stmt.body)
        if is_short:
            del self.lines[head + 1]
            self.lines[head] = self.lines[head].replace("true", test)

    def branch(self, stmt: If) -> None:
        condition = self.flat(stmt.condition)
        with self.sharing((condition,)):
            head = f"if ({self.value(condition).text})"
            if stmt.otherwise is None:
                with self.block(head):
                    self.statement(stmt.then)
                return
            with self.block(head, "} else {"):
                self.statement(stmt.then)
            with self.inside():
                self.statement(stmt.otherwise)
            self.line("}")

    def array(self, buffer: Buffer, body: Stmt) -> Stmt:
        """Memory of a thread's own, for ``body``; returns what is left of that to print."""
        name = self.identifiers.fresh(buffer.name)
        self.names[buffer] = Text(name)
        count = max(span_bytes(buffer) // buffer.dtype.itemsize, 1)
        if count == 1:
            self.scalars.add(buffer)
            first, rest = (body.stmts[0], body.stmts[1:]) if isinstance(body, Seq) else (body, ())
            if isinstance(first, Store) and first.buffer is buffer:
                if all(node.source is not buffer for node in loads_of(first.value)):
                    made = self.flat(first.value)
                    with self.sharing((made,)):
                        self.line(f"{c_type(buffer.dtype)} {name} = {self.stored(made)};")
                    return Seq(rest)
            self.line(f"{c_type(buffer.dtype)} {name};")
        else:
            size = count * buffer.dtype.itemsize  # some elements may be read at once
            step = next((n for n in (16, 8, 4) if buffer.dtype.itemsize < n <= size), None)
            align = f"alignas({step}) " if step else ""
            self.line(f"{align}{c_type(buffer.dtype)} {name}[{count}];")
        return body

    def accumulate(self, stmt: Accumulate) -> None:
        at = tuple(self.place(b, stmt.indices) for b in stmt.buffers)
        olds = tuple(load(self.line_of(b), (i,)) for b, i in zip(stmt.buffers, at, strict=True))
        values = tuple(map(self.flat, stmt.values))
        new = stmt.combiner.combine(olds, values)
        roots = values if stmt.combiner.fn == "add" else new
        read = [{node.source for node in loads_of(value)} for value in new]
        with self.sharing((*at, *roots)):
            held: list[tuple[str, str]] = []
            for n, (b, i, value) in enumerate(zip(stmt.buffers, at, new, strict=True)):
                if not any(self.line_of(b) in later for later in read[n + 1 :]):
                    self.assign(self.cell(b, i), value)
                    continue
                name = self.identifiers.fresh(f"new_{b.name}")
                self.line(f"const {c_type(b.dtype)} {name} = {self.stored(value)};")
                held.append((self.cell(b, i), name))
            for cell, name in held:
                self.line(f"{cell} = {name};")

    def assign(self, cell: str, value: Expr) -> None:
        """``t = t + v;`` as ``t += v;``, which is the same for floats and unsigned numbers."""
        dtype = value.dtype
        match value:
            case Apply(fn="add", args=(Load() as old, added)) if not is_half(dtype):
                if (dtype.is_float or dtype.kind == "u") and self.value(old).text == cell:
                    self.line(f"{cell} += {self.stored(added)};")
                    return
        self.line(f"{cell} = {self.stored(value)};")

    def copy_late(self, call: str) -> None:
        """``mlc_cp_async_16(to, from);``: a copy that is there once the thread has waited."""
        self.copies_late = True
        self.line(f"mlc_cp_async_{call};")

    def without_waits(self) -> None:
        """Leaves out waits for asynchronous copies if none were printed: what a thread stores
        itself it need not wait for."""
        if not self.copies_late:
            self.lines = [s for s in self.lines if not s.lstrip().startswith("mlc_cp_async_")]

    def check(self, buffer: Buffer, index: Expr) -> None:
        """A note of an index that leaves ``buffer``, whose elements nobody reads. The thread ends
        then, if no others wait for it."""
        self.is_checked = True
        made = self.flat(index)
        with self.sharing((made,)):
            number = self.checks[buffer.name]
            value = self.value(made).text
            with self.block(f"if ((uint64_t)({value}) >= {buffer.size})"):
                self.line(f"mlc_refuse(mlc_record, {number}, {value});")
                if not self.waits:
                    self.line("return;")

    def cell(self, buffer: Buffer, place: Expr) -> str:
        """C for the element at ``place``."""
        return self.element(self.line_of(buffer), (place,))

    @contextmanager
    def sharing(self, roots: Sequence[Expr]) -> Iterator[None]:
        """Names for what ``roots`` have in common, as long as a statement over them is printed."""
        nodes = [n for n in shared_nodes(roots, lazy=True) if not isinstance(n, (Const, Var))]
        nodes = [n for n in nodes if n not in self.names]
        known = dict(self.names)
        for node in nodes:
            made = self.value(node)
            name = self.identifiers.fresh("t")
            kind, text = _held(node.dtype, made)
            self.line(f"const {kind} {name} = {text};")
            self.names[node] = Text(name, narrow=made.narrow)
        yield
        self.names = known

    def call(self, stmt: Evaluate) -> None:
        """A call of an intrinsic: for each operand its address, and the strides of its dimensions
        that are not 1."""
        intrinsic = intrinsic_named(stmt.name)
        text = intrinsic.implementations["cuda"]
        assert isinstance(text, str)
        self.intrinsics[stmt.name] = text.strip("\n")
        parts = []
        for operand, region in zip(intrinsic.operands, stmt.args, strict=True):
            assert isinstance(region, Region)
            parts.append(self.rows(region) or self.address(region.buffer, region.starts))
            if operand.name in intrinsic.held:
                continue  # the thread's part of it lies in one piece
            strides = region.buffer.element_strides
            parts += [str(strides[d]) for d in kept_dimensions(region.extents)]
        self.line(f"{stmt.name}({', '.join(parts)});")

    def rows(self, region: Region) -> str:
        """``mlc_mixed<64>(&A[1024 * i], 16 * k)``: where a tile begins whose rows are mixed; empty
        where they are not."""
        buffer = region.buffer
        if buffer not in self.mixed:
            return ""
        name = self.names[buffer].text
        whole, rest = self.mixed_place(buffer, self.place(buffer, region.starts))
        start = self.index(whole).text
        head = name if start == "0" else f"&{name}[{start}]"
        return f"mlc_mixed<{self.mixed[buffer]}>({head}, {self.index(rest).text})"

    def slot(self, name: str, *args: Expr | Buffer | Region) -> None:
        """``mlc_slot_wait<4>(slots, k);``"""
        count, *rest = args
        assert isinstance(count, Const)
        values = [self.value(self.flat(e)).text for e in rest if isinstance(e, Expr)]
        kind = f"{count.value}, {self.slots.cluster}" if self.slots.cluster > 1 else count.value
        call = f"mlc_{name}<{kind}>({', '.join([self.slots.name, *values])});"
        if name == SLOT_FILL:
            self.slots.filled = self.identifiers.fresh("filled")
            call = f"const uint64_t *const {self.slots.filled} = {call}"
        self.line(call)

    def load_box(self, stmt: Evaluate) -> None:
        """``load_box_64x64_float16(A_shared, A_boxes, filled, k, i);``: the place of a box begins
        with that of neighbours."""
        source, target = stmt.args
        assert isinstance(source, Region) and isinstance(target, Region)
        text = intrinsic_named(stmt.name).implementations["cuda"]
        assert isinstance(text, str)
        self.intrinsics[stmt.name] = text.strip("\n")
        starts = tuple(self.flat(e) for e in reversed(source.starts))
        with self.sharing(starts):
            at = [self.value(e).text for e in starts]
            to = self.address(target.buffer, target.starts)
            given = self.slots.maps[BoxMap(source.buffer, source.extents)]
            self.line(f"{stmt.name}({', '.join([to, given, self.slots.filled, *at])});")

    def shuffle(self, name: str, *args: Expr | Buffer | Region) -> None:
        """``other = mlc_shfl_down(part, 16, 32);``, or that for the next statement to take."""
        to, source, step, lanes = args
        assert isinstance(to, Region) and isinstance(source, Region)
        assert isinstance(step, Const) and isinstance(lanes, Const)
        call = {"shuffle": "mlc_shfl", "shuffle_down": "mlc_shfl_down"}[name]
        text = f"{call}({self.names[source.buffer].text}, {step.value}, {lanes.value})"
        if to.buffer in self.handed:
            self.names[load(self.line_of(to.buffer), to.starts)] = Text(text)
        else:
            self.line(f"{self.names[to.buffer].text} = {text};")

    def atomic(self, name: str, at: Region, value: Expr) -> None:
        """``mlc_atomic_add(&t[i], value);``"""
        made = self.flat(value)
        with self.sharing((made,)):
            place = self.address(at.buffer, at.starts)
            element = c_type(at.buffer.dtype)
            self.line(f"mlc_{name}({place}, {element}({self.stored(made)}));")

    def address(self, buffer: Buffer, indices: tuple[Expr, ...]) -> str:
        """C for the address of an element."""
        name = self.names[buffer].text
        if buffer in self.scalars:
            return f"&{name}"
        if buffer in self.mixed:
            return f"&{self.element(buffer, indices)}"
        place = self.offset(buffer, indices)
        return name if place.text == "0" else f"&{name}[{place.text}]"


def _short(name: str) -> str:
    """What a loop is called whose name in the schedule is ``name``: ``n`` if that was made of the
    names of several loops, or by many steps."""
    name = name.removesuffix("_init")
    is_made = any(c.isdigit() for c in name) and not _PLAIN.fullmatch(name)
    return "n" if is_made else name


def _held(dtype: DType, made: Text) -> tuple[str, str]:
    """The C type and the text of a value that is given a name."""
    if is_half(dtype):
        return "float", f"float({c_type(dtype)}({made.text}))" if made.loose else made.text
    if dtype is int64 and made.narrow:
        return "int", made.text
    return c_type(dtype), made.text
