"""Terms: what an element holds after a symbolic run. Equal meaning is the same number.

A term is a number into a table of keys; 0 is what was never written, and swallows whatever is
computed from it. Functions that combiners fold with are kept as multisets of their operands, so
that neither order nor grouping shows; identities drop out and constants are folded where that is
exact. The sums and products of floating-point numbers count as associative, as they do for steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...dtypes import DType, as_dtype
from ...ir.arithmetic import convert, scalar_function, silent
from ...ir.combiner import Combiner
from ...ir.scalar import SCALAR_FNS

UNWRITTEN = 0
FOLDING = frozenset({"add", "mul", "maximum", "minimum", "bitand", "bitor", "bitxor"})
_IDEMPOTENT = frozenset({"maximum", "minimum", "bitand", "bitor"})

LONGEST = 20_000  # operands of a fold

Key = tuple[Any, ...]
Kind = tuple[str, str]  # scalar function and dtype
Items = tuple[tuple[int, int], ...]  # (term, how often), sorted


class NotCovered(Exception):
    """The program does something that a symbolic run does not cover."""


class Terms:
    """The table. Both programs of a comparison share one."""

    def __init__(self) -> None:
        self.keys: list[Key] = [("unwritten",)]
        self.numbers: dict[Key, int] = {self.keys[0]: 0}
        self.identities: dict[Kind, int] = {}

    def make(self, *key: Any) -> int:
        """The term with this key."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = len(self.keys)
            self.keys.append(key)
        return found

    def constant(self, value: Any, dtype: str) -> int:
        """A number; 0.0 and -0.0 differ, as all that print differently."""
        return self.make("const", dtype, repr(value), value)

    def identity(self, kind: Kind) -> int:
        """The constant that a fold of ``kind`` drops; 0 if it has none."""
        found = self.identities.get(kind)
        if found is None:
            dtype = as_dtype(kind[1])
            value: Any = {"add": 0, "bitor": 0, "bitxor": 0, "mul": 1}.get(kind[0])
            if kind[0] == "maximum":
                value = dtype.lowest
            elif kind[0] == "minimum":
                value = dtype.highest
            elif kind[0] == "bitand" and dtype.kind == "b":
                value = True
            found = UNWRITTEN
            if value is not None:
                value = float(value) if dtype.is_float else value
                found = self.constant(bool(value) if dtype.kind == "b" else value, kind[1])
            self.identities[kind] = found
        return found

    def apply(self, fn: str, dtype: str, operand: str, *args: int) -> int:
        """A scalar function of terms."""
        if UNWRITTEN in args:
            return UNWRITTEN
        if fn in FOLDING:
            return self.fold((fn, dtype), args)
        if fn == "sub":
            return self.fold(("add", dtype), (args[0], self.apply("neg", dtype, dtype, args[1])))
        if fn == "fma":
            product = self.fold(("mul", dtype), args[:2])
            return self.fold(("add", dtype), (product, args[2]))
        keys = [self.keys[arg] for arg in args]
        if fn == "neg" and keys[0][:2] == ("apply", "neg"):
            return int(keys[0][3])
        if all(key[0] == "const" for key in keys):
            with silent():
                own = as_dtype(operand)
                value = scalar_function(fn, as_dtype(dtype), own)(
                    *(own.numpy.type(key[3]) for key in keys)
                )
            return self.constant(_plain(value), dtype)
        if SCALAR_FNS[fn].commutative:
            args = tuple(sorted(args))
        return self.make("apply", fn, dtype, *args)

    def cast(self, dtype: str, value: int) -> int:
        """A conversion."""
        key = self.keys[value]
        if value == UNWRITTEN:
            return UNWRITTEN
        if key[0] == "const":
            with silent():
                plain = as_dtype(key[1]).numpy.type(key[3])
                return self.constant(_plain(convert(plain, as_dtype(dtype))), dtype)
        return self.make("cast", dtype, value)

    def select(self, condition: int, then: int, otherwise: int) -> int:
        """A choice that data makes."""
        if condition == UNWRITTEN or then == otherwise:
            return UNWRITTEN if condition == UNWRITTEN else then
        key = self.keys[condition]
        if key[0] == "const":
            return then if key[3] else otherwise
        return self.make("select", condition, then, otherwise)

    def fold(self, kind: Kind, operands: Iterable[int]) -> int:
        """Operands put together by a function that is associative and commutative."""
        gathering = Gathering(self, kind)
        for operand in operands:
            gathering.add(operand)
        return gathering.term()


