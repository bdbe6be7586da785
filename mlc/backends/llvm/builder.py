"""Instructions as text: fresh names, operands brought to one width, places to insert later.

A *chunk* is a list of lines in which other chunks may stand. It can be appended to after what
follows it has been written: that is how invariant code moves in front of a loop whose body is
being written. LLVM allows names in any order, so nothing has to be renumbered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Union

from ...dtypes import DType, boolean
from .types import Value, constant, mangled, shuffle_mask, type_of

Chunk = list[Union[str, "Chunk"]]
# What nearly all kernels do with integers: sums, products and comparisons of places.
_OPCODES = {"add": "add", "sub": "sub", "mul": "mul"}
# Of signed numbers, and of all others.
PREDICATES = {
    "eq": ("eq", "eq"),
    "ne": ("ne", "ne"),
    "lt": ("slt", "ult"),
    "le": ("sle", "ule"),
    "gt": ("sgt", "ugt"),
    "ge": ("sge", "uge"),
}


class Builder:
    """Writes one LLVM function. ``out`` is where the next line goes.

    ``has_fma`` and ``has_f16c`` say whether there are instructions for fused multiply-add and for
    float16 conversions.
    """

    def __init__(self, declarations: dict[str, None], has_fma: bool, has_f16c: bool) -> None:
        self.declarations = declarations
        self.has_fma = has_fma
        self.has_f16c = has_f16c
        self.allocas: list[str] = []
        self.root: Chunk = []
        self.out: Chunk = self.root
        self._count = 0

    def line(self, text: str) -> None:
        """One instruction without a result."""
        self.out.append(f"  {text}")

    def name(self, stem: str = "v") -> str:
        """A name that nothing else has, without its ``%``."""
        self._count += 1
        return f"{stem}{self._count}"

    def op(self, text: str, dtype: DType, lanes: int = 0) -> Value:
        """One instruction whose result has the given type."""
        self._count += 1
        name = f"%v{self._count}"
        self.out.append(f"  {name} = {text}")
        return Value(name, dtype, lanes)

    def raw(self, text: str) -> str:
        """One instruction; its result's name."""
        self._count += 1
        name = f"%v{self._count}"
        self.out.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        """The start of a block."""
        self.out.append(f"{name}:")

    def alloca(self, type_text: str, align: int) -> str:
        """Memory that lives as long as the function runs; its address."""
        name = f"%{self.name('m')}"
        self.allocas.append(f"  {name} = alloca {type_text}, align {align}")
        return name

    def splat(self, value: Value, lanes: int) -> Value:
        """``value`` in every one of ``lanes`` lanes; lanes 0 leaves a uniform value alone."""
        if value.lanes == lanes:
            return value
        assert not value.lanes, f"expected a uniform value or {lanes} lanes, got {value}"
        if value.const is not None:
            return constant(value.const, value.dtype, lanes)
        vector = type_of(value.dtype, lanes)
        first = self.raw(f"insertelement {vector} poison, {value}, i64 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        text = f"shufflevector {vector} {first}, {vector} poison, {zeros}"
        return self.op(text, value.dtype, lanes)

    def unify(self, values: Sequence[Value]) -> list[Value]:
        """``values`` with as many lanes as the widest of them."""
        lanes = 0
        for value in values:
            if value.lanes:
                lanes = value.lanes
        return [v if v.lanes == lanes else self.splat(v, lanes) for v in values]

    def binary(self, opcode: str, a: Value, b: Value, dtype: DType | None = None) -> Value:
        """``opcode a, b``; the result has the type of ``a`` unless stated."""
        if a.lanes != b.lanes:
            a, b = self.unify((a, b))
        return self.op(f"{opcode} {a.type} {a.text}, {b.text}", dtype or a.dtype, a.lanes)

    def compare(self, predicate: str, a: Value, b: Value) -> Value:
        """``icmp`` or ``fcmp``, whichever fits the operands."""
        opcode = "fcmp" if a.type.endswith(("float", "double", "float>", "double>")) else "icmp"
        return self.binary(f"{opcode} {predicate}", a, b, boolean)

    def select(self, test: Value, a: Value, b: Value) -> Value:
        """``a`` where ``test`` holds, else ``b``; both are evaluated."""
        if test.lanes:
            test, a, b = self.unify((test, a, b))
        elif a.lanes != b.lanes:
            a, b = self.unify((a, b))
        return self.op(f"select {test.type} {test.text}, {a}, {b}", a.dtype, a.lanes)

    def intrinsic(self, name: str, args: Sequence[Value], extra: str = "") -> Value:
        """``llvm.<name>`` overloaded on its first argument, with a result of that type."""
        args = self.unify(args)
        dtype, lanes = args[0].dtype, args[0].lanes
        operands = ", ".join(map(repr, args)) + (f", {extra}" if extra else "")
        types = ", ".join(a.type for a in args) + (f", {extra.split()[0]}" if extra else "")
        full = f"@llvm.{name}.{mangled(dtype, lanes)}"
        self.declare(f"declare {args[0].type} {full}({types})")
        return self.op(f"call {args[0].type} {full}({operands})", dtype, lanes)

    def declare(self, text: str) -> None:
        """State a function that the module takes from elsewhere."""
        self.declarations[text] = None

    def extract(self, value: Value, lane: int | str) -> Value:
        """One lane, given by its number or by the text of an i64."""
        return self.op(f"extractelement {value}, i64 {lane}", value.dtype)

    def shuffle(self, value: Value, lanes: list[int]) -> Value:
        """``value`` with its lanes picked anew."""
        text = f"shufflevector {value}, {value.type} poison, {shuffle_mask(lanes)}"
        return self.op(text, value.dtype, len(lanes))

    def any_lane(self, mask: Value) -> Value:
        """Whether a mask holds in any lane."""
        if not mask.lanes:
            return mask
        full = f"@llvm.vector.reduce.or.v{mask.lanes}i1"
        self.declare(f"declare i1 {full}({mask.type})")
        return self.op(f"call i1 {full}({mask})", boolean)

    def bitcast(self, value: Value, dtype: DType) -> Value:
        """The same bits as another type of the same width."""
        to = type_of(dtype, value.lanes)
        if to == value.type:
            return Value(value.text, dtype, value.lanes)
        return self.op(f"bitcast {value} to {to}", dtype, value.lanes)


def plain_integer(e: Builder, fn: str, args: Sequence[Value]) -> Value | None:
    """The scalar function ``fn`` of integers, if it is one of these."""
    a, b = args[0], args[-1]
    if fn in _OPCODES:
        return e.binary(_OPCODES[fn], a, b)
    if fn in PREDICATES:
        return e.compare(PREDICATES[fn][a.dtype.kind != "i"], a, b)
    return None


def flatten(chunk: Chunk, into: list[str]) -> None:
    """The lines of a chunk and of the chunks within, in order."""
    for item in chunk:
        if isinstance(item, str):
            into.append(item)
        else:
            flatten(item, into)


_SOURCE = r"%\S+(?= \])"  # of a phi; compiled where one is renamed


def _targets(branch: str) -> list[str]:
    """``br i1 %c, label %a, label %b`` -> ``%a``, ``%b``."""
    return [part.partition(",")[0] for part in branch.split("label ")[1:]]


def join_blocks(lines: Sequence[str]) -> list[str]:
    """The lines of a function without blocks that only one block leads to, and nothing else::

        a:              a:
          br label %b     ret void
        b:          ->
          ret void

    LLVM drops blocks that hold nothing but a jump, among them those before loops that stand under a
    condition. What such loops start with would be made before the condition, for all of its
    branches at once: more than there are registers for.
    """
    jumps = Counter(t for line in lines if line.startswith("  br ") for t in _targets(line))
    at, names = "%entry", dict[str, str]()
    out: list[str] = []
    for line in lines:
        if not line.endswith(":"):
            out.append(line)
        elif out and out[-1] == f"  br label %{line[:-1]}" and jumps[f"%{line[:-1]}"] == 1:
            out.pop()
            names[f"%{line[:-1]}"] = at
        else:
            out.append(line)
            at = f"%{line[:-1]}"
    if not names:
        return out
    rename = lambda found: names.get(found[0], found[0])
    return [re.sub(_SOURCE, rename, x) if " = phi " in x else x for x in out]
