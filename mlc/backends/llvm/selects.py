"""Selects of which a side is costly, or may not be evaluated in all lanes."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.expr import Apply, Expr, Select
from .builder import Builder, Chunk
from .emitter import Emitter
from .types import Value


def needed_by_both(e: Emitter, then: Expr, otherwise: Expr) -> list[Expr]:
    """What both sides of a select evaluate whatever the data are, the largest parts alone. It is
    evaluated before, once: else a chain of n selects, each of which reads the one before in both
    sides, would be written 2**n times."""
    one = set(_in_any_case(e, then))
    found: dict[Expr, None] = {}
    inside: set[Expr] = set()
    for node in _in_any_case(e, otherwise):
        if node in one:
            if node not in inside:
                found[node] = None
            inside.update(e.needed(node))
    return list(found)


def _in_any_case(e: Emitter, root: Expr) -> Iterator[Expr]:
    """``root`` and what it needs whatever the data are, users first, where it is costly or must be
    masked, and not at hand: all else is at hand in both sides of a select, if it is in one."""
    order: list[Expr] = []
    stack: list[tuple[Expr, bool]] = [(root, False)]
    seen: set[Expr] = set()
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
            continue
        facts = e.facts.of(node)
        if node in seen or not (facts.guarded or facts.costly) or e.has(node):
            continue
        seen.add(node)
        stack.append((node, True))
        stack.extend((child, False) for child in e.needed(node))
    return reversed(order)


def if_any(e: Emitter, mask: Value, expr: Expr) -> Value:
    """``expr``, evaluated only if a lane of ``mask`` is on."""
    name = e.name("y")
    any_lane = e.any_lane(mask)
    e.enter(conditional=True)
    e.line(f"br label %{name}")
    e.label(name)
    e.line(f"br i1 {any_lane.text}, label %{name}t, label %{name}x")
    e.label(f"{name}t")
    rare = e.rare
    e.rare |= isinstance(expr, Apply) and expr.fn == "rarely"
    value = e.value(expr)
    e.rare = rare
    e.leave()
    e.line(f"br label %{name}e")
    e.label(f"{name}e")
    e.line(f"br label %{name}x")
    e.label(f"{name}x")
    text = f"phi {value.type} [ {value.text}, %{name}e ], [ zeroinitializer, %{name} ]"
    return e.op(text, value.dtype, value.lanes)


def branch(e: Emitter, test: Value, expr: Select) -> Value:
    """A select of which one side is evaluated."""
    name = e.name("s")
    before: Chunk = []
    e.out.append(before)
    e.line(f"br i1 {test.text}, label %{name}t, label %{name}f")
    sides: list[Value] = []
    ends: list[Chunk] = []
    for suffix, side in (("t", expr.then), ("f", expr.otherwise)):
        e.label(name + suffix)
        e.enter(conditional=True, before=before)
        sides.append(e.value(side))
        e.leave()
        end: Chunk = []
        ends.append(end)
        e.out.append(end)
        e.line(f"br label %{name}{suffix}e")
        e.label(f"{name}{suffix}e")
        e.line(f"br label %{name}x")
    lanes = max(side.lanes for side in sides)
    out = e.out
    for i, end in enumerate(ends):
        e.out = end
        sides[i] = Builder.splat(e, sides[i], lanes)  # for this block alone
    e.out = out
    e.label(name + "x")
    a, b = sides
    return e.op(f"phi {a.type} [ {a.text}, %{name}te ], [ {b.text}, %{name}fe ]", a.dtype, lanes)
