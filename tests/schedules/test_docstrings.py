"""What the docstring of a step shows before and after is what the step does.

Both columns are run: those in plain Python on arrays, beside the program that the step makes, whose
loops must be the ones shown; those in script notation line by line against its script.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from mlc import script as T
from mlc.ir.interpret import interpret
from mlc.ir.program import Block, For, Program, walk
from mlc.schedules.lookup import step_names
from mlc.schedules.schedule import Schedule, step_module

COPY = """
for i in T.serial({0}):
    with T.block("B"):
        vi = T.axis.spatial({0}, i)
        B[vi] = A[vi]
"""
ROWS = """
for i, j in T.grid({0}, {1}):
    with T.block("B"):
        vi, vj = T.remap("SS", [i, j])
        B[vi, vj] = {2}
"""
STAGES = """
for i0 in T.serial(8):
    with T.block("B"):
        vi = T.axis.spatial(8, i0)
        B[vi] = A[vi] + 1
for i1 in T.serial(8):
    with T.block("C"):
        vi = T.axis.spatial(8, i1)
        C[vi] = B[vi] * 2
"""
PADDED = """
for i in T.serial(10):
    with T.block("P"):
        vi = T.axis.spatial(10, i)
        P[vi] = T.select((vi >= 1) & (vi < 9), A[vi - 1], 0.0)
"""
SUMS = """
for i, k in T.grid(8, 4):
    with T.block("C"):
        vi, vk = T.remap("SR", [i, k])
        with T.init():
            C[vi] = 0.0
        C[vi] += A[vi, vk]
"""
CUBE = """
for i, j, k in T.grid(4, 5, 6):
    with T.block("B"):
        vi, vj, vk = T.remap("SSS", [i, j, k])
        B[vi, vj, vk] = A[vi, vj, vk]
"""

RELU = """
Y = T.alloc((6,))
for j, k in T.grid(6, 5):
    with T.block("Y"):
        vj, vk = T.remap("SR", [j, k])
        with T.init():
            Y[vj] = 0.0
        Y[vj] += A[vk] * B[vk, vj]
for j in T.serial(6):
    with T.block("C"):
        vj = T.remap("S", [j])
        C[vj] = T.max(Y[vj], 0.0)
"""
SUM = """
for k0, k1 in T.grid(4, 32):
    with T.block("t"):
        vk = T.axis.reduce(128, k0 * 32 + k1)
        with T.init():
            t[0] = 0.0
        t[0] += x[vk]
