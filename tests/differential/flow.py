"""Random control flow over Python's own things: loops of every kind with every way out of them,
lists, dicts, sets and tuples that grow and shrink, views, closures, objects, errors that are caught.

Numbers are kept small, halves and quarters, so that sums of them are exact in any order and what
differs is no rounding.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, Union

from . import flow_texts
from . import flow_wider as wider

Node = Union[str, "Compound"]


class Compound(NamedTuple):
    """Clauses of one statement: ``if`` and ``else``, ``try`` and ``except``, a loop, a ``def``."""

    clauses: tuple[tuple[str, tuple[Node, ...]], ...]


def lines_of(nodes: Sequence[Node]) -> list[str]:
    """The source lines of a block."""
    lines: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            lines += node.split("\n")
            continue
        for head, body in node.clauses:
            lines += [head, *(f"    {line}" for line in lines_of(body) or ["pass"])]
    return lines


# What a program begins with: {variable: its first value}. Of one letter each, and of one kind.
FIRST = {
    "n": "1", "m": "3", "c": "0",  # ints
    "s": "0.0", "v": "1.5",  # floats
    "b": "False",
    "q": "[0.5, 2.0]", "r": "[1, 4, 2]", "p": "[(1, 0.5)]",  # lists of floats, ints and pairs
    "d": "{1: 0.5, 3: 2.0}", "e": "{}", "u": "{1, 2}",  # dicts of floats and of ints, a set
    "o": "Box(2)", "y": "x * 2",
    **wider.FIRST,
}  # fmt: skip
CLASS = """class Box:
    def __init__(self, n):
        self.n = n
        self.total = 0.5
        self.items = []

    def add(self, v):
        self.total = self.total * 0.5 + v
        if v > 1:
            self.n += 1
        return self.total

    def keep(self, v):
        self.items.append(v)
        return len(self.items)

    def drop(self):
        if not self.items:
            return 0.25
        return self.items.pop()

    def over(self, limit):
        return self.total > limit