class Gathering:
    """A fold that is still growing: a multiset of operands."""

    __slots__ = ("counts", "done", "kind", "neutral", "terms")

    def __init__(self, terms: Terms, kind: Kind) -> None:
        self.terms = terms
        self.kind = kind
        self.neutral = terms.identity(kind)
        self.counts: dict[int, int] = {}
        self.done: int | None = None

    def add(self, term: int) -> None:
        """One more operand."""
        self.done = None
        counts = self.counts
        key = self.terms.keys[term]
        if key[0] == "fold" and key[1] == self.kind:
            for item, count in key[2]:
                counts[item] = counts.get(item, 0) + count
        elif term != self.neutral or term == UNWRITTEN:
            counts[term] = counts.get(term, 0) + 1

    def term(self) -> int:
        """What has been gathered."""
        if self.done is None:
            self.done = self._term()
        return self.done

    def _term(self) -> int:
        terms, counts = self.terms, self.counts
        if UNWRITTEN in counts:
            return UNWRITTEN
        if self.kind[0] in _IDEMPOTENT:
            counts = dict.fromkeys(counts, 1)
        constants = [t for t in counts if terms.keys[t][0] == "const"]
        if len(constants) > 1 or constants and counts[constants[0]] > 1:
            counts = self._without_constants(counts, constants)
        if len(counts) == 1:
            ((only, count),) = counts.items()
            if count == 1:
                return only
        if not counts and self.neutral != UNWRITTEN:
            return self.neutral
        return terms.make("fold", self.kind, tuple(sorted(counts.items())))

    def _without_constants(self, counts: dict[int, int], constants: list[int]) -> dict[int, int]:
        """The constants as one, if folding them is exact."""
        fn, name = self.kind
        dtype = as_dtype(name)
        values = [(self.terms.keys[t][3], counts[t]) for t in constants]
        total = _folded(fn, dtype, values)
        if total is None:
            return counts
        out = {t: n for t, n in counts.items() if t not in constants}
        single = self.terms.constant(total, name)
        if single != self.neutral:
            out[single] = 1
        return out


class Folding:
    """A fold over tuples, or in an order, that is still growing: operands of a general combiner."""

    __slots__ = ("combiner", "items", "terms")

    def __init__(self, terms: Terms, combiner: Combiner) -> None:
        self.terms = terms
        self.combiner = combiner
        self.items: list[tuple[int, ...]] = []

    def add(self, operand: tuple[int, ...]) -> None:
        """One more operand, at the end."""
        keys = [self.terms.keys[term] for term in operand]
        if all(key[:3] == ("part", id(self.combiner), n) for n, key in enumerate(keys)):
            if all(key[3] == keys[0][3] for key in keys):
                self.items.extend(keys[0][3])
                if len(self.items) > LONGEST:  # a result folded into itself doubles each time
                    raise NotCovered("a fold of folds has too many operands")
                return
        neutral = tuple(self.terms.constant(c.value, c.dtype.name) for c in self.combiner.identity)
        if operand != neutral:
            self.items.append(operand)

    def term(self, part: int) -> int:
        """Result number ``part``."""
        items = self.items
        if any(UNWRITTEN in item for item in items):
            return UNWRITTEN
        if not items:
            neutral = self.combiner.identity[part]
            return self.terms.constant(neutral.value, neutral.dtype.name)
        if len(items) == 1:
            return items[0][part]
        ordered = sorted(items) if self.combiner.commutative else items
        return self.terms.make("part", id(self.combiner), part, tuple(ordered), self.combiner.name)


def _folded(fn: str, dtype: DType, values: list[tuple[Any, int]]) -> Any:
    """The constants (value, how often) put together; None where that is not exact."""
    if not all(math.isfinite(value) for value, _ in values):
        return None
    if fn in ("maximum", "minimum"):
        return (max if fn == "maximum" else min)(value for value, _ in values)
    if fn in ("bitand", "bitor", "bitxor"):
        spread = [v for v, n in values for _ in range(n % 2 if fn == "bitxor" else 1)]
        out: Any = spread[0] if spread else 0
        for v in spread[1:]:
            out = out & v if fn == "bitand" else out | v if fn == "bitor" else out ^ v
        return out
    if fn == "mul" and any(n > 64 for _, n in values):
        return None
    if dtype.kind == "b":
        return None
    from fractions import Fraction

    total = Fraction(0 if fn == "add" else 1)
    for value, n in values:
        total = total + Fraction(value) * n if fn == "add" else total * Fraction(value) ** n
    if dtype.is_float:
        with silent():
            try:
                rounded = float(dtype.numpy.type(float(total)))
            except OverflowError:
                return None
        return rounded if math.isfinite(rounded) and Fraction(rounded) == total else None
    whole = int(total) % (1 << dtype.bits)
    return whole - (1 << dtype.bits) if whole > int(dtype.highest) else whole


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return array.item() if array.dtype.kind in "biuf" else float(array)


def term_text(terms: Terms, names: list[str], term: int, depth: int = 3) -> str:
    """A term as people write it, cut where it is long or deep."""
    key = terms.keys[term]

    def inner(part: int) -> str:
        return term_text(terms, names, part, depth - 1)

    if depth < 0 and key[0] not in ("const", "in", "unwritten"):
        return "..."
    match key:
        case ("unwritten",):
            return "a value that was never written"
        case ("in", int(position), tuple(element)):
            return f"{names[position]}[{', '.join(map(str, element)) or '()'}]"
        case ("const", _, str(text), _):
            return text
        case ("fold", (str(fn), _), tuple(items)):
            shown = [inner(t) + (f" ({n} times)" if n > 1 else "") for t, n in items[:3]]
            if len(items) > 3:
                shown.append(f"... ({len(items)} operands)")
            infix = SCALAR_FNS[fn].infix
            return f"({f' {infix} '.join(shown)})" if infix else f"{fn}({', '.join(shown)})"
        case ("part", _, int(part), tuple(items), str(name)):
            return f"part {part} of {name} over {len(items)} operands"
        case ("select", c, a, b):
            return f"({inner(a)} if {inner(c)} else {inner(b)})"
        case ("cast", str(dtype), value):
            return f"{dtype}({inner(value)})"
        case ("apply", str(fn), _, *args):
            return f"{fn}({', '.join(inner(a) for a in args)})"
        case _:
            return f"{key[0]} {key[1]}"
