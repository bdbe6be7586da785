"""LLVM functions over vectors of 64 bytes, written line by line."""

from __future__ import annotations

from collections.abc import Iterable

from ..dtypes import DType
from ..ir.intrinsic import SEEN
from ..ir.program import Program

_VECTOR_BITS = 512
_FLOATS = {16: "half", 32: "float", 64: "double"}


class LaneText:
    """The lines of one function that works on vectors of ``dtype``.

    ``element`` and ``vector`` are how LLVM spells one number and ``lanes`` of them, ``masks`` what
    a comparison of two vectors gives, ``mangled`` the vector's name in that of an intrinsic.
    """

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.lanes = _VECTOR_BITS // dtype.bits
        self.element = _FLOATS[dtype.bits] if dtype.is_float else f"i{dtype.bits}"
        self.vector = self.of(self.element)
        self.masks = self.of("i1")
        self.mangled = f"v{self.lanes}{'f' if dtype.is_float else 'i'}{dtype.bits}"
        self.lines: list[str] = []
        self._declared: dict[str, None] = {}
        self._made = 0

    def of(self, kind: str) -> str:
        """The type of as many ``kind`` as a vector has lanes."""
        return f"<{self.lanes} x {kind}>"

    def add(self, *lines: str) -> None:
        """Labels stand at the margin, all else is moved in by two spaces."""
        self.lines += [line if line.endswith((":", "{")) or line == "}" else f"  {line}"
                       for line in lines]  # fmt: skip

    def put(self, position: int, *lines: str) -> None:
        """``lines`` before those written since ``len(lines)`` was ``position``: phis, whose values
        are known at the end of a loop alone."""
        self.lines[position:position] = [f"  {line}" for line in lines]

    def let(self, text: str) -> str:
        """The name of a new value: %.1, %.2, which no line written by hand spells."""
        self._made += 1
        self.lines.append(f"  %.{self._made} = {text}")
        return f"%.{self._made}"

    def declare(self, text: str) -> None:
        """``text`` declared once, in front of the function."""
        self._declared[f"declare {text}"] = None

    def constant(self, kind: str, values: Iterable[object]) -> str:
        """A vector of ``kind`` with one of ``values`` in each lane."""
        return f"<{', '.join(f'{kind} {value}' for value in values)}>"

    def all_lanes(self, kind: str, value: object) -> str:
        """A vector constant with ``value`` in every lane."""
        return self.constant(kind, [value] * self.lanes)

    def splat(self, kind: str, value: str) -> str:
        """A vector with the value of a name in every lane."""
        many = self.of(kind)
        one = self.let(f"insertelement {many} poison, {kind} {value}, i32 0")
        zeros = f"{self.of('i32')} zeroinitializer"
        return self.let(f"shufflevector {many} {one}, {many} poison, {zeros}")

    def place(self, base: str, index: str, kind: str | None = None) -> str:
        """The address of element number ``index`` behind ``base``."""
        return self.let(f"getelementptr {kind or self.element}, ptr {base}, i64 {index}")

    def load(self, kind: str, place: str) -> str:
        """What is read from the address ``place``, where an element of ``dtype`` lies."""
        return self.let(f"load {kind}, ptr {place}, align {self.dtype.itemsize}")

    def store(self, kind: str, value: str, place: str) -> None:
        """``value`` written to the address ``place``, where an element of ``dtype`` lies."""
        self.add(f"store {kind} {value}, ptr {place}, align {self.dtype.itemsize}")

    def store_past(self, value: str, place: str, after: str) -> None:
        """A vector, which is a whole cache line, written past the caches if ``place`` is where one
        begins; the block called ``after`` follows."""
        number = self.let(f"ptrtoint ptr {place} to i64")
        inside = self.let(f"and i64 {number}, {_VECTOR_BITS // 8 - 1}")
        begins = self.let(f"icmp eq i64 {inside}, 0")
        self.add(f"br i1 {begins}, label %{after}.line, label %{after}.part", f"{after}.line:")
        hint = f"align {_VECTOR_BITS // 8}, !nontemporal !{{i32 1}}"
        self.add(f"store {self.vector} {value}, ptr {place}, {hint}", f"br label %{after}")
        self.add(f"{after}.part:")
        self.store(self.vector, value, place)
        self.add(f"br label %{after}", f"{after}:")

    def select(self, test: str, kind: str, yes: str, no: str) -> str:
        """Lane by lane ``yes`` where ``test`` holds, else ``no``; ``kind`` is a vector type."""
        return self.let(f"select {self.masks} {test}, {kind} {yes}, {kind} {no}")

    def prefetch(self, place: str) -> None:
        """Ask for what lies at ``place``, which need not be memory of anybody's."""
        self.declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.add(f"call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 3, i32 1)")

    def text(self) -> str:
        """What was declared, and the function."""
        return "\n".join([*self._declared, *self.lines])


def with_and_without_requests(name: str, text: str) -> dict[str, str | Program]:
    """The implementations of an intrinsic: ``text``, and the same for processors that see rows
    coming, where nothing is asked for early."""
    lines = [line for line in text.splitlines() if "@llvm.prefetch" not in line]
    return {"llvm": text, SEEN: "\n".join(lines).replace(f"@{name}(", f"@{name}_seen(")}
