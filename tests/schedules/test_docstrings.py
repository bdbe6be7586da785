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

import mlc
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


@mlc.intrinsic
def tmm16(a: T.Buffer((16, 16)), b: T.Buffer((16, 16)), c: T.Buffer((16, 16))):
    for i, j, k in T.grid(16, 16, 16):
        c[i, j] += a[i, k] * b[k, j]


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

SQUARES = "A: T.Buffer((128, 128)), B: T.Buffer((128, 128)), C: T.Buffer((128, 128))"
TILES = """
for i_0, j_0, k_0, i_1, j_1, k_1 in T.grid(8, 8, 8, 16, 16, 16):
    with T.block("C"):
        vi = T.axis.spatial(128, i_0 * 16 + i_1)
        vj = T.axis.spatial(128, j_0 * 16 + j_1)
        vk = T.axis.reduce(128, k_0 * 16 + k_1)
        with T.init():
            C[vi, vj] = 0.0
        C[vi, vj] += A[vi, vk] * B[vk, vj]
"""
PRODUCT = """
for i, j, k in T.grid({0}, {0}, {0}):
    with T.block("C"):
        vi, vj, vk = T.remap("SSR", [i, j, k])
        with T.init():
            C[vi, vj] = 0.0
        C[vi, vj] += A[vi, vk] * B[vk, vj]
"""
STEPS = """
for k in T.serial(8):
    row = T.alloc((1,))
    with T.block("copy"):
        vk = T.axis.spatial(8, k)
        row[0] = A[vk]
    with T.block("add"):
        vk = T.axis.spatial(8, k)
        C[vk] = row[0] + 1.0
"""
KEPT = """
t = T.alloc({0})
for {1} in T.grid({2}):
    with T.block("t"):
        v = [T.axis.spatial(n, i) for n, i in zip([{2}], [{1}])]
        t[(*v,)] = A[(*v,)]
for {1} in T.grid({2}):
    with T.block("B"):
        v = [T.axis.spatial(n, i) for n, i in zip([{2}], [{1}])]
        B[(*v,)] = t[(*v,)]
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
    "transform_layout": (
        {"A": (32, 8), "B": (32, 8)},
        "t = T.alloc((32, 8))" + ROWS.format(32, 8, "A[vi, vj]").replace("B", "t")
        + ROWS.format(32, 8, "t[vi, vj]").lstrip("\n"),
        's.transform_layout("t", "t", lambda i, j: (i // 16, j, i % 16))',
    ),
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
    "sample_compute_location": (
        "A: T.Buffer(8), B: T.Buffer(8), C: T.Buffer(8)",
        STAGES.replace('"B"', '"p"').replace('"C"', '"q"'),
        's.compute_at("p", s.sample_compute_location("p", decision=1))',
    ),
}  # fmt: skip


# Steps whose texts are parts of scripts, "..." standing for any: the parameters, the program, what
# is done before the step, the step.
GRIDS = {"on_grid": (np.cumsum, "s.on_grid(threads=128)")}
PARTS = {
    "add_unit_loop": (
        "A: T.Buffer(1), B: T.Buffer(1)",
        'with T.block("B"):\n    B[0] = A[0] * 2', "", 's.add_unit_loop("B")',
    ),
    "double_buffer": (
        "A: T.Buffer(8), B: T.Buffer(8)", COPY.format(8),
        's.cache_read("B", "A", "shared")', 's.double_buffer("A_shared")',
    ),
    "set_scope": (
        "A: T.Buffer(8), B: T.Buffer(8)", KEPT.format("(8,)", "i", "8"), "",
        's.set_scope("t", "local")',
    ),
    "storage_align": (
        "A: T.Buffer((8, 32)), B: T.Buffer((8, 32))", KEPT.format("(8, 32)", "i, j", "8, 32"), "",
        's.storage_align("t", "t", 0, 32, 1)',
    ),
    "blockize": (SQUARES, TILES, "", "s.blockize(i_1)"),
    "tensorize": (
        SQUARES, TILES, 's.decompose_reduction(s.blockize(i_1), k_0)',
        's.tensorize("C_o", "tmm16")',
    ),
    "pad_einsum": (
        SQUARES.replace("128", "127"), PRODUCT.format(127), "", 's.pad_einsum("C", [16, 16, 16])',
    ),
    "pipeline": (
        "A: T.Buffer(8), C: T.Buffer(8)", STEPS, "", "s.pipeline(k, stages=[0, 1])",
    ),
}  # fmt: skip


def stacked(name: str) -> tuple[str, str]:
    """What the docstring shows before and after a line that ends with an arrow, or beside one."""
    paragraphs = (getattr(step_module(name), name).__doc__ or "").split("\n\n")
    at = next((n for n, part in enumerate(paragraphs) if part.endswith("->")), None)
    if at is None:
        return columns(name)
    return tuple(_dedented(paragraphs[n].splitlines()) for n in (at - 1, at + 1))  # type: ignore[return-value]


def is_part(shown: str, script: str) -> bool:
    """Whether the lines of ``shown`` stand in ``script`` in this order, indented as there; where
    "..." stands for lines others may be between, and "..." in a line is any text."""
    wanted = [line for line in shown.splitlines() if line.strip()]
    lines = script.splitlines()
    first = _pattern(wanted[0], 0)
    return any(
        _follows(wanted, lines[n:], len(line) - len(line.lstrip()))
        for n, line in enumerate(lines)
        if re.fullmatch(first, line.lstrip())
    )


def _follows(wanted: list[str], lines: list[str], margin: int) -> bool:
    at, is_open = 0, False
    for line in wanted:
        if line.strip() == "...":
            is_open = True
            continue
        found = re.compile(_pattern(line, margin))
        n = next((n for n in range(at, len(lines)) if found.fullmatch(lines[n])), None)
        if n is None or n > at and not is_open:
            return False
        at, is_open = n + 1, line.rstrip().endswith(": ...")
    return True


def _pattern(line: str, margin: int) -> str:
    text = line.removesuffix(" ...") if line.endswith(": ...") else line
    return " " * margin + ".*".join(map(re.escape, text.split("...")))


@pytest.mark.parametrize("name", PARTS)
def test_scripts_before_and_after_the_step_hold_what_is_shown(name: str) -> None:
    parameters, body, first, call = PARTS[name]
    before = taken(program_of(parameters, body), first)
    after = taken(before, call)
    left, right = stacked(name)
    assert is_part(left, before.script()), before.script()
    assert is_part(right, after.script()), after.script()
    assert not is_part(right, before.script())


def test_parts_of_scripts_are_found_in_order_and_in_their_place() -> None:
    script = "a:\n    b(1, 2)\n    c\n    d"
    assert is_part("b(...)\nc", script) and is_part("a: ...\n    d", script)
    assert is_part("a:\n    ...\n    d", script) and is_part("a:\n    b(1, ...", script)
    assert not is_part("c\nb(1, 2)", script)
    assert not is_part("a:\nb(1, 2)", script)
    assert not is_part("b(1, 2)\nd", script)


def taken(program: Program, call: str) -> Program:
    """The program after ``call``, in which loops go by their names."""
    s = Schedule(program)
    loops = {stmt.var.name: stmt.var for stmt in reversed(list(walk(program.body)))
             if isinstance(stmt, For)}  # fmt: skip
    if call:
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


@pytest.mark.parametrize("name", GRIDS)
def test_grids_are_those_shown(name: str) -> None:
    function, call = GRIDS[name]
    left, right = columns(name)
    (size,) = extents_in(left)
    lowered = mlc.jit(function, target="cuda-emulated").lower(np.zeros(size, np.float32))
    (kernel,) = lowered.compiled.kernels
    after = taken(kernel.program, call)
    shown = re.findall(r"T\.thread_binding\(\d+, '\w+\.x'\)", right)
    assert shown and all(text in after.script().replace('"', "'") for text in shown)


def test_the_docstring_of_every_step_is_read() -> None:
    """And there is no other step."""
    read = [*PLAIN, *MARKED, *SCRIPTS, *LOOPS, *PARTS, *GRIDS]
    assert sorted(read) == list(step_names())
