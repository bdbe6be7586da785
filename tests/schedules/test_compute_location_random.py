"""Random programs and random steps: what is accepted keeps the meaning, at every step."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from mlc import te
from mlc.errors import ScheduleError
from mlc.ir.program import Program, blocks_of
from mlc.schedules.schedule import Schedule
from mlc.te.program import Nest, Tiling, create_program
from tests.ir.samples import program_of
from tests.schedules.programs import same_results

STEPS = (
    "split",
    "reorder",
    "fuse",
    "parallel",
    "decompose_reduction",
    "compute_at",
    "reverse_compute_at",
    "compute_inline",
    "reverse_compute_inline",
    "rfactor",
)


def random_program(rng: random.Random) -> Program:
    """Two to four stages over small arrays: sums, neighbours, transpositions, broadcasts, pads."""
    shape = tuple(rng.choice((2, 3, 4, 5)) for _ in range(rng.choice((1, 2, 2))))
    x = te.placeholder(shape, "float32", name="x")
    made: list[Any] = [x]
    for n in range(rng.randint(2, 4)):
        made.append(random_stage(rng, made, f"s{n}"))
    used = {source for tensor in made[1:] for source in tensor.inputs}
    outputs = [tensor for tensor in made[1:] if tensor not in used]
    return program_of("random", outputs, [x])


def random_stage(rng: random.Random, made: list[Any], name: str) -> Any:
    a = made[-1] if rng.random() < 0.8 else rng.choice(made)
    kind = rng.choice(("map", "map", "sum", "near", "turn", "pad", "both", "max"))
    if kind == "near" and a.shape[0] > 2:
        size = (a.shape[0] - 1, *a.shape[1:])
        return te.compute(size, lambda *i: a[i] + a[(i[0] + 1, *i[1:])] * 2, name=name)
    if kind == "turn" and len(a.shape) == 2:
        return te.compute(a.shape[::-1], lambda i, j: a[j, i] + 1, name=name)
    if kind in ("sum", "max"):
        last = a.shape[-1]
        k = te.reduce_axis(last, "k")
        fold = te.sum if kind == "sum" else te.max
        if len(a.shape) == 2:
            return te.compute(a.shape[:1], lambda i: fold(a[i, k], axis=k), name=name)
        return te.compute((3,), lambda i: fold(a[k] * (i + 1), axis=k), name=name)
    if kind == "pad":
        n = a.shape[0]
        return te.compute(
            (n + 2, *a.shape[1:]),
            lambda *i: te.select((i[0] >= 1) & (i[0] < n + 1), a[(i[0] - 1, *i[1:])], 0.0),
            name=name,
        )
    same = [t for t in made if t.shape == a.shape and t is not a]
    if kind == "both" and same:
        b = rng.choice(same)
        return te.compute(a.shape, lambda *i: a[i] - b[i], name=name)
    return te.compute(a.shape, lambda *i: a[i] * 2 - 1, name=name)


def random_tiled_program(rng: random.Random) -> Program:
    """Stages that share a loop over tiles, with memory for one tile."""
    n, width = rng.choice((3, 4, 5, 6)), rng.choice((2, 3, 4))
    x = te.placeholder((n, width), "float32", name="x")
    made: list[Any] = [x]
    for q in range(rng.randint(2, 4)):
        made.append(tiled_stage(rng, x, made[-1], f"s{q}"))
    used = {source for tensor in made[1:] for source in tensor.inputs}
    outputs = [tensor for tensor in made[1:] if tensor not in used]
    nests = [Nest((tensor,), tensor.op) for tensor in made[1:]]
    return create_program("tiled", nests, [x], outputs, Tiling((rng.choice((1, 2, 3, 4)),)))


def tiled_stage(rng: random.Random, x: Any, a: Any, name: str) -> Any:
    if len(a.shape) == 1:
        return te.compute(x.shape, lambda i, j: x[i, j] - a[i], name=name)
    match rng.choice(("map", "shift", "sum")):
        case "sum":
            k = te.reduce_axis(a.shape[1], "k")
            return te.compute(a.shape[:1], lambda i: te.sum(a[i, k], axis=k), name=name)
        case "shift":
            return te.compute(
                a.shape, lambda i, j: te.select(j >= 1, a[i, j - 1], 0.5) + a[i, j], name=name
            )
        case _:
            return te.compute(a.shape, lambda i, j: a[i, j] * 2 + 1, name=name)


def random_step(rng: random.Random, s: Schedule) -> str:
    """Takes one step that may well be refused; returns its name."""
    names = [block.name for block in blocks_of(s.program.body)]
    block, name = rng.choice(names), rng.choice(STEPS)
    loops = s.loops(block)
    if name in ("compute_inline", "reverse_compute_inline"):
        getattr(s, name)(block)
        return name
    if not loops:
        raise ScheduleError("no loops")
    loop = rng.choice(loops)
    match name:
        case "split":
            s.split(loop, rng.choice(([None, 2], [None, 3], [2, None])))
        case "reorder":
            chosen = rng.sample(loops, min(len(loops), 2))
            s.reorder(*chosen)
        case "fuse":
            n = rng.randrange(len(loops))
            s.fuse(loops[n - 1], loops[n])
        case "parallel":
            s.parallel(loop)
        case "compute_at" | "reverse_compute_at":
            other = s.loops(rng.choice(names))
            if not other:
                raise ScheduleError("no loops")
            getattr(s, name)(block, rng.choice(other))
        case "decompose_reduction":
            s.decompose_reduction(block, loop)
        case _:
            s.rfactor(loop, rng.randint(0, 1))
    return name


def run(seed: int, attempts: int = 14) -> Counter[str]:
    """Random steps on a random program, each accepted one checked; how often each was taken."""
    rng = random.Random(seed)
    before = (random_tiled_program if seed % 4 == 3 else random_program)(rng)
    s = Schedule(before)
    taken: Counter[str] = Counter()
    for _ in range(attempts):
        try:
            taken[random_step(rng, s)] += 1
        except ScheduleError:
            taken["refused"] += 1
            continue
        try:
            same_results(before, s.program)
        except Exception as error:
            raise AssertionError(f"seed {seed}:\n{before}\n{s}\n{s.program}") from error
    return taken


@pytest.mark.unproven
@pytest.mark.parametrize("group", range(4))
def test_accepted_steps_keep_the_meaning(group: int) -> None:
    taken: Counter[str] = Counter()
    for seed in range(group * 25, group * 25 + 25):
        taken += run(seed)
    assert taken["refused"] > 20
    assert sum(taken[name] for name in STEPS[4:]) > 20
