"""Random programs of control flow: drawn, checked against plain Python, and made smaller."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import mlc
from mlc.testing.comparing import Outcome, compare, run
from mlc.testing.rounding import shaken

from . import flow_texts
from .compare import grouped
from .flow import CLASS, FIRST, Compound, Node, Writer, lines_of
from .flow_wider import CLASSES
from .flow_wider import RESULTS as WIDER_RESULTS
from .program import defined

RESULTS = (
    "n", "m", "c", "s", "v", "b", "q", "r", "p", "d", "e", "sorted(u)", "len(u)", "o.n", "o.total",
    "o.items", "y", "list(d)", "sum(q, 0.5)", "e.get(1)", "q[-1:]",
    *WIDER_RESULTS,
)  # fmt: skip
SHRINKING = 30.0  # seconds
LEFT = "return @"  # where a program ends early
RAISING = 0.15  # of the programs that raise an error are kept


@dataclass(frozen=True)
class FlowProgram:
    """A function of arrays and numbers whose body is ``nodes``; it returns ``results``."""

    nodes: tuple[Node, ...]
    arguments: tuple[Any, ...]
    results: tuple[str, ...]

    @property
    def source(self) -> str:
        """The program as a function called ``program``, with the class that it uses."""
        end = f"return {', '.join(self.results)},"
        body = [*(line.replace(LEFT, end) for line in lines_of(self.nodes)), end]
        head = f"{CLASS}\n\n" if any("Box(" in line for line in body) else ""
        if any(re.search(r"Tally|Deep\(|Stop", line) for line in body):
            head += f"{CLASSES}\n\n"
        if any("Level." in line for line in body):
            head += f"from enum import Enum\n\n{flow_texts.CLASSES}\n\n"
        lines = "".join(f"    {line}\n" for line in body)
        return f"{head}def program(x, k, a, t):\n{lines}"

    def function(self) -> Callable[..., Any]:
        """The program, with source that can be found."""
        return defined(self.source)


def draw_flow(seed: int, heard: Callable[[str], None] = lambda _: None) -> FlowProgram:
    """A program that plain Python runs, most often without an error."""
    rng = random.Random(seed)
    while True:
        program = _drawn(rng, seed % 5 == 1)
        error = _error_of(program)
        if error is None or error and rng.random() < RAISING:
            return program


def _drawn(rng: random.Random, texts: bool) -> FlowProgram:
    source = np.random.default_rng(rng.getrandbits(32))
    size = rng.choice((4, 5, 6, 24))
    x = source.integers(-8, 9, size) / 4
    k = source.integers(0, 6, rng.choice((4, 6)))
    a = source.integers(-8, 9, (3, 4)) / 4
    t = rng.choice((0.5, 2.0, np.float64(1.25)))
    writer = Writer(rng, texts)
    first = FIRST | flow_texts.FIRST if texts else FIRST
    nodes: list[Node] = [f"{name} = {value}" for name, value in first.items()]
    if rng.random() < 0.35:
        nodes.append(writer.function())
    ways = (LEFT,) if rng.random() < 0.3 else ()
    while writer.left > 0:
        nodes.append(writer.statement(3, (), ways))
    results = tuple(rng.sample(RESULTS, rng.randint(4, 9)))
    if texts:
        results += tuple(rng.sample(flow_texts.RESULTS, 5))
    return FlowProgram(tuple(nodes), (x, k, a, t), results)


def _error_of(program: FlowProgram) -> str | None:
    """The kind of error that plain Python ends with; None without one, "" where a program says
    nothing: it reads what is not bound, or its numbers grow without bound."""
    try:
        ran = run(program.function(), program.arguments)
    except (NameError, SyntaxError, TypeError):
        return ""
    except Exception as error:
        return type(error).__name__
    for _, value in (*ran[0], *ran[1]):
        found = np.asarray(value)
        if found.dtype.kind == "U":
            continue
        if found.dtype.kind not in "biufO" or found.dtype.kind != "O" and (abs(found) > 1e6).any():
            return ""
    return None


def check_flow(program: FlowProgram, target: str = "cpu") -> Outcome:
    """Runs ``program`` with and without ``mlc.jit``, twice with."""
    function = program.function()
    jitted = mlc.jit(function, target=target)
    near = lambda seed: shaken(function, seed)
    return grouped(compare(jitted, function, near, program.arguments))


def shrunk_flow(program: FlowProgram) -> FlowProgram:
    """``program`` with as few statements and results as it takes to be different."""
    before, end = _error_of(program), time.process_time() + SHRINKING
    tried = 0  # pieces before which nothing can be left out
    while time.process_time() < end:
        for n, one in enumerate(_all_smaller(program)):
            if n >= tried and _error_of(one) == before and _is_different(one):
                program, tried = one, max(n - 1, 1)
                break
        else:
            if not tried:
                break
            tried = 0
    return program


def _all_smaller(program: FlowProgram) -> Iterator[FlowProgram]:
    if len(program.results) > 1:
        for name in program.results:
            yield replace(program, results=(name,))
    for nodes in _smaller(program.nodes):
        yield replace(program, nodes=nodes)


def _is_different(program: FlowProgram) -> bool:
    try:
        outcome = check_flow(program)  # what reads unbound names is of no interest
        return outcome.kind == "different" and not isinstance(outcome.error, NameError)
    except Exception:
        return False


def _smaller(nodes: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    """``nodes`` with one statement less, one clause less, or the body of one in its place; the
    largest pieces first."""
    for n in reversed(range(len(nodes))):
        if not _is_end(nodes[n]):
            yield nodes[:n] + nodes[n + 1 :]
    for n, node in enumerate(nodes):
        if isinstance(node, str) or _is_end(node):
            continue
        for m, (head, body) in enumerate(node.clauses):
            if not head.startswith("def "):
                yield nodes[:n] + body + nodes[n + 1 :]
            if m:
                rest = Compound(node.clauses[:m] + node.clauses[m + 1 :])
                yield (*nodes[:n], rest, *nodes[n + 1 :])
            for inner in _smaller(body):
                clauses = (*node.clauses[:m], (head, inner), *node.clauses[m + 1 :])
                yield (*nodes[:n], Compound(clauses), *nodes[n + 1 :])


def _is_end(node: Node) -> bool:
    """Whether ``node`` counts the rounds of a loop, which would have no end without."""
    text = node if isinstance(node, str) else node.clauses[0][0]
    return re.match(r"(if )?w\d", text) is not None