"""
_LOOPS = ("i", "j", "l")
_INTS = (
    "{N}", "{N}", "{N}", "{i}", "{i}", "len({L})", "len(u)", "len(d)", "len(x)", "k[{at k}]", "r[{at r}]",
    "int({B2})", "o.n", "e.get({I}, 0)", "sum(r)", "len(p)", "int(x.argmax())", "p[{at p}][0]",
    "{I} + {I}", "{I} - {I}", "{I} * 2", "{I} % 3", "{I} // 2", "abs({I})", "min({I}, {I})", "max({I}, {N})",
    "({I} if {B} else {I})", "sum(1 for w in q if w > {f})", "int({F} % 4.0)", "sum(k)", "r.count({I})",
    "max(r, default=0)", "len(o.items)", "sum(i for i in r if i % 2)", "int((x > {f}).sum())",
    *wider.INTS,
)  # fmt: skip
_FLOATS = (
    "s", "v", "s", "v", "{f}", "x[{at x}]", "y[{at y}]", "x[{at x}]", "q[{at q}]", "a[{at a}, 0]", "t",
    "d.get({I}, 0.25)", "o.total", "sum(q, 0.5)", "x.sum()", "y.max()", "p[{at p}][1]", "a[{at a}].sum()",
    "{F} + {F}", "{F} - {F}", "{F} * 0.5", "-{F}", "abs({F})", "max({F}, {F})", "min({F}, {f})",
    "({F} if {B} else {F})", "{F} * {N}", "{F} % 2.0", "float({I})", "sum(w * 0.5 for w in x)",
    "sum(d.values(), 0.0)", "max(q, default=-1.0)", "x[{at x}:].sum()", "min(x)", "round({F})* 1.0",
    *wider.FLOATS,
)  # fmt: skip
_TESTS = (
    "{F} > {f}", "{F} < {F}", "x[{at x}] > {f}", "{I} < {I}", "{I} == {I}", "n % 3 == 1", "m > n", "{I} in u",
    "{I} in d", "{I} not in r", "q", "not q", "b", "not b", "{B} and {B}", "{B} or {B}", "not ({B})",
    "{f} < {F} <= 3", "o.over({f})", "(x > {f}).any()", "any(w > {f} for w in q)", "{I} % 2", "len(q) > {I}",
    "all(w < {f} for w in x)", "s != v", "{I} in e", "d", "bool(u)", "r and r[-1] > {I}", "x.min() < {f}",
    "q[-1:] == [{f}]", "r == sorted(r)", "p and p[-1][0] > {I}",
    *wider.TESTS,
)  # fmt: skip
_STATEMENTS = (
    "n += 1", "n = {I} % 7", "m = ({I}) % 5", "n, m = m, n", "c += {I} % 3", "m = abs({I} - {I}) % 9", "n -= {i}",
    "s = s * 0.5 + {F}", "s += {F} % 2.0", "v = {F} % 4.0", "s, v = v, s", "s -= 0.5", "v = s if {B} else 1.0",
    "b = {B2}", "b = not b", "b |= {B2}", "s = max(s, {F}) % 8.0", "n = max(n, {I}) % 10", "c = c * 2 % 11",
    "x[{at x}] = {F} % 4.0", "x[{at x}] += 0.5", "x[{at x}:] -= 0.25", "x[::2] *= 0.5", "x[1:] += x[:-1] * 0.5",
    "x[:{I} % 4] = s", "x[x > {f}] = v", "y[:] = x[::-1]", "y = x * 0.5 + y", "y = np.where(x > s, x, 0.5)",
    "x[{at x}], x[{at x}] = x[{at x}], {F} % 2.0", "a[{at a}] += x[0]", "a[{at a}, {N} % 3] = {F} % 3.0", "a[:, 1] *= 0.5",
    "k[{at k}] += 1", "k[{at k}] = {I} % 6", "y[{at y}] += k[{at k}]", "a[{at a}], a[0] = a[0].copy(), a[1] * 1",
    "q.append({F} % 4.0)", "q.append({F} % 4.0)", "if q:\n    s += q.pop()", "if q:\n    v = q.pop(0)", "q.insert(0, s)",
    "q.extend([v, {f}])", "if q:\n    q[{at q}] = {F} % 2.0", "q.reverse()", "q.sort()", "q = q[:6]", "q = q[::-1]",
    "del q[:1]", "q = [w * 0.5 for w in q if w > {f}]", "q += [{F} % 2.0]", "q = sorted(q)[:5]", "q[1:3] = [s]",
    "r.append({I} % 6)", "r = [w for w in r if w % 2 == {N} % 2]", "r = [w + 1 for w in range({I} % 5)]", "r = r[:5] + [m % 4]",
    "if r:\n    n = r.pop() % 7", "r.sort(reverse={B2})", "r = [w % 5 for w in k if w > {N}]", "if {N} in r:\n    r.remove({N})",
    "p.append(({I} % 5, {F} % 2.0))", "if p:\n    m, v = p.pop()", "p = sorted(p)[:4]", "p = [(g + 1, w * 0.5) for g, w in p if g < 4]",
    "d[{I} % 5] = {F} % 4.0", "d[{I} % 5] = d.get({I} % 5, 0.0) * 0.5 + {f}", "s += d.pop({I} % 5, 0.25)", "d.setdefault({I} % 4, v)",
    "if {N} in d:\n    del d[{N}]", "d = {{g: w * 0.5 for g, w in d.items() if w > {f}}}", "if d:\n    v = max(d.values())",
    "e[{I} % 4] = e.get({I} % 4, 0) + 1", "e[{I} % 3] = {I} % 5", "if e:\n    n = min(e) % 5", "e = {{w % 3: w for w in r}}",
    "u.add({I} % 6)", "u.discard({I} % 6)", "u |= {{{I} % 6}}", "u = {{w % 4 for w in k}}", "u -= {{{N}}}", "m = len(u & {{1, 2, 3}})",
    "s += o.add({F} % 2.0)", "n = o.keep({F} % 3.0) % 6", "v = o.drop()", "o.n = {I} % 5", "o.total -= {F} % 1.0", "o = Box({I} % 4)",
    "(n, m), c = (m, n), {I} % 9", "s = v = {F} % 3.0", "n = m = {I} % 4", "if (g := {I} % 5) > 2:\n    c += g",
    "z = x[1:4]\nz += {f}\nz[0] = s", "z = a[{at a}]\nz[1:] = v", "z = x[::-1]\nz[0], z[1] = {f}, s", "z = x\nz[{at x}] = 1.0",
    "z = [w for w in x]\ns += z[0]", "z = q\nz.append(0.5)", "y = x.copy()\ny[{at y}] = s", "y = np.array([w * 0.5 for w in x])",
    "y = np.array([s, v, *x[2:]])", "z = list(zip(r, q))\nc += len(z)", "z = [[0] * 2 for _ in range(3)]\nz[{at z}][n % 2] = m\nc += sum(map(sum, z)) % 5",
    "*z, s = [v, {F} % 2.0, s]\nc += len(z)", "q, z = q[:2], q[2:]\nc += len(z)", "assert len(x) > 1, 'too short'",
    *wider.STATEMENTS,
)  # fmt: skip
_HELPED = (
    "s = h({F} % 3.0, {I} % 4)",
    "s += h(v, {N})",
    "v = h(s, n % 3) % 4.0",
    "q.append(h(v, m % 4) % 2.0)",
    "x[{at x}] = h(x[{at x}], {N})",
)
_SPANS = (
    "{N}", "len(x)", "1, len(x)", "5, 0, -2", "n % 4", "{I} % 5", "len(q)", "len(x) - 1, -1, -1", "m % 3, 5", "2, {I} % 6",
)  # fmt: skip
_HEADS = (
    "for {w} in x:", "for {w} in q[:5]:", "for {w} in sorted(q)[:4]:", "for {w} in list(d.values()):", "for {w} in reversed(x):",
    "for {w} in (s, {f}, 1.0):", "for {w} in a[{at a}]:",
    *wider.HEADS,
)  # fmt: skip
_COUNTED = (
    "for {j} in k:", "for {j} in r[:5]:", "for {j} in (2, 0, n):", "for {j} in sorted(u):", "for {j} in list(d):", "for {j} in sorted(e):",
    "for {j} in reversed(range({N})):", "for {j} in list(e.values()):",
    *wider.COUNTED,
)  # fmt: skip
_PAIRED = (
    "for {j}, {w} in enumerate(x):", "for {j}, {w} in zip(k, x):", "for {w}, {j} in zip(q, range(4)):", "for {j}, {w} in list(d.items()):",
    "for {j}, {w} in p[:4]:", "for {j}, {w} in enumerate(q[:4], 1):", "for {j}, {w} in zip(r, x[::-1]):", "for {j}, {w} in enumerate(a[:, 0]):",
    "for {j}, ({w}, _) in enumerate(zip(x, y)):", "for {w}, {j} in sorted(zip(x, k)):",
    *wider.PAIRED,
)  # fmt: skip
_FAILING = (
    "raise ValueError('no')", "raise KeyError(n)", "s += q[n]", "s += d[m]", "n = 7 % m", "s = 1.0 / n", "r.remove(n)", "n = r.index(m)",
    "v = q.pop()", "raise IndexError", "n = int('7')", "s += x[n + 9]", "assert n < 3", "m = next(iter(u))", "v = min(q)",
    *wider.FAILING,
)  # fmt: skip
_CAUGHT = (
    "except ValueError:", "except (IndexError, KeyError):", "except (ValueError, ZeroDivisionError):", "except LookupError:",
    "except Exception:", "except (AssertionError, ValueError, LookupError, ArithmeticError):",
    *wider.CAUGHT,
)  # fmt: skip


class Writer:
    """Writes the body of one function; ``loops`` are the counters of the loops around."""

    def __init__(self, rng: random.Random, texts: bool = False) -> None:
        self.rng, self.texts = rng, texts
        self.left = rng.randint(5, 16)  # statements
        self.fuels = 0
        self.helper = False

    def filled(self, template: str, loops: tuple[str, ...], depth: int = 2) -> str:
        """``template`` with its places filled: ``{I}`` an int, ``{F}`` a float, ``{B}`` a condition,
        ``{B2}`` one that is a bool, ``{at x}`` a place in ``x``, ``{N}`` and ``{f}`` numbers."""
        made = ""
        while template:
            head, brace, template = template.partition("{")
            made += head.replace("}}", "}")
            if not brace:
                break
            if template.startswith("{"):
                made, template = made + "{", template[1:]
                continue
            place, _, template = template.partition("}")
            made += self.place(place, loops, depth)
        return made

    def place(self, place: str, loops: tuple[str, ...], depth: int) -> str:
        rng = self.rng
        if place.startswith("at "):
            return self.at(place[3:], loops)
        if place == "N":
            return str(rng.randint(0, 4))
        if place == "f":
            return rng.choice(("0.5", "1.0", "-0.5", "2.0", "0.25", "1.5"))
        if place == "i":
            return rng.choice(loops) if loops and rng.random() < 0.8 else rng.choice(("n", "m"))
        if place == "L":
            return rng.choice(("q", "r", "x", "p"))
        if place == "B2":
            return f"bool({self.filled(rng.choice(_TESTS), loops, depth - 1)})"
        if depth <= 0:
            return {
                "I": rng.choice(("n", "m", "1")),
                "F": rng.choice(("s", "v", "0.5")),
                "B": "s > v",
            }[place]
        found = {"I": _INTS, "F": _FLOATS, "B": _TESTS}[place]
        text = self.filled(rng.choice(found), loops, depth - 1)
        return f"({text})" if " " in text and not text.startswith("(") else text

    def at(self, owner: str, loops: tuple[str, ...]) -> str:
        """A place in ``owner`` that is there."""
        rng = self.rng
        if owner in "qrp":
            return (
                f"{rng.choice(('n', 'm', '0', *loops))} % len({owner})"
                if rng.random() < 0.6
                else rng.choice(("0", "-1"))
            )
        if owner == "z":
            return f"{rng.choice(('n', 'm'))} % 3"
        return rng.choice(
            (
                "0",
                "-1",
                "1",
                f"n % len({owner})",
                f"m % len({owner})",
                *(f"{i} % len({owner})" for i in loops),
            )
        )

    def block(
        self, depth: int, loops: tuple[str, ...], ways: Sequence[str] = ()
    ) -> tuple[Node, ...]:
        nodes: list[Node] = []
        for _ in range(self.rng.randint(1, 3)):
            nodes.append(self.statement(depth, loops, ways))
        while ways and self.rng.random() < 0.35:
            test = self.filled(self.rng.choice(_TESTS), loops)
            nodes.append(Compound(((f"if {test}:", (self.rng.choice(ways),)),)))
            nodes.append(self.statement(0, loops, ways))
        return tuple(nodes)

    def statement(self, depth: int, loops: tuple[str, ...], ways: Sequence[str] = ()) -> Node:
        self.left -= 1
        if self.texts and self.rng.random() < 0.35:
            return self.filled(self.rng.choice(flow_texts.STATEMENTS), loops)
        if depth and self.left > 0 and self.rng.random() < 0.5:
            makers = (
                self.branch,
                self.branch,
                self.loop,
                self.loop,
                self.loop,
                self.repeat,
                self.attempt,
                self.attempt,
                self.cases if self.rng.random() < 0.5 else self.context,
            )
            return self.rng.choice(makers)(depth - 1, loops, ways)
        if self.helper and self.rng.random() < 0.12:
            return self.filled(self.rng.choice(_HELPED), loops)
        return self.filled(self.rng.choice(_STATEMENTS), loops)

    def branch(self, depth: int, loops: tuple[str, ...], ways: Sequence[str]) -> Node:
        test = lambda: self.filled(self.rng.choice(_TESTS), loops)
        clauses = [(f"if {test()}:", self.block(depth, loops, ways))]
        if self.rng.random() < 0.25:
            clauses.append((f"elif {test()}:", self.block(depth, loops, ways)))
        if self.rng.random() < 0.5:
            clauses.append(("else:", self.block(depth, loops, ways)))
        return Compound(tuple(clauses))

    def cases(self, depth: int, loops: tuple[str, ...], ways: Sequence[str]) -> Node:
        """A ``match`` over a small number."""
        heads = ["case 0:", "case 1 | 3:", f"case g if g > {self.rng.randint(0, 3)}:", "case _:"]
        heads = [head for head in heads if self.rng.random() < 0.8] or heads
        clauses = tuple((head, self.block(min(depth, 1), loops, ways)) for head in heads)
        head = self.filled("match {I} % 4:", loops)
        return Compound(((head, (Compound(clauses),)),))

    def context(self, depth: int, loops: tuple[str, ...], ways: Sequence[str]) -> Node:
        return Compound((("with np.errstate(divide='ignore'):", self.block(depth, loops, ways)),))

    def loop(self, depth: int, loops: tuple[str, ...], ways: Sequence[str]) -> Node:
        j, w = _LOOPS[len(loops) % 3], ("fa", "fb", "fc")[len(loops) % 3]
        kind, inner = self.rng.random(), (*loops, j)
        if kind < 0.4:
            head = f"for {j} in range({self.filled(self.rng.choice(_SPANS), loops)}):"
        else:
            heads = self.rng.choice((_HEADS, _COUNTED, _PAIRED, _PAIRED))
            inner = loops if heads is _HEADS else inner
            head = self.rng.choice(heads).replace("{j}", j).replace("{w}", w)
            head = self.filled(head, loops)
        ways = ("break", "break", "continue", *(way for way in ways if way.startswith("return")))
        body = self.block(depth, inner, ways)
        if kind >= 0.4 and heads is not _COUNTED:
            body = (
                self.rng.choice(
                    (f"s += {w} * 0.5", f"v = {w}", f"q.append({w})", f"s = max(s, {w})")
                ),
                *body,
            )
        clauses = [(head, body)]
        if self.rng.random() < 0.15:
            clauses.append(("else:", self.block(0, loops)))
        return Compound(tuple(clauses))

    def repeat(self, depth: int, loops: tuple[str, ...], ways: Sequence[str]) -> Node:
        self.fuels += 1
        fuel, most = f"w{self.fuels}", self.rng.randint(1, 7)
        test = self.filled(self.rng.choice(_TESTS), loops)
        ways = ("break", "break", "continue", *(way for way in ways if way.startswith("return")))
        body = self.block(depth, (*loops, fuel), ways)
        if self.rng.random() < 0.5:
            clauses = [(f"while {fuel} < {most} and ({test}):", (f"{fuel} += 1", *body))]
        else:
            end = Compound(((f"if {fuel} > {most}:", ("break",)),))
            clauses = [
                (
                    f"while {test}:" if self.rng.random() < 0.7 else "while True:",
                    (f"{fuel} += 1", end, *body),
                )
            ]
        if self.rng.random() < 0.15:
            clauses.append(("else:", self.block(0, loops)))
        return Compound((("if True:", (f"{fuel} = 0", Compound(tuple(clauses)))),))

    def attempt(self, depth: int, loops: tuple[str, ...], ways: Sequence[str]) -> Node:
        rng = self.rng
        failing: Node = self.filled(rng.choice(_FAILING), loops)
        if rng.random() < 0.5:
            failing = Compound(((f"if {self.filled(rng.choice(_TESTS), loops)}:", (failing,)),))
        body = (*self.block(min(depth, 1), loops, ways), failing)
        clauses = [("try:", body if rng.random() < 0.7 else body[::-1])]
        if rng.random() < 0.3:
            head, told = rng.choice(wider.NAMED)
            clauses.append((head, (self.filled(told, loops), *self.block(0, loops, ways))))
        else:
            clauses.append((rng.choice(_CAUGHT), self.block(0, loops, ways)))
        if rng.random() < 0.2:
            clauses.append(("else:", self.block(0, loops)))
        if rng.random() < 0.2:
            clauses.append(("finally:", self.block(0, loops)))
        return Compound(tuple(clauses))

    def function(self) -> Node:
        """A helper ``h`` of a float and an int, which may change what is around it."""
        rng, self.helper = self.rng, False
        if rng.random() < 0.35:
            self.helper = True
            body = self.filled(rng.choice(wider.RECURSIVE), ())
            return Compound((("def h(f0, i0):", tuple(body.split("\n"))),))
        left, self.left = self.left, rng.randint(2, 6)
        outer = [name for name in ("s", "n", "v", "c", "b") if rng.random() < 0.3]
        fresh = [
            f"{name} = {FIRST[name]}"
            for name in ("s", "n", "v", "c", "b", "m")
            if name not in outer
        ]
        body: list[Node] = [f"nonlocal {', '.join(outer)}"] if outer else []
        renamed = rng.random() < 0.5
        owned = ("q", "r", "p", "d", "e", "u", "y", "o", *wider.FIRST)  # what a statement may bind
        body += [*fresh, *(f"{name} = {FIRST[name]}" for name in owned if renamed)]
        body += [f"nonlocal {', '.join(owned)}"] * (not renamed)
        ways = ("return s + i0", "return v", "return f0 * 0.5")
        body.sort(key=lambda line: not line.startswith("nonlocal"))
        while self.left > 0:
            body.append(self.statement(2, (), ways))
        body.append("return s * 0.5 + f0")
        self.left, self.helper = left, True
        return Compound((("def h(f0, i0):", tuple(body)),))