"""

# Steps whose columns are plain Python: the shapes of the parameters, the program, the step.
PLAIN = {
    "cache_read": ({"A": 8, "B": 8}, COPY.format(8).replace("A[vi]", "A[vi] * 2"),
                   's.cache_read("B", "A", "local")'),
    "cache_write": ({"A": (8, 4), "C": 8}, SUMS, 's.cache_write("C", "C", "local")'),
    "cut_loop": ({"A": 8, "B": 8}, COPY.format(8), "s.cut_loop(i, 6)"),
    "decompose_padding": ({"A": 8, "P": 10}, PADDED, 's.decompose_padding("P", i)'),
    "fission": ({"A": 8, "B": 8, "C": 8}, STAGES,
                's.fission(s.merge(i0, i1), after="B")'),
    "fuse": ({"A": (4, 8), "B": (4, 8)}, ROWS.format(4, 8, "A[vi, vj]"), "s.fuse(i, j)"),
    "loop_partition": ({"A": 8, "B": 8}, COPY.format(8), "s.loop_partition(i, [1, 7])"),
    "merge": ({"A": 8, "B": 8, "C": 8}, STAGES, "s.merge(i0, i1)"),
    "reindex": ({"A": (4, 16), "B": (8, 4)}, ROWS.format(8, 4, "A[vj, vi * 2]"),
                's.reindex("B", "A")'),
    "sample_categorical": ({"A": 64, "B": 64}, COPY.format(64),
                           "s.split(i, [None, s.sample_categorical([4, 8, 16], decision=1)])"),
    "sample_perfect_tile": ({"A": 64, "B": 64}, COPY.format(64),
                            "s.split(i, s.sample_perfect_tile(i, 2, decision=[8, 8]))"),
    "split": ({"A": 10, "B": 10}, COPY.format(10), "s.split(i, [None, 4])"),
    "transform_block_layout": ({"A": (8, 6), "B": (8, 6)}, ROWS.format(8, 6, "A[vi, vj]"),
                               's.transform_block_layout("B", lambda i, j: (i * 6 + j,))'),
}  # fmt: skip

# Steps that show a loop and what is written around it.
MARKED = {
    "annotate": (COPY.format(64), 's.annotate(i, "unroll_depth", 4)'),
    "bind": (COPY.format(64), 's.bind(i, "threadIdx.x")'),
    "parallel": (COPY.format(64), "s.parallel(i)"),
    "prefetch": (COPY.format(64), 's.prefetch("B", "A", i, 4)'),
    "unannotate": (
        COPY.format(64).replace("(64)", "(64, annotations={'unroll_depth': 4})", 1),
        's.unannotate(i, "unroll_depth")',
    ),
    "unroll": (COPY.format(4), "s.unroll(i)"),
    "vectorize": (COPY.format(8).replace("i in", "j in").replace("8, i", "8, j"), "s.vectorize(j)"),
}

# Steps in script notation: the parameters, what stands before the left column, the step.
SCRIPTS = {
    "compute_at": (
        "x: T.Buffer(10), q: T.Buffer(8)", "p = T.alloc((10,))",
        's.compute_at("p", s.loops("q")[0])',
    ),
    "compute_inline": (
        "x: T.Buffer(8), q: T.Buffer(8)", "p = T.alloc((8,))", 's.compute_inline("p")',
    ),
    "decompose_reduction": (
        "A: T.Buffer(5), B: T.Buffer((5, 6)), Y: T.Buffer(6)", "",
        's.decompose_reduction("Y", k)',
    ),
    "reverse_compute_inline": (
        "x: T.Buffer(8), q: T.Buffer(8)", "p = T.alloc((8,))", 's.reverse_compute_inline("q")',
    ),
}  # fmt: skip


def columns(name: str) -> tuple[str, str]:
    """What the docstring of the step shows left and right of its first arrow."""
    lines = (getattr(step_module(name), name).__doc__ or "").splitlines()
    at = next(n for n, line in enumerate(lines) if " -> " in line)
    first = max(n for n in range(at) if not lines[n].strip()) + 1
    last = next((n for n in range(at, len(lines)) if not lines[n].strip()), len(lines))
    shown = lines[first:last]
    arrow = lines[at].index(" -> ") + 1
    gap = len(lines[at][arrow + 2 :]) - len(lines[at][arrow + 2 :].lstrip())
    begin = min(
        [arrow + 2 + gap]
        + [m.end() for line in shown if (m := re.match(r" {8,}(?=\S)", line)) and m.end() > arrow]
        + [m.end() for line in shown for m in re.finditer(r" {2,}(?=\S)", line) if m.end() > arrow]
    )
    left = [line[:arrow].rstrip() for line in shown]
    right = [line[begin:].rstrip() for line in shown]
    return tuple(_dedented(part) for part in (left, right))  # type: ignore[return-value]


def _dedented(lines: list[str]) -> str:
    kept = [line for line in lines if line.strip()]
    least = min(len(line) - len(line.lstrip()) for line in kept)
    return "\n".join(line[least:] for line in kept)


def extents_in(text: str) -> list[int]:
    """The extents of the loops of a text, in order."""
    found = re.findall(r"for [\w, ]+ in (?:T\.)?\w+\(([\d, ]+)", text)
    return [int(n) for part in found for n in part.split(",") if n.strip()]


def extents_of(program: Program) -> list[int]:
    return [stmt.extent for stmt in walk(program.body) if isinstance(stmt, For)]


def program_of(parameters: str, body: str) -> Program:
    """The program with that body, whose blocks are written in script notation."""
    indented = "\n".join("    " + line for line in body.splitlines())
    names: dict[str, Any] = {"T": T}
    exec(f"@T.program\ndef shown({parameters}):\n{indented}\n", names)
    program = names["shown"]
    assert isinstance(program, Program)
    return program


# Steps that leave bodies out: the parameters, the program, the step; their loops are compared.
LOOPS = {
    "reorder": (
        "A: T.Buffer((4, 5, 6)), B: T.Buffer((4, 5, 6))", CUBE, "s.reorder(k, i)",
    ),
    "reverse_compute_at": (
        "A: T.Buffer(5), B: T.Buffer((5, 6)), C: T.Buffer(6)", RELU,
        's.reverse_compute_at("C", s.loops("Y")[0])',
    ),
    "rfactor": ("x: T.Buffer(128), t: T.Buffer(1)", SUM, "s.rfactor(k0)"),
}  # fmt: skip


def taken(program: Program, call: str) -> Program:
    """The program after ``call``, in which loops go by their names."""
    s = Schedule(program)
    loops = {stmt.var.name: stmt.var for stmt in reversed(list(walk(program.body)))
             if isinstance(stmt, For)}  # fmt: skip
    eval(call, {"s": s, **loops})
    return s.program


def results_of(text: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """What a column that is plain Python makes of copies of ``arrays``."""
    names = {
        "grid": lambda *extents: product(*map(range, extents)),
        "alloc": lambda shape, **_: np.zeros(shape, "f4"),
        "select": lambda condition, then, otherwise: then if condition else otherwise,
        **{name: array.copy() for name, array in arrays.items()},
    }
    exec(text, names)
    return {name: names[name] for name in arrays}


@pytest.mark.parametrize("name", PLAIN)
def test_both_columns_compute_what_the_step_does(name: str) -> None:
    shapes, body, call = PLAIN[name]
    left, right = columns(name)
    before = program_of(", ".join(f"{b}: T.Buffer({n})" for b, n in shapes.items()), body)
    after = taken(before, call)
    if name != "fission":  # whose two statements are blocks of one loop
        assert extents_of(before) == extents_in(left)
    assert extents_of(after) == extents_in(right)
    rng = np.random.default_rng(0)
    arrays = {b: rng.integers(0, 9, n).astype("f4") for b, n in shapes.items()}
    # Python evaluates both sides of a select: indices that count for nothing must exist.
    want, shown = (
        results_of(left.replace("A[i - 1]", "A[(i - 1) % 8]"), arrays),
        results_of(right, arrays),
    )
    made = {b: array.copy() for b, array in arrays.items()}
    interpret(after, *made.values())
    for buffer in shapes:
        np.testing.assert_array_equal(shown[buffer], want[buffer])
        np.testing.assert_array_equal(made[buffer], want[buffer])


@pytest.mark.parametrize("name", MARKED)
def test_the_marked_loop_is_printed_as_shown(name: str) -> None:
    body, call = MARKED[name]
    left, right = columns(name)
    before = program_of("A: T.Buffer(64), B: T.Buffer(64)", body)
    for shown, program in ((left, before), (right, taken(before, call))):
        assert shown.replace(" range(", " T.serial(") in program.script()


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_after_the_step_read_as_shown(name: str) -> None:
    parameters, alloc, call = SCRIPTS[name]
    left, right = columns(name)
    before = program_of(parameters, f"{alloc}\n{left}")
    after = taken(before, call)
    assert extents_of(after) == extents_in(right)
    written = {line.strip() for line in after.script().splitlines()}
    for line in right.splitlines():
        assert line.strip() in written or line.strip().startswith("for "), after.script()


@pytest.mark.parametrize("name", LOOPS)
def test_loops_are_those_shown(name: str) -> None:
    parameters, body, call = LOOPS[name]
    left, right = columns(name)
    before = program_of(parameters, body)
    assert extents_of(before) == extents_in(left)
    after = taken(before, call)
    assert extents_of(after) == extents_in(right)
    blocks = [block.name for block in walk(after.body) if isinstance(block, Block)]
    assert blocks == (re.findall(r'T.block\("(\w+)"\)', right) or blocks)


def test_steps_whose_docstrings_are_read_exist() -> None:
    assert {*PLAIN, *MARKED, *SCRIPTS, *LOOPS} <= set(step_names())
