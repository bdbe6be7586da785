"""Spaces: what templates draw is legal, computes the same, and can be drawn again."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.compile_program import compile_program
from mlc.ir.program import Program
from mlc.ir.structural import structural_key
from mlc.schedules.schedule import Schedule
from mlc.tune.candidate import DEFAULT, Candidate
from mlc.tune.measure.building import Built, build, native_text, request_for, traced_back
from mlc.tune.measure.frames import unpack
from mlc.tune.pasting import is_replayed
from mlc.tune.space import Space, Template
from mlc.tune.spaces.structural import structural_space
from mlc.tune.tape import Tape, tiles
from mlc.tune.workload import workload_of, workloads_of

rng = np.random.default_rng(7)


def floats(*shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape).astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def norm(x):
    m = x.mean(-1, keepdims=True)
    return (x - m) / np.sqrt(((x - m) ** 2).mean(-1, keepdims=True) + 1e-5)


CASES: dict[str, tuple[Callable, tuple[np.ndarray, ...]]] = {
    "product, epilogue": (
        lambda a, b: np.maximum(a @ b + 1, 0),
        (floats(37, 50), floats(50, 45)),
    ),
    "transposed operand": (lambda a, b: a @ b.T, (floats(40, 33), floats(24, 33))),
    "batch of products": (lambda a, b: a @ b, (floats(3, 20, 17), floats(3, 17, 40))),
    "convolution": (
        lambda i, w: np.maximum(mlc.nn.conv2d(i, w), 0),
        (floats(1, 3, 14, 20), floats(8, 3, 3, 3)),
    ),
    "softmax": (softmax, (floats(24, 300),)),
    "norm": (norm, (floats(20, 150),)),
    "columns": (lambda x: x.sum(0), (floats(70, 90),)),
    "rows": (lambda x: x.max(1), (floats(30, 400),)),
    "elements": (lambda x, y: np.tanh(x) * y + 1, (floats(30, 50), floats(50))),
    "transpose": (lambda x: x.T + 1, (floats(65, 40),)),
    "matrix times vector": (lambda a, x: np.tanh(a @ x), (floats(37, 150), floats(150))),
    "rows times rows": (lambda a, b: a @ b.T + 1, (floats(9, 140), floats(13, 140))),
    "distances": (
        lambda a, b: np.abs(a[:, None] - b[None]).max(-1),
        (floats(11, 129), floats(6, 129)),
    ),
    "integers": (lambda x: (x * 3).sum(1), (np.arange(600, dtype=np.int32).reshape(20, 30),)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_drawn_computes_the_same(name: str) -> None:
    function, arrays = CASES[name]
    compiled = mlc.jit(function).lower(*arrays).compiled
    for workload in workloads_of(compiled, arrays):
        space = structural_space(workload)
        draw = random.Random(3)
        drawn = [*space.seeds(draw), *(space.sample(draw) for _ in range(5))]
        legal = [candidate for candidate in drawn if candidate is not None]
        assert len(legal) >= 3, space.refusals
        inputs = workload.arguments()
        wanted = compile_program(workload.default).run(inputs)
        for candidate in legal:
            found = compile_program(candidate.program(workload)).run(inputs)
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4, err_msg=candidate.origin)


def product(m: int = 64, n: int = 64, k: int = 64) -> Program:
    @T.program
    def mm(A: T.Buffer((m, k)), B: T.Buffer((k, n)), C: T.Buffer((m, n))):
        for i, j, l in T.grid(m, n, k):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, l])
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

    return mm


def tiled(s: Schedule) -> None:
    i, j, k = s.loops("C")
    a, b = s.sample_perfect_tile(i, 2, max_innermost=8)
    i0, i1 = s.split(i, [a, b])
    width = s.sample_categorical([4, 8, 16], [0.2, 0.5, 0.3])
    _, j1 = s.split(j, [None, width])
    s.reorder(i0, k, i1, j1)
    s.vectorize(j1)
    if b > 1:
        s.unroll(i1)


@pytest.fixture
def space() -> Space:
    return Space(workload_of(product()), [Template("tiled", tiled)])


def test_a_candidate_travels_as_text(space: Space) -> None:
    candidate = space.sample(random.Random(0))
    assert candidate is not None
    again = Schedule.from_json(space.workload.program, candidate.trace).program
    assert structural_key(again) == structural_key(candidate.program(space.workload))
    assert candidate.decisions[0] == "tiled" and len(candidate.decisions) == 3


def test_the_same_seed_draws_the_same(space: Space) -> None:
    one = [space.sample(random.Random(5)) for _ in range(4)]
    other = [space.sample(random.Random(5)) for _ in range(4)]
    assert one == other


@pytest.mark.parametrize("name", ["rows times rows", "matrix times vector"])
def test_folds_in_lanes_share_what_they_load(name: str) -> None:
    function, arrays = CASES[name]
    workload = workloads_of(mlc.jit(function).lower(*arrays).compiled, arrays)[0]
    space = structural_space(workload)
    assert "folds" in [template.name for template in space.templates]
    draw = random.Random(5)
    wanted = compile_program(workload.default).run(workload.arguments())
    made = [space.make("folds", (), draw, "test") for _ in range(8)]
    candidates = [candidate for candidate in made if candidate is not None]
    assert len(candidates) >= 6, space.refusals  # rows may be too short for the lanes there are
    for candidate in candidates:
        found = compile_program(candidate.program(workload)).run(workload.arguments())
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["softmax", "rows times rows"])
def test_builders_make_the_program_that_was_drawn(name: str) -> None:
    function, arrays = CASES[name]
    workload = workloads_of(mlc.jit(function).lower(*arrays).compiled, arrays)[0]
    for candidate in structural_space(workload).seeds(random.Random(0)):
        request = request_for(candidate, workload, workload.program.script())
        shipped = request_for(candidate, workload, workload.program.script(), is_child=True)
        assert Built.from_bytes(build(shipped)).image == Built.from_bytes(build(request)).image
        header, (script,) = unpack(request)
        assert header["kind"] == "script"
        again = traced_back(script.decode(), header["name"])
        assert native_text(again) == native_text(candidate.program(workload))
        assert is_replayed(candidate, workload)


@pytest.mark.parametrize("decisions", [(0, 0, 1), (0, 1, 4), (1, 1, 2), (2, 1, 0)])
def test_a_drawn_program_and_its_script_are_lowered_alike(decisions: tuple[int, ...]) -> None:
    function, arrays = CASES["rows times rows"]
    workload = workloads_of(mlc.jit(function).lower(*arrays).compiled, arrays)[0]
    candidate = structural_space(workload).make("folds", decisions, random.Random(0), "test")
    assert candidate is not None
    asked = len(candidate.decisions)  # short vectors leave less to decide
    assert asked >= 3 and candidate.decisions == ("folds", *decisions)[:asked]
    drawn = candidate.program(workload)  # what it allocates in two steps, the script has in one
    assert native_text(traced_back(drawn.script(), drawn.name)) == native_text(drawn)


def test_a_schedule_that_gives_another_program_is_not_named(space: Space) -> None:
    one, other = (
        space.make("tiled", ((64, 1), 0), random.Random(0), ""),
        space.make("tiled", ((8, 8), 2), random.Random(0), ""),
    )
    assert one is not None and other is not None
    assert is_replayed(one, space.workload)
    mixed = Candidate("trace", other.trace, _made=[one.program(space.workload)])
    assert not is_replayed(mixed, space.workload)


def test_a_mutation_changes_what_it_should(space: Space) -> None:
    draw = random.Random(1)
    parent = space.sample(draw)
    assert parent is not None
    for _ in range(20):
        child = space.mutate(parent, draw)
        assert child is not None
        pairs = zip(child.decisions, parent.decisions, strict=True)
        assert sum(a != b for a, b in pairs) == 1


def test_a_crossover_takes_from_both(space: Space) -> None:
    draw = random.Random(2)
    one, other = (
        space.make("tiled", ((64, 1), 0), draw, ""),
        space.make("tiled", ((8, 8), 2), draw, ""),
    )
    assert one is not None and other is not None
    seen = {space.crossover(one, other, draw).decisions for _ in range(30)}  # type: ignore[union-attr]
    allowed = {("tiled", a, b) for a in ((64, 1), (8, 8)) for b in (0, 2)}
    assert seen == allowed - {one.decisions, other.decisions}


def test_neighbours_are_one_place_away(space: Space) -> None:
    draw = random.Random(3)
    middle = space.make("tiled", ((16, 4), 1), draw, "")
    assert middle is not None
    found = {candidate.decisions[1:] for candidate in space.neighbours(middle, draw)}
    assert found == {((32, 2), 1), ((8, 8), 1), ((16, 4), 0), ((16, 4), 2)}


def test_a_grid_has_every_candidate_once(space: Space) -> None:
    decisions = [candidate.decisions for candidate in space.grid()]
    assert len(decisions) == len(set(decisions)) == 4 * 3


def test_experts_come_first_and_choose_the_likeliest(space: Space) -> None:
    (seed,) = space.seeds(random.Random(0))
    assert seed.decisions[2] == 1


def test_refused_draws_are_counted() -> None:
    def wrong(s: Schedule) -> None:
        _, _, k = s.loops("C")
        if s.sample_categorical([0, 1]):
            s.parallel(k)

    space = Space(workload_of(product()), [Template("wrong", wrong)])
    draw = random.Random(0)
    found = [space.sample(draw) for _ in range(20)]
    assert None in found and any(found)
    assert sum(space.refusals.values()) == found.count(None)
    assert any("not independent" in rule for rule in space.refusals)


def test_mistakes_in_a_template_are_heard() -> None:
    def broken(s: Schedule) -> None:
        raise KeyError("mine")

    space = Space(workload_of(product()), [Template("broken", broken)])
    with pytest.raises(KeyError, match="mine"):
        space.sample(random.Random(0))


def test_a_place_to_compute_at_is_sampled() -> None:
    x = floats(16, 16)
    compiled = mlc.jit(lambda x: np.exp(x).sum(1) + 1).lower(x).compiled
    (workload,) = workloads_of(compiled, [x])
    name = Schedule(workload.program).blocks()[-1].name

    def placed(s: Schedule) -> None:
        before = s.producers(name)[0].name
        s.compute_at(before, s.sample_compute_location(before))

    space = Space(workload, [Template("placed", placed)])
    assert {c.decisions[1] for c in space.grid()} == {-1, 2}


def test_tiles_are_all_the_ways_to_factor() -> None:
    assert sorted(tiles(12, 2, 4)) == [(3, 4), (4, 3), (6, 2), (12, 1)]
    assert len(tiles(64, 3, 64)) == 28
    assert tiles(2**30, 6, 2**30) == ()  # too many


def test_what_does_not_fit_any_more_is_drawn() -> None:
    tape = Tape(random.Random(0), [(5, 5), 7])
    schedule = tape.schedule(product())
    tiled(schedule)
    (a, b), place = tape.decisions
    assert a * b == 64 and place in (0, 1, 2)


def test_a_workload_runs_like_its_kernel() -> None:
    a, b = floats(64, 48), floats(48, 40)
    function = mlc.jit(lambda a, b: np.tanh(a @ b))
    wanted = function(a, b)
    (workload,) = workloads_of(function.lower(a, b).compiled, [a, b])
    assert [p.name for p in workload.default.params] == [p.name for p in workload.program.params]
    assert DEFAULT.program(workload) is workload.default
    (found,) = compile_program(workload.default).run(workload.arguments())
    np.testing.assert_array_equal(found, wanted)


def test_kernels_of_one_structure_are_one_workload() -> None:
    def layers(x, w):
        for _ in range(3):
            x = np.tanh(x @ w)
        return x

    x, w = floats(20, 20), floats(20, 20)
    found = workloads_of(mlc.jit(layers).lower(x, w).compiled, [x, w])
    assert sum(workload.count for workload in found) == 3
    assert len(found) == 1
    np.testing.assert_array_equal(found[0].arguments()[0], x)
