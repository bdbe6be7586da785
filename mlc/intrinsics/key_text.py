"""LLVM functions over vectors of keys: signed integers in the order of the elements of a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..dtypes import DType

Body = Callable[[str], None]


class KeyText:
    """The lines of a function over vectors of ``lanes`` keys of ``dtype``."""

    def __init__(self, dtype: DType, vector_bits: int) -> None:
        self.dtype, self.lanes = dtype, vector_bits // dtype.bits
        self.kind, self.bytes = f"i{dtype.bits}", vector_bits // 8
        self.vector = f"<{self.lanes} x {self.kind}>"
        self.mangled, self.masks = f"v{self.lanes}{self.kind}", f"<{self.lanes} x i1>"
        self.masked_load = f"@llvm.masked.load.{self.mangled}.p0"
        self.masked_store = f"@llvm.masked.store.{self.mangled}.p0"
        self.highest = (1 << (dtype.bits - 1)) - 1
        self.lines: list[str] = []
        self.made = 0

    def add(self, *lines: str) -> None:
        self.lines += lines

    def let(self, text: str) -> str:
        self.made += 1
        self.lines.append(f"  %.{self.made} = {text}")
        return f"%.{self.made}"

    def label(self, name: str) -> str:
        self.made += 1
        return f"{name}.{self.made}"

    def chosen(self, masks: str, a: str, b: str) -> str:
        return self.let(f"select {self.masks} {masks}, {self.vector} {a}, {self.vector} {b}")

    def splat(self, value: object) -> str:
        return f"splat ({self.kind} {value})"

    def loop(self, name: str, start: str, stop: str, step: object, body: Body) -> None:
        """``body(i)`` for all i from ``start`` on that are less than ``stop``."""

        def step_on(i: str) -> str:
            body(i)
            return self.let(f"add nsw i64 {i}, {step}")

        self.repeat(name, start, lambda i: f"icmp slt i64 {i}, {stop}", step_on)

    def halving(self, start: str, least: int, body: Body) -> None:
        """``body(step)`` for steps from ``start`` on, each half the one before, to ``least``."""

        def step_on(step: str) -> str:
            body(step)
            return self.let(f"lshr i64 {step}, 1")

        self.repeat("step", start, lambda step: f"icmp sge i64 {step}, {least}", step_on)

    def repeat(
        self, name: str, start: str, holds: Callable[[str], str], body: Callable[[str], str]
    ) -> None:
        """A value from ``start`` on, while it ``holds``; ``body`` says the next."""
        before, head, inside, last, after = (
            self.label(f"{name}_{part}") for part in ("before", "head", "in", "last", "after")
        )
        i = f"%{self.label('i')}"
        self.add(f"  br label %{before}", f"{before}:", f"  br label %{head}", f"{head}:")
        phi = len(self.lines)
        self.add(f"  br i1 {self.let(holds(i))}, label %{inside}, label %{after}", f"{inside}:")
        following = body(i)
        self.add(f"  br label %{last}", f"{last}:", f"  br label %{head}", f"{after}:")
        self.lines.insert(phi, f"  {i} = phi i64 [ {start}, %{before} ], [ {following}, %{last} ]")

    def at(self, base: str, i: str) -> str:
        return self.let(f"getelementptr {self.vector}, ptr {base}, i64 {i}")

    def load(self, place: str) -> str:
        return self.let(f"load {self.vector}, ptr {place}, align {self.bytes}")

    def store(self, value: str, place: str) -> None:
        self.add(f"  store {self.vector} {value}, ptr {place}, align {self.bytes}")

    def extreme(self, which: str, a: str, b: str) -> str:
        v = self.vector
        return self.let(f"call {v} @llvm.{which}.{self.mangled}({v} {a}, {v} {b})")

    def put_in_order(self, a: str, b: str) -> tuple[str, str]:
        return self.extreme("smin", a, b), self.extreme("smax", a, b)

    def key(self, x: str) -> str:
        """Signed integers in the order of ``x``: NaN is the greatest, -0.0 is less than 0.0."""
        if self.dtype.kind == "i":
            return x
        if not self.dtype.is_float:
            return self.let(f"xor {self.vector} {x}, {self.splat(-self.highest - 1)}")
        numbers = f"<{self.lanes} x { ({32: 'float', 64: 'double'}[self.dtype.bits]) }>"
        mirrored = self._mirrored(x)
        number = self.let(f"bitcast {self.vector} {x} to {numbers}")
        is_nan = self.let(f"fcmp uno {numbers} {number}, zeroinitializer")
        return self.chosen(is_nan, self.splat(self.highest), mirrored)

    def element(self, key: str) -> str:
        """What :meth:`key` made ``key`` from."""
        return self._mirrored(key) if self.dtype.is_float else self.key(key)

    def _mirrored(self, x: str) -> str:
        sign = self.let(f"ashr {self.vector} {x}, {self.splat(self.dtype.bits - 1)}")
        bits = self.let(f"and {self.vector} {sign}, {self.splat(self.highest)}")
        return self.let(f"xor {self.vector} {x}, {bits}")

    def all_lanes(self, number: str) -> str:
        """A vector of one number."""
        v = self.vector
        one = self.let(f"insertelement {v} poison, {self.kind} {number}, i64 0")
        return self.let(
            f"shufflevector {v} {one}, {v} poison, <{self.lanes} x i32> zeroinitializer"
        )

    def lanes_before(self, number: str) -> str:
        """The lanes whose number is less than this i64."""
        if self.kind != "i64":
            number = self.let(f"trunc i64 {number} to {self.kind}")
        lanes = ", ".join(f"{self.kind} {lane}" for lane in range(self.lanes))
        return self.let(f"icmp slt {self.vector} <{lanes}>, {self.all_lanes(number)}")

    def masked_read(self, place: str, masks: str) -> str:
        v, align = self.vector, self.dtype.itemsize
        read = f"call {v} {self.masked_load}(ptr align {align} {place}, {self.masks} {masks}"
        return self.let(f"{read}, {v} zeroinitializer)")

    def masked_write(self, value: str, place: str, masks: str) -> None:
        to = f"ptr align {self.dtype.itemsize} {place}, {self.masks} {masks}"
        self.add(f"  call void {self.masked_store}({self.vector} {value}, {to})")

    def text(self) -> str:
        """All lines, behind declarations of what they call."""
        v, m = self.vector, self.masks
        return "\n".join([
            *(f"declare {v} @llvm.{which}.{self.mangled}({v}, {v})" for which in ("smin", "smax")),
            *(f"declare i64 @llvm.{which}.i64(i64, i64)" for which in ("smin", "smax")),
            f"declare {v} {self.masked_load}(ptr, {m}, {v})",
            f"declare void {self.masked_store}({v}, ptr, {m})",
            *self.lines,
        ])  # fmt: skip

    def shuffle(self, a: str, b: str, lanes: Sequence[int]) -> str:
        v = self.vector
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.let(f"shufflevector {v} {a}, {v} {b}, <{len(lanes)} x i32> <{mask}>")

    def backwards(self, a: str) -> str:
        return self.shuffle(a, "poison", range(self.lanes - 1, -1, -1))

    def two(self, a: str, b: str, have: list[list[int]], want: list[list[int]]) -> tuple[str, str]:
        """Two vectors whose lanes hold the elements ``have`` as two that hold ``want``."""
        lanes = {element: lane for lane, element in enumerate([*have[0], *have[1]])}
        first, second = (self.shuffle(a, b, [lanes[e] for e in each]) for each in want)
        return first, second
