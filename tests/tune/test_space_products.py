"""What structural spaces decide about products: micro-kernels, tiles that do not fit, copies."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.compile_program import compile_program
from mlc.errors import NotProvenError
from mlc.ir import call_names
from mlc.schedules.refusal import Refusal
from mlc.schedules.schedule import Schedule
from mlc.schedules.steps.split import Split
from mlc.tune.candidate import Candidate
from mlc.tune.measure.building import Built, build, request_for
from mlc.tune.space import Space, Template
from mlc.tune.spaces.structural import structural_space
from mlc.tune.tape import Tape
from mlc.tune.workload import Workload, workloads_of

rng = np.random.default_rng(5)


def floats(*shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape).astype(np.float32)


def workload_for(function: Callable[..., Any], *arrays: np.ndarray) -> Workload:
    (workload,) = workloads_of(mlc.jit(function).lower(*arrays).compiled, arrays)
    return workload


def drawn(space: Space, template: str, count: int) -> Iterator[Candidate]:
    draw = random.Random(2)
    for _ in range(count):
        candidate = space.make(template, (), draw, "drawn")
        if candidate is not None:
            yield candidate


def assert_right(candidate: Candidate, workload: Workload) -> None:
    inputs = workload.arguments()
    (wanted,) = compile_program(workload.default).run(inputs)
    (found,) = compile_program(candidate.program(workload)).run(inputs)
    np.testing.assert_allclose(found, wanted, atol=2e-4, err_msg=str(candidate.decisions))


PRODUCTS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "tiles fit": (lambda a, b: a @ b, (floats(48, 64), floats(64, 64))),
    "padded, with an epilogue": (
        lambda a, b: np.maximum(a @ b + 1, 0),
        (floats(37, 50), floats(50, 45)),
    ),
    "a batch": (lambda a, b: a @ b, (floats(3, 24, 32), floats(3, 32, 32))),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_in_micro_kernels(name: str) -> None:
    function, arrays = PRODUCTS[name]
    workload = workload_for(function, *arrays)
    space = structural_space(workload)
    found = list(drawn(space, "micro-kernel", 4))
    assert len(found) >= 3, space.refusals
    for candidate in found:
        assert "fma_f32_" in candidate.trace
        assert_right(candidate, workload)


def test_a_stored_micro_kernel_is_known_in_a_process_that_never_made_it() -> None:
    workload = workload_for(lambda a, b: a @ b, floats(48, 64), floats(64, 64))
    candidate = next(drawn(structural_space(workload), "micro-kernel", 4))
    stored = Candidate("trace", candidate.trace)
    known = {n for n in call_names._registry if n.startswith("fma_f32_")}
    for name in known:
        del call_names._registry[name]
    assert_right(stored, workload)
    built = Built.from_bytes(build(request_for(stored, workload, workload.program.script())))
    assert built.status == "ok", built.detail
    assert not call_names.is_intrinsic("fma_f32_6x17x64_v16")  # no whole registers


def test_only_products_of_float32_get_micro_kernels() -> None:
    a = floats(64, 64)
    for function, arrays in (
        (lambda a, b: a @ b, (a.astype(np.float64), a.astype(np.float64))),
        (lambda a, b: np.abs(a[:, None] - b[None]).sum(-1), (a, a)),
        (lambda a: a @ a[0], (a,)),
    ):
        names = [t.name for t in structural_space(workload_for(function, *arrays)).templates]
        assert "micro-kernel" not in names


def test_what_does_not_fill_a_tile_is_guarded_cut_off_or_padded() -> None:
    workload = workload_for(lambda a, b: a @ b, floats(37, 50), floats(50, 45))
    seen: dict[str, Candidate] = {}
    for candidate in drawn(structural_space(workload), "contraction", 26):
        how = [step for step in ("cut_loop", "pad_einsum") if step in candidate.trace]
        seen.setdefault(how[0] if how else "guard", candidate)
        if len(seen) == 3:
            break
    assert set(seen) == {"cut_loop", "pad_einsum", "guard"}
    for candidate in seen.values():
        assert_right(candidate, workload)


def test_last_tiles_of_elements_may_begin_earlier() -> None:
    workload = workload_for(lambda x, y: np.tanh(x) * y + 1, floats(30, 50), floats(50))
    found = [c for c in drawn(structural_space(workload), "one by one", 12) if "shift" in c.trace]
    assert found
    assert_right(found[0], workload)


def test_panels_are_copied_at_one_of_several_places() -> None:
    workload = workload_for(lambda a, b: a @ b, floats(64, 512), floats(512, 128))
    places = set()
    for candidate in drawn(structural_space(workload), "micro-kernel", 30):
        s = candidate.schedule(workload)
        blocks = {block.name: list(s.loops(block)) for block in s.blocks()}
        (main,) = (loops for name, loops in blocks.items() if name.endswith("_o"))
        for name, loops in blocks.items():
            if name.endswith("_local"):
                places.add(sum(any(v is w for w in main) for v in loops))
    assert len(places) > 1


def test_structural_templates_do_not_try_out_what_is_not_proven() -> None:
    workload = workload_for(lambda a, b: a @ b, floats(48, 64), floats(64, 64))
    assert all(template.is_pure for template in structural_space(workload).templates)
    schedule = Tape(random.Random(0)).schedule(workload.program, tries=False)
    step = Split(schedule.loops("matmul")[0], (None, 4))
    with pytest.raises(NotProvenError, match="split was not proven: perhaps it is"):
        schedule._tried(step, Refusal("perhaps it is", proven=False))


def test_a_pure_template_runs_once_for_each_list_of_decisions() -> None:
    workload = workload_for(lambda a, b: a @ b, floats(48, 64), floats(64, 64))
    runs = []

    def template(s: Schedule) -> None:
        rows = s.sample_categorical([2, 4, 8], [0.2, 0.5, 0.3])
        i, j, _ = s.loops("matmul")
        s.split(i, [None, rows])
        columns = s.sample_categorical([4, 8]) if rows == 4 else 4
        if rows == 8:
            s.parallel(s.loops("matmul")[-1])  # refused
        s.split(j, [None, int(columns)])
        runs.append((int(rows), int(columns)))

    space = Space(workload, [Template("t", template, is_pure=True)])
    draw = random.Random(0)
    found = [space.sample(draw) for _ in range(60)]
    assert sorted(runs) == [(2, 4), (4, 4), (4, 8)]
    assert sum(space.refusals.values()) == 1 and found.count(None) > 5
    parent = space.make("t", (1, 0), draw, "")
    assert parent is not None
    children = [space.mutate(parent, draw) for _ in range(40)]
    assert {c.decisions for c in children if c is not None} == {("t", 0), ("t", 1, 1)}
    assert len(runs) == 3


def test_rows_of_a_stencil_that_share_what_they_load_are_computed_together() -> None:
    def jacobi(x: np.ndarray) -> np.ndarray:
        out = x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
        return out * np.float32(0.2)

    workload = workload_for(jacobi, floats(38, 70))
    found = list(drawn(structural_space(workload), "one by one", 12))
    unrolled = {c.schedule(workload).source().count("s.unroll(i_1)") for c in found}
    assert unrolled == {0, 1}
    for candidate in found:
        assert_right(candidate, workload)


def test_rows_that_share_nothing_are_left_alone() -> None:
    workload = workload_for(lambda x, y: x * y + x, floats(36, 70), floats(70))
    for candidate in drawn(structural_space(workload), "one by one", 8):
        assert "s.unroll(i" not in candidate.schedule(workload).source()
