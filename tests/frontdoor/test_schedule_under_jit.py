"""A schedule by hand under ``mlc.jit``: one program with a block for each operator, named as the
user named the values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ir.program import Program, blocks_of
from mlc.schedules.schedule import Schedule

rng = np.random.default_rng(0)
x = rng.standard_normal((6, 8), np.float32)
w = rng.standard_normal((8, 16), np.float32)
b = rng.standard_normal(16, np.float32)


class Steps:
    """The least that ``__mlc_schedule__`` may hold: a callable over programs."""

    def __init__(self, take: Callable[[Schedule], Any]) -> None:
        self.take = take
        self.seen: list[Program] = []

    def __call__(self, program: Program) -> Program:
        self.seen.append(program)
        s = Schedule(program)
        self.take(s)
        return s.program


class Shown(Steps):
    """One that also says which steps it takes."""

    def on(self, program: Program) -> Schedule:
        self.seen.append(program)
        s = Schedule(program)
        self.take(s)
        return s


def scheduled(take: Callable[[Schedule], Any], kind: type[Steps] = Steps) -> Any:
    """A decorator that puts a schedule on a function."""

    def decorate(function: Any) -> Any:
        function.__mlc_schedule__ = kind(take)
        return function

    return decorate


def names(function: Any, *args: Any, target: str = "interpret") -> list[str]:
    """The blocks of the program of ``function``, with no step taken."""
    steps = Steps(lambda s: None)
    function.__mlc_schedule__ = steps
    mlc.jit(function, target=target)(*args)
    return [block.name for block in blocks_of(steps.seen[0].body)]


def tiled(s: Schedule) -> None:
    i, j, k = s.loops("Y")
    j0, j1 = s.split(j, [None, 4])
    s.reorder(i, j0, k, j1)
    s.vectorize(j1)


def layer(x: Any, w: Any, b: Any) -> Any:
    Y = x @ w
    Z = Y + b
    return np.maximum(Z, 0)


@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy"])
def test_the_schedule_is_what_runs(target: str) -> None:
    f = mlc.jit(scheduled(tiled, Shown)(lambda x, w, b: layer(x, w, b)), target=target)
    expected = np.maximum(x @ w + b, 0)
    for _ in range(3):
        np.testing.assert_allclose(f(x, w, b), expected, rtol=1e-5, atol=1e-5)
    lowered = f.lower(x, w, b)
    assert "T.vectorized(4)" in lowered.program
    assert "s.vectorize(" in lowered.schedule and "s.split(" in lowered.schedule
    assert "maximum(" in lowered.graph
    out = np.empty_like(expected)
    assert f(x, w, b, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_blocks_have_the_names_of_the_users_variables() -> None:
    assert names(layer, x, w, b) == ["Y", "Z", "maximum"]


def test_values_without_a_name_are_called_after_their_operator() -> None:
    assert names(lambda x, w: np.maximum(x @ w, 0), x, w) == ["matmul", "maximum"]


def test_names_in_helpers_and_loops() -> None:
    def step(h: Any) -> Any:
        doubled = h * 2
        return doubled + 1

    def f(x: Any) -> Any:
        h = x
        for _ in range(2):
            h = np.exp(h)
        result = step(h)
        return result

    assert names(f, x) == ["h", "h_1", "doubled", "result"]


def test_what_an_operator_makes_on_its_way_keeps_its_own_name() -> None:
    def f(x: Any) -> Any:
        scores = mlc.nn.softmax(x, axis=-1)
        return scores * 2

    found = names(f, x)
    assert found.count("scores") == 1 and not any(n.startswith("scores_") for n in found)
    assert len(found) > 2 and found[-1] == "multiply"


def test_attributes_and_items_name_nothing() -> None:
    def f(x: Any) -> Any:
        kept: dict[str, Any] = {}
        kept["a"] = x + 1
        first, second = x * 2, x - 1
        return kept["a"] + first + second

    found = names(f, x)
    assert found[0] == "add" and len(found) == 5


def test_names_that_arguments_have_are_numbered() -> None:
    def f(x: Any) -> Any:
        x = x + 1
        x = x * 2
        return x

    found = names(f, x)
    assert len(set(found)) == 2 and all(n.startswith("x") for n in found)


def test_constants_and_several_results() -> None:
    table = rng.standard_normal((8, 16))

    @mlc.jit
    @scheduled(lambda s: s.parallel(s.loops("P")[0]))
    def f(x: Any) -> Any:
        P = x @ table.astype(np.float32)
        return {"p": P, "total": P.sum(axis=1)}

    for _ in range(2):
        result = f(x)
        want = x @ table.astype(np.float32)
        np.testing.assert_allclose(result["p"], want, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(result["total"], want.sum(1), rtol=1e-4, atol=1e-4)


def test_a_refused_step_comes_out_of_the_call_with_the_schedules_line() -> None:
    def wrong(s: Schedule) -> None:
        s.parallel(s.loops("Y")[2])

    f = mlc.jit(scheduled(wrong)(lambda x, w, b: layer(x, w, b)))
    with pytest.raises(mlc.ScheduleError) as caught:
        f(x, w, b)
    assert "parallel" in caught.value.message
    assert caught.value.location is not None
    assert caught.value.location.filename == __file__
    assert caught.value.location.function == "wrong"


def test_another_schedule_is_other_code(tmp_path: Path) -> None:
    def f(x: Any, w: Any) -> Any:
        Y = x @ w
        return Y + 1

    with mlc.config.override(cache_dir=tmp_path):
        one = mlc.jit(scheduled(lambda s: s.parallel(s.loops("Y")[0]))(f))
        one(x, w)
        again = mlc.jit(f)
        again(x, w)
        assert again.lower(x, w).row.from_cache
        f.__mlc_schedule__ = Steps(lambda s: s.unroll(s.loops("Y")[2]))  # type: ignore[attr-defined]
        other = mlc.jit(f)
        other(x, w)
        assert not other.lower(x, w).row.from_cache
        assert "T.unrolled" in other.lower(x, w).program
        assert "T.parallel" in one.lower(x, w).program


def test_debug_mode_knows_the_schedule() -> None:
    f = mlc.jit(scheduled(tiled)(lambda x, w, b: layer(x, w, b)))
    with mlc.config.override(debug=True):
        np.testing.assert_allclose(f(x, w, b), layer(x, w, b), rtol=1e-5, atol=1e-5)


def test_arrays_without_elements_leave_nothing_to_schedule() -> None:
    @mlc.schedule
    def tiled(s: Schedule) -> None:
        s.split(s.loops("y")[0], [None, 4])

    @mlc.jit
    @tiled
    def f(x: Any) -> Any:
        y = np.sum(x * 2.0, axis=1)
        return y

    np.testing.assert_array_equal(f(np.ones((8, 3))), np.full(8, 6.0))
    assert f(np.ones((0, 3))).shape == (0,)
    np.testing.assert_array_equal(f(np.ones((4, 0))), np.zeros(4))
