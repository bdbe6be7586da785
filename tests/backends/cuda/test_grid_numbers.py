"""Scans, sorts and attention leave numbers open, which schedules by hand and the tuner choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.compile_program import compile_program
from mlc.tune.measure.limits import Limits

from .conftest import needs_compiler

pytestmark = needs_compiler
Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(1)
SOME = np.round(RNG.standard_normal(1500) * 9).astype(np.float32)
PLACES = RNG.integers(0, 1500, 1500)


def attention(k: Array, q: Array, v: Array, unread: Array) -> Array:
    scores = q @ k.T / np.float16(4)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def heads(rows: int, keys: int, dtype: str) -> tuple[Array, ...]:
    k, v = RNG.standard_normal((2, keys, 32)).astype(dtype)
    return k, RNG.standard_normal((rows, 32)).astype(dtype), v, SOME


def grid_of(function: Callable[..., Any], *arguments: Array, **options: Any) -> Any:
    lowered = mlc.jit(function, target="cuda-emulated", **options).lower(*arguments)
    (kernel,) = lowered.compiled.kernels
    return kernel.program


def columns(x: Array) -> Array:
    return np.cumsum(x, axis=0)


CASES: dict[str, tuple[Callable[..., Any], tuple[Array, ...], dict[str, int], dict[str, Any]]] = {
    "scan": (np.cumsum, (SOME,), {"threads": 64, "each": 5}, {}),
    "products": (np.cumprod, (1 + SOME / 4096,), {"threads": 32, "each": 21}, {}),
    "columns": (columns, (np.ones((5, 5000), np.int32),), {"threads": 512}, {}),
    "between others": (lambda x: np.cumsum(x * x) / 3 + SOME[::-1], (SOME,), {"each": 5}, {}),
    "beside others": (lambda x: np.sort(x + 1) * x.max(), (SOME,), {"tile": 256}, {}),
    "after a product": (lambda x: np.cumsum(x.reshape(50, 30) @ x.reshape(30, 50)), (SOME,),
                        {"threads": 32}, {}),
    "order": (np.argsort, (SOME,), {"tile": 256, "threads": 64}, {}),
    "fragments": (attention, heads(70, 150, "float16"), {"rows": 16, "warps": 2, "keys": 32,
                  "ahead": 2}, {}),
    "parts": (attention, heads(2, 600, "float16"), {"keys": 32, "ahead": 0, "parts": 4}, {}),
    "registers": (attention, heads(40, 70, "float32"), {"rows": 8, "warps": 2, "keys": 32}, {}),
    "tf32": (attention, heads(40, 150, "float32"), {"warps": 2, "keys": 32, "ahead": 1},
             {"precision": "tf32"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_by_hand_chooses(name: str) -> None:
    function, arguments, numbers, options = CASES[name]
    by_hand = mlc.schedule(lambda s: s.on_grid(**numbers))
    chosen = mlc.jit(by_hand(_plain(function)), target="cuda-emulated", **options)
    plain = mlc.jit(function, target="cuda-emulated", **options)
    with mlc.config.override(emulated_order="random"):
        found = chosen(*arguments)
    np.testing.assert_allclose(found, plain(*arguments), rtol=2e-3, atol=1e-3)
    mine, theirs = (str(f.lower(*arguments).cuda) for f in (chosen, plain))
    assert mine != theirs


def _plain(function: Callable[..., Any]) -> Any:
    if function is attention or function is columns:
        return function
    return lambda x: function(x)


def test_what_is_left_open_and_what_the_default_is() -> None:
    program = grid_of(attention, *heads(70, 150, "float16"))
    assert {knob.name: knob.default for knob in program.grid.knobs} == {
        "rows": 32, "warps": 3, "keys": 64, "ahead": 1,
    }  # fmt: skip
    lowered = mlc.jit(np.cumsum, target="cuda-emulated").lower(SOME)
    assert "s.on_grid(threads=256, each=9)" in str(lowered.schedule)
    for function, arguments, wanted in (
        (np.searchsorted, (np.sort(SOME), SOME), {"threads": 64}),
        (np.bincount, (PLACES, SOME), {"tile": 1024, "threads": 256}),  # in the order of the places
        (added, (PLACES * 0, PLACES), {"threads": 64}),  # in any order
    ):
        lowered = mlc.jit(function, target="cuda-emulated").lower(*arguments)
        found = [k.program.grid.knobs for k in lowered.compiled.kernels if k.program.grid]
        assert [{knob.name: knob.default for knob in knobs} for knobs in found] == [wanted]


def added(x: Array, places: Array) -> Array:
    x = x.copy()
    np.add.at(x, places, 3)
    return x


def put(x: Array, places: Array) -> Array:
    x = x.copy()
    x[places] = np.arange(1500, dtype=x.dtype)
    return x


PUTS: dict[str, tuple[Callable[..., Any], tuple[Array, ...], dict[str, int]]] = {
    "counts": (lambda i: np.bincount(i), (PLACES,), {"threads": 128}),
    "weights": (lambda i, w: np.bincount(i, w), (PLACES, SOME), {"tile": 256, "threads": 128}),
    "search": (lambda a, v: np.searchsorted(a, v), (np.sort(SOME), SOME), {"threads": 512}),
    "places": (lambda x: np.flatnonzero(x > 0), (SOME,), {"threads": 64, "each": 5}),
    "members": (lambda x: np.packbits(x), (SOME > 0,), {"threads": 32}),
    "put": (put, (SOME, PLACES), {"tile": 512, "threads": 64}),
    "added": (added, (PLACES * 2, PLACES), {"threads": 128}),
    "runs": (lambda x: np.maximum.reduceat(x, np.arange(0, 1500, 7)), (SOME,), {"threads": 32}),
    "order": (lambda x: np.argpartition(x, 9), (SOME,), {"tile": 256, "threads": 128}),
}


@pytest.mark.parametrize("name", PUTS)
def test_programs_of_places_leave_numbers_open(name: str) -> None:
    """The numbers that are chosen stand in the schedule, and say how many threads there are."""
    function, arguments, numbers = PUTS[name]
    (kernel,) = [
        k for k in mlc.jit(function, target="cuda-emulated").lower(*arguments).compiled.kernels
        if k.program.grid is not None
    ]  # fmt: skip
    s = mlc.Schedule(kernel.program)
    s.on_grid(**numbers)
    assert f"s.on_grid({', '.join(f'{n}={v}' for n, v in numbers.items())})" in s.source()
    made = compile_program(s.program, target="cuda-emulated")
    widths = {launch.block[0] for launch in made.device_module.launches}
    assert numbers["threads"] in widths
    drawn = [np.sort(RNG.integers(0, 2, b.shape), None) for b in kernel.program.params]
    inputs = [
        x.astype(b.dtype.numpy).reshape(b.shape) for x, b in zip(drawn, kernel.program.params)
    ]
    count = len(kernel.program.params) - kernel.program.outputs
    plain = compile_program(kernel.program, target="interpret")
    for found, wanted in zip(made.run(inputs[:count]), plain.run(inputs[:count]), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"threads": 100}, "threads is one of 32, 64, 128, 256, 512, 1024, got 100"),
        ({"wide": 3}, "it leaves no number 'wide' open: those that it does are threads, each"),
        ({"threads": 1024, "each": 21}, "1024 threads of 21 elements each need 188416 bytes of "
         "shared memory, and blocks have 101376 on every card; choose fewer of one"),
    ],
)  # fmt: skip
def test_what_is_refused(numbers: dict[str, int], sentence: str) -> None:
    program = grid_of(np.cumsum, SOME.astype(np.float64))
    with pytest.raises(mlc.ScheduleError) as caught:
        mlc.Schedule(program).on_grid(**numbers)
    assert sentence in caught.value.message


def test_two_operators_have_no_numbers_in_common() -> None:
    by_hand = mlc.schedule(lambda s: s.on_grid(threads=64))
    both = mlc.jit(by_hand(lambda x: np.cumsum(np.cumsum(x) * 2)), target="cuda-emulated")
    with pytest.raises(mlc.UnsupportedError, match="is a program of its own: leave it out of the"):
        both(SOME)


def test_other_programs_and_too_much_memory_are_refused() -> None:
    with pytest.raises(mlc.ScheduleError, match="no operator has written 'add' for grids of"):
        mlc.Schedule(grid_of(lambda x: x + 1, SOME)).on_grid()
    wide = [RNG.standard_normal((300, 256)).astype(np.float16) for _ in range(3)]
    with pytest.raises(mlc.ScheduleError, match="bytes of shared memory, and a block has 101376"):
        mlc.Schedule(grid_of(attention, *wide, SOME)).on_grid(keys=128, ahead=3)


def test_they_are_tuned_and_pasted() -> None:
    limits = Limits(rounds=2, most_rounds=2, workers=1, build_seconds=60.0)
    f = mlc.jit(lambda x: np.cumsum(x), target="cuda-emulated")
    result = mlc.tune(f, SOME, trials=2, limits=limits, database=False, seed=1)
    (kernel,) = result
    assert kernel.counts["ok"] == len(kernel.trials) == 3
    traces = [trial.candidate.trace for trial in kernel.trials[1:]]
    assert all('"on_grid"' in trace for trace in traces) and len(set(traces)) == 2
    assert "s.on_grid(threads=" in str(result.best_schedule)


def test_every_number_of_a_space_can_be_pasted_above_the_function() -> None:
    import random

    from mlc.tune.pasting import schedule_function
    from mlc.tune.spaces.gpu import gpu_space
    from mlc.tune.targets import workloads_for

    f = mlc.jit(attention, target="cuda-emulated")
    arguments = heads(70, 150, "float16")
    (workload,) = workloads_for(f, arguments, {})
    space, rng = gpu_space(workload), random.Random(0)
    drawn = next(c for c in (space.sample(rng) for _ in range(20)) if c is not None)
    pasted = schedule_function(drawn, workload)
    assert "s.on_grid(rows=" in str(pasted)
    again = mlc.jit(pasted(attention), target="cuda-emulated")
    made = compile_program(drawn.program(workload), target="cuda-emulated")
    np.testing.assert_array_equal(again(*arguments), *made.run(workload.arguments()))
