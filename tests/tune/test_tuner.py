"""Tuning from end to end: programs, functions, templates, budgets, what comes out of it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.ir.structural import structural_key
from mlc.kernel_code import tuning_host
from mlc.schedules import tuned
from mlc.schedules.schedule import Schedule
from mlc.tune import run
from mlc.tune.allotment import Lot, next_lot
from mlc.tune.candidate import made_candidate
from mlc.tune.database import Database
from mlc.tune.keeping import outdone_records, records_of
from mlc.tune.outcome import Outcome
from mlc.tune.pasting import decided, default_function, schedule_function
from mlc.tune.result import fair_ratio, likely_ratio
from mlc.tune.workload import workload_of


@pytest.fixture(autouse=True, scope="module")
def own_database(tmp_path_factory):
    before = mlc.config.tuning_database
    mlc.config.tuning_database = tmp_path_factory.mktemp("tuned") / "tuning.sqlite"
    tuned.forget()  # what tests before these have found
    yield
    mlc.config.tuning_database = before


@pytest.fixture(autouse=True)
def unknown(own_database):
    tuned.forget()
    yield
    tuned.forget()
    mlc.config.tuning_database.unlink(missing_ok=True)


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


N = 96


@T.program
def mm(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    for i, j, k in T.grid(N, N, N):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


@pytest.fixture(scope="module")
def tuned_mm():
    """The plain loops of a product, which nearly everything beats."""
    return mlc.tune(mm, floats(N, N), floats(N, N, seed=1), trials=10, seed=1)


def test_a_program_gets_faster_and_stays_right(tuned_mm) -> None:
    assert tuned_mm.speedup.verdict == "faster"
    assert tuned_mm.speedup.interval[0] > 1.5
    a, b, c = floats(N, N), floats(N, N, seed=1), np.empty((N, N), np.float32)
    mlc.build(tuned_mm.program)(a, b, c)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)


def test_candidate_0_is_the_default(tuned_mm) -> None:
    (kernel,) = tuned_mm
    assert kernel.trials[0].candidate.kind == "default"
    assert tuned_mm.trials == 11
    assert kernel.default_seconds > 0
    assert [number for number, _, _ in kernel.curve] == list(range(11))
    ratios = [ratio for _, _, ratio in kernel.curve]
    assert ratios[0] == 1.0 and ratios == sorted(ratios)


def test_the_best_schedule_prints_as_source_that_takes_its_steps(tuned_mm) -> None:
    best = tuned_mm.best_schedule
    text = str(best)
    assert text.startswith("@mlc.schedule\ndef mm_schedule(s):\n")
    assert "sample_" not in text
    names: dict = {"mlc": mlc}
    exec(text, names)
    for schedule in (best, names["mm_schedule"]):
        assert structural_key(schedule(mm)) == structural_key(tuned_mm.program)


def test_the_result_says_what_was_done(tuned_mm) -> None:
    text = str(tuned_mm)
    assert "mm" in text and "times faster" in text and "10 candidates" not in text
    assert "11 candidates in" in text
    assert tuned_mm.table().splitlines()[0].split() == [
        "kernel", "default", "speedup", "interval", "tried", "from",
    ]  # fmt: skip
    assert tuned_mm.counts["ok"] >= 1


def test_a_template_of_ones_own() -> None:
    @mlc.schedule
    def rows(s):
        i, j, k = s.loops("C")
        _, j1 = s.split(j, [None, s.sample_categorical([8, 16, 32])])
        s.reorder(i, k, j1)
        s.vectorize(j1)

    result = mlc.tune(mm, space=rows, search="grid", trials=20)
    (kernel,) = result
    assert result.trials <= 4
    assert {t.candidate.origin for t in kernel.trials} <= {"default", "rows: grid", "rows: expert"}


def test_refused_draws_are_no_failures() -> None:
    def parallel(s):
        i, _, k = s.loops("C")
        s.parallel([i, k][s.sample_categorical([0, 1])])

    result = mlc.tune(mm, space=parallel, search="grid", trials=8)
    assert result.counts["refused"] >= 1
    assert result.trials == 2


def test_a_space_of_nothing_leaves_the_default() -> None:
    def impossible(s):
        s.parallel(s.loops("C")[2])

    result = mlc.tune(mm, space=impossible, trials=4)
    assert result.best_schedule(mm) is mm
    assert result.speedup.ratio == 1.0
    assert result.speedup.verdict == "within noise"


def test_a_function_is_tuned_kernel_by_kernel_and_uses_what_was_found() -> None:
    @mlc.jit
    def layers(x, w):
        return np.tanh((x @ w).sum(0) * 0.1)

    x, w = floats(64, 64), floats(64, 64, seed=2)
    before = layers(x, w)
    result = mlc.tune(layers, x, w, trials=6)
    names = [kernel.name for kernel in result]
    assert len(names) == len(layers.lower(x, w).compiled.kernels)
    assert result.trials == 6 + len(names)
    layers.clear_cache()
    np.testing.assert_allclose(layers(x, w), before, rtol=1e-4, atol=1e-5)
    steps = [str(k.schedule) for k in layers.lower(x, w).compiled.kernels]
    for kernel, text in zip(result, steps, strict=True):
        if kernel.best.kind == "trace":
            assert text == str(kernel.best_schedule)


def test_the_kernels_of_a_function_are_built_by_the_same_processes(monkeypatch) -> None:
    made = []

    class Counted(run.Builders):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(run, "Builders", Counted)
    x, w = floats(24, 24), floats(24, 24, seed=1)
    result = mlc.tune(lambda x, w: np.tanh(x @ w) @ w, x, w, trials=6, database=False)
    assert len(result) >= 2 and all(k.trials[0].outcome.is_ok for k in result)
    assert len(made) == 1 and made[0].pids() == []  # and they have ended


def test_what_was_found_goes_above_the_function() -> None:
    def gated(a, b):
        gate = np.tanh((a * b).mean(-1, keepdims=True))  # named so by its author alone
        return np.maximum(a - gate, 0)

    a, b = floats(48, 160), floats(48, 160, seed=1)
    result = mlc.tune(gated, a, b, trials=6, search="random", database=False)
    names: dict = {"mlc": mlc}
    workload = result.kernels[0].workload
    for trial in result.kernels[0].trials[1:4]:
        source = str(schedule_function(trial.candidate, workload))
        exec(source, names)
        assert "'gate'" in source
        pasted = mlc.jit(names["gated_schedule"](gated))
        np.testing.assert_allclose(pasted(a, b), gated(a, b), rtol=1e-4, atol=1e-4)
        (code,) = pasted.lower(a, b).compiled.kernels
        measured = structural_key(trial.candidate.program(workload))
        assert structural_key(code.scheduled) == measured


def test_the_result_has_a_report_and_pictures(tuned_mm, tmp_path) -> None:
    assert "what the steps bought" in str(tuned_mm.report())
    tuned_mm.save(tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")


def test_te_tensors_and_what_was_built() -> None:
    a = te.placeholder((40, 500), "float32", name="a")
    k = te.reduce_axis((0, 500), "k")
    b = te.compute((40,), lambda i: te.sum(a[i, k], axis=k), name="b")
    for what in ([a, b], mlc.build([a, b])):
        assert mlc.tune(what, trials=2, database=False).trials == 3
        tuned.forget()


def test_a_schedule_is_what_has_to_be_beaten() -> None:
    s = mlc.Schedule(mm)
    s.unroll(s.split(s.loops("C")[2], [None, 8])[1])
    (kernel,) = mlc.tune(s, trials=2)
    assert kernel.workload.default is s.program


def test_the_same_seed_tries_the_same() -> None:
    options = {"search": "random", "trials": 5, "seed": 3, "database": False}
    one = mlc.tune(mm, **options).kernels[0]
    tuned.forget()
    other = mlc.tune(mm, **options).kernels[0]
    assert {t.candidate.trace for t in one.trials} == {t.candidate.trace for t in other.trials}


def test_time_is_kept() -> None:
    began = time.perf_counter()
    result = mlc.tune(mm, budget=3)
    assert time.perf_counter() - began < 60  # without a budget it goes on for minutes
    assert not result.interrupted


def test_ctrl_c_keeps_the_best_so_far() -> None:
    seen = []

    def interrupt(kernel, trial):
        seen.append(trial)
        if len(seen) == 9:
            raise KeyboardInterrupt

    result = mlc.tune(mm, budget=30, on_trial=interrupt)
    assert result.interrupted and result.trials == 9
    assert "interrupted" in str(result)
    assert result.program is not mm  # the best of eight beats plain loops


def test_autotune_under_jit() -> None:
    @mlc.jit
    @mlc.autotune(trials=4)
    def layer(a, b):
        return np.maximum(a @ b, 0)

    with pytest.raises(mlc.ArgumentError, match="nothing was tuned yet"):
        _ = layer.best_schedule
    a, b = floats(50, 60), floats(60, 40)
    np.testing.assert_allclose(layer(a, b), np.maximum(a @ b, 0), rtol=1e-4, atol=1e-4)
    # Won or not, what is printed can be pasted.
    assert "@mlc.schedule\ndef layer_schedule(s):\n" in str(layer.best_schedule)
    assert len(layer.tune(a, b)) == 1  # known by now


def test_functions_without_autotune_say_where_schedules_are() -> None:
    @mlc.jit
    def plain(a):
        return a + 1

    with pytest.raises(mlc.ArgumentError) as refused:
        _ = plain.best_schedule
    assert refused.value.message.startswith(
        "plain: write @mlc.autotune below @mlc.jit; without, what mlc.tune returns has "
        "best_schedule, and .lower(...).schedule the steps in use"
    )


def test_autotune_prints_what_is_known_already_under_own_names() -> None:
    def product(left, right):
        return left @ right

    first, second = (mlc.jit(mlc.autotune(product, trials=6)) for _ in range(2))
    a, b = floats(96, 96), floats(96, 96, seed=1)
    (kernel,) = first.tune(a, b)[0]
    drawn = next(t.candidate for t in kernel.trials if t.candidate.kind == "trace")
    tuned.remember(kernel.workload.key, decided(drawn.trace))
    np.testing.assert_allclose(second(a, b), a @ b, rtol=1e-4, atol=1e-4)
    assert not second.tune(a, b)  # nothing is tuned that is known
    assert str(second.best_schedule).startswith("@mlc.schedule\ndef product_schedule(s):\n")
    scheduled = mlc.jit(second.best_schedule(product))
    np.testing.assert_allclose(scheduled(a, b), a @ b, rtol=1e-4, atol=1e-4)


def test_autotune_over_a_program() -> None:
    fast = mlc.autotune(mm, trials=4)
    a, b, c = floats(N, N), floats(N, N, seed=1), np.empty((N, N), np.float32)
    with pytest.raises(mlc.ArgumentError, match="mm was not tuned yet"):
        _ = fast.best_schedule
    fast(a, b, c)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)
    assert fast.result.trials == 5


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mlc.tune(mm, budget=-1), "budget is a number above 0, got -1"),
        (lambda: mlc.tune(mm, search="best"), "unknown search 'best'; expected one of"),
        (lambda: mlc.tune(mm, space=3), "space is a function over a schedule that samples"),
        (lambda: mlc.tune(7), "expected a jitted function, a tensor program"),
        (lambda: mlc.tune(mm, floats(3, 3), floats(3, 3)), "the argument for A of mm has shape"),
        (lambda: mlc.autotune(mlc.jit(lambda x: x)), "write mlc.jit above mlc.autotune"),
        (lambda: mlc.autotune(budgt=3), "mlc.autotune has no option 'budgt'"),
        (lambda: mlc.jit(lambda x: x).best_schedule, "write @mlc.autotune"),
    ],
)
def test_mistakes_are_named(call, text: str) -> None:
    with pytest.raises(mlc.ArgumentError, match=text):
        call()


def test_time_goes_where_it_pays() -> None:
    long, short = Lot(1.0), Lot(0.1)
    assert next_lot([short, long]) == 1
    for _ in range(30):
        long.observe(8, long.seconds)  # nothing gained
    assert next_lot([short, long]) == 0
    short.exhausted = long.exhausted = True
    assert next_lot([short, long]) is None


def test_one_lucky_round_is_no_speedup() -> None:
    assert fair_ratio(Outcome("ok", 1.0, ratio=5.0, ratio_interval=(0.2, 5.0), rounds=1)) == 0.2
    assert fair_ratio(Outcome("ok", 1.0, ratio=1.2, ratio_interval=(1.1, 1.3), rounds=6)) == 1.2
    assert fair_ratio(Outcome("crashed")) == 0.0


def test_a_sure_gain_is_ranked_before_a_luckier_one() -> None:
    lucky = Outcome("ok", 1.0, ratio=1.9, ratio_interval=(0.6, 2.6), rounds=12)
    sure = Outcome("ok", 1.0, ratio=1.6, ratio_interval=(1.55, 1.65), rounds=12)
    assert likely_ratio(lucky) < likely_ratio(sure) < fair_ratio(sure) < fair_ratio(lucky)
    assert likely_ratio(Outcome("crashed")) == likely_ratio(Outcome("ok", 1.0)) == 0.0


def test_decided_traces_take_the_same_steps() -> None:
    def template(s):
        i, j, k = s.loops("C")
        s.reorder(k, i, j)
        a, b = s.sample_perfect_tile(i, 2)
        s.split(i, [a, b])
        _, j1 = s.split(j, [None, s.sample_categorical([4, 8])])
        s.vectorize(j1)

    s = mlc.Schedule(mm, seed=4)
    template(s)
    plain = mlc.Schedule.from_json(mm, decided(s.to_json()))
    assert structural_key(plain.program) == structural_key(s.program)
    assert [t.step.name for t in plain.trace] == ["reorder", "split", "split", "vectorize"]


def test_the_module_is_the_function() -> None:
    import mlc.tune.database

    assert mlc.tune is mlc.tune.__class__ or callable(mlc.tune)
    assert mlc.tune.database.Database
    assert mlc.tune.autotune is mlc.autotune


def test_later_processes_use_what_was_found(tmp_path) -> None:
    @mlc.jit
    def layer(a, b):
        return np.maximum(a @ b, 0)

    a, b = floats(52, 60), floats(60, 44)  # of no other test: what was found stays found
    lock = tmp_path / "mlc.lock"
    result = mlc.tune(layer, a, b, trials=3, lock=lock)
    (kernel,) = result
    tuned.forget()  # as in another process
    found = tuned.known_traces([kernel.workload.key], tuning_host())
    assert found == {kernel.workload.key: decided(kernel.best.trace) if kernel.best.trace else ""}
    assert kernel.workload.key in lock.read_text()


def test_nothing_is_stored_if_so_told() -> None:
    mlc.tune(mm, trials=1, database=False)
    assert not mlc.config.tuning_database.exists()


def test_what_was_found_before_is_tried_first_and_not_hidden() -> None:
    first = mlc.tune(mm, trials=4, seed=1)
    (kernel,) = first
    assert kernel.best.kind == "trace"
    tuned.forget()  # as in another process
    (again,) = mlc.tune(mm, trials=1, seed=2)
    assert [t.candidate.origin for t in again.trials][:2] == ["default", "stored"]
    assert again.speedup.verdict == "faster"
    tuned.forget()
    tuned.remember(kernel.workload.key, "")
    known = tuned.known_traces([kernel.workload.key], tuning_host())
    assert known[kernel.workload.key]


def test_a_result_of_a_luckier_day_does_not_outlive_its_defeat() -> None:
    first = mlc.tune(mm, trials=4, seed=1)
    (kernel,) = first
    (record,) = records_of([kernel])
    tuned.forget()  # as in another process
    lucky = replace(record, seconds=record.seconds / 100, created=record.created - 1)
    database = Database(mlc.config.tuning_database)
    database.clear()
    database.add(lucky)
    named = replace(record, trace=record.trace.replace(" ", "  "), created=record.created + 1)
    key = kernel.workload.key
    assert tuned.known_traces([key], tuning_host())[key] == lucky.trace
    assert outdone_records(database, [named], [kernel]) == []  # it was not tried again
    trials = [replace(t, candidate=replace(t.candidate, origin="stored")) for t in kernel.trials]
    database.add_all([named, *outdone_records(database, [named], [replace(kernel, trials=trials)])])
    assert tuned.known_traces([key], tuning_host())[key] == named.trace
    (_, behind) = sorted(database.records(), key=lambda r: r.ratio)
    assert behind.trace == lucky.trace and behind.ratio == pytest.approx(1.001 * named.ratio)


def test_a_default_schedule_that_stays_prints_as_python_that_runs() -> None:
    @mlc.schedule
    def by_hand(s):
        i, j, k = s.loops("C")
        s.reorder(i, k, j)

    scheduled = Schedule(mm)
    by_hand(scheduled)
    stays = default_function(workload_of(mm, scheduled.program, scheduled.source()))
    assert str(stays).startswith("# the default schedule: nothing faster was found\n@mlc.schedule")
    assert structural_key(stays(mm)) == structural_key(scheduled.program)

    last = "@mlc.schedule\ndef of(s):\n    s.loops('D')\n"
    other = default_function(workload_of(mm, scheduled.program, last))
    assert "these are its last steps, over blocks that it made" in str(other)
    with pytest.raises(mlc.ScheduleError, match="compile the function as it is"):
        other(mm)

    near = Schedule(mm)
    near.unroll(near.loops("C")[2])
    outcome = Outcome("ok", 1.0, (1.0, 1.0), ratio=0.97, ratio_interval=(0.95, 0.99), rounds=6)
    workload = workload_of(mm, scheduled.program, "")
    made = default_function(workload, (made_candidate(near, "", ()), outcome))
    assert "the nearest that has such steps: 0.97 of its speed (0.95 to 0.99)\n" in str(made)
    names = {"mlc": mlc}
    exec(str(made), names)
    assert structural_key(names["mm_schedule"](mm)) == structural_key(near.program)
