"""What a person sees while tuning goes on, and after it."""

from __future__ import annotations

import io
import random
import sys
import types
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.errors import ArgumentError
from mlc.schedules.schedule import Schedule
from mlc.tune.candidate import DEFAULT, Candidate
from mlc.tune.choices import choices
from mlc.tune.database import Database
from mlc.tune.keeping import keep_result, records_of
from mlc.tune.lock import read_lock
from mlc.tune.outcome import Comparison, Outcome
from mlc.tune.pictures import _times, curve_picture, space_picture
from mlc.tune.progress import (
    NotebookView,
    PlainView,
    Progress,
    RichView,
    peak_gigaflops,
    progress,
    status_line,
    table_text,
)
from mlc.tune.report import report, step_rows
from mlc.tune.result import KernelResult, Trial, TuningResult
from mlc.tune.space import Space, Template
from mlc.tune.targets import workloads_for


@pytest.fixture(scope="module")
def result() -> TuningResult:
    """A search made up: two schedules are faster, others crash, or are wrong, or are given up."""
    a = np.ones((64, 32), "f4")
    with mlc.config.override(tuned=False):
        (workload,) = workloads_for(mlc.jit(lambda a, b: a @ b), (a, a.T.copy()), {})
    s = Schedule(workload.program)
    *_, j, _ = s.loops(s.blocks()[-1])
    s.split(j, factors=[None, 8])
    kernel = KernelResult(workload, default_seconds=1e-3)

    def add(candidate: Candidate, outcome: Outcome) -> None:
        number = len(kernel.trials)
        kernel.trials.append(Trial(number, candidate, outcome, 0.5 * number))

    def ok(ratio: float, rounds: int = 9) -> Outcome:
        interval = (ratio * 0.95, ratio * 1.05)
        return Outcome("ok", 1e-3 / ratio, ratio=ratio, ratio_interval=interval, rounds=rounds)

    def made(*chosen: object) -> Candidate:
        return Candidate("trace", s.to_json(), "tiles: random", ("tiles", *chosen))

    add(DEFAULT, ok(1.0))
    add(made(4, 8, "a"), ok(0.5))
    add(made(8, 8, "b"), Outcome("crashed"))
    add(made(16, 2, "a"), ok(7.0, rounds=1))
    add(made(16, 8, "a"), ok(1.6))
    add(made(2, 8, "b"), Outcome("crashed"))
    add(made(2, 2, "b"), Outcome("wrong result"))
    add(made(16, 16, "c"), ok(2.0))
    kernel.best = kernel.trials[-1].candidate
    kernel.comparison = Comparison(1.9, (1.8, 2.0), "faster", 30)
    return TuningResult("product", [kernel], seconds=4.0)


def fed(result: TuningResult, view: object = None, **options: object) -> Progress:
    now = iter(np.arange(0.0, 1000.0, 0.4))
    made = Progress(view, clock=lambda: float(next(now)), **options)
    for kernel in result.kernels:
        for trial in kernel.trials:
            made(kernel, trial)
    return made


def test_the_line_and_the_table_say_it_all(result):
    state = fed(result, budget=60, trials=20)
    (kernel,) = state.kernels.values()
    assert kernel.flops == 2 * 64 * 64 * 32
    assert kernel.best == 0.5e-3 and kernel.default == 1e-3
    assert dict(kernel.rejected) == {"crashed": 2, "wrong result": 1}
    rate = 2 * 64 * 64 * 32 / 0.5e-3 / 1e9
    line = status_line(state)
    assert line.startswith(f"matmul: 8 tried, best 500 us ({rate:.3g} GFLOP/s, ")
    assert " % of peak), 2.00 times the default, 2 crashed, 1 wrong result, " in line
    assert line.endswith(" s or 13 candidates left")
    head, row, last = table_text(state).splitlines()
    assert head.split() == [
        "kernel", "tried", "default", "best", "speedup", "GFLOP/s", "of", "peak", "rejected",
    ]  # fmt: skip
    assert row.split()[:7] == ["matmul", "8", "1", "ms", "500", "us", "2.00"]
    assert last.startswith("8 candidates in ")


def test_what_is_not_sure_to_be_faster_is_not_the_best(result):
    state = fed(result)
    trial = result.kernels[0].trials[-1]
    lucky = Outcome("ok", 1e-4, ratio=9.0, ratio_interval=(0.9, 20.0), rounds=9)
    state(result.kernels[0], Trial(99, trial.candidate, lucky, 9.0))
    (kernel,) = state.kernels.values()
    assert kernel.best == 0.5e-3 and kernel.tried == 9


def test_an_interrupted_search_does_not_say_that_the_default_is_best(result, tmp_path):
    kernel = KernelResult(
        result.kernels[0].workload, result.kernels[0].trials[:1], default_seconds=1e-3
    )
    database = Database(tmp_path / "t.sqlite")
    keep_result(TuningResult("product", [kernel], interrupted=True), database)
    assert database.records() == []
    keep_result(TuningResult("product", [kernel]), database)
    assert [r.kind for r in database.records()] == ["default"]
    keep_result(result, database, tmp_path / "mlc.lock", function="a.py:f", arguments="f4[3]")
    (best,) = [r for r in database.records() if r.kind == "trace"]
    assert best.ratio == pytest.approx(1 / 1.9)
    assert best.interval == pytest.approx((1e-3 / 2.0, 1e-3 / 1.8))
    assert best.source.startswith("@mlc.schedule\ndef ")
    (entry,) = read_lock(tmp_path / "mlc.lock")
    assert entry.trace == best.trace and entry.function == "a.py:f"


def test_what_another_kind_of_machine_measured_is_not_kept(result):
    trial = result.kernels[0].trials[-1]
    far = replace(trial, outcome=replace(trial.outcome, target="riscv64"))
    kernel = replace(result.kernels[0], trials=[far])
    assert records_of([kernel]) == []
    assert len(records_of(result.kernels)) == 1


def test_peak():
    from mlc.looking.machine import Facts

    facts = Facts(vector_bytes=32, has_fma=True, threads=4, gigahertz=2.5, vector_ops=2.0)
    assert peak_gigaflops(facts, 4) == 2.5 * 2 * 8 * 2 * 4
    assert peak_gigaflops(facts, 8) == 2.5 * 2 * 4 * 2 * 4


def test_plain_lines_come_at_most_once_a_second(result):
    stream = io.StringIO()
    fed(result, PlainView(stream))
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) < len(result.kernels[0].trials)
    with Progress(PlainView(stream)):
        pass
    assert stream.getvalue().splitlines() == lines  # nothing was tried: nothing to say
    stream.close()
    fed(result, PlainView(stream))  # nobody listens any more


def test_quiet_says_nothing(result, capsys):
    with progress(quiet=True, budget=3) as shown:
        for trial in result.kernels[0].trials:
            shown(result.kernels[0], trial)
    assert shown.tried == 8
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_where_there_is_no_terminal_lines_are_plain(capsys):
    assert isinstance(progress(stream=io.StringIO()).view, PlainView)
    assert isinstance(progress().view, PlainView)


def test_a_table_that_changes_in_place(result, monkeypatch):
    pytest.importorskip("rich")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    shown = progress(stream=stream)
    assert isinstance(shown.view, RichView)
    with shown:
        for trial in result.kernels[0].trials:
            shown(result.kernels[0], trial)
    text = stream.getvalue()
    assert "matmul" in text and "2 crashed, 1 wrong result" in text and "\x1b[" in text
    monkeypatch.setitem(sys.modules, "rich.live", None)  # it is not installed
    assert isinstance(progress(stream=stream).view, PlainView)


def test_one_output_of_a_notebook_is_replaced(result):
    shown, updated = [], []

    def display(text, display_id):
        shown.append(text)
        return types.SimpleNamespace(update=updated.append)

    view = NotebookView(display)
    state = fed(result, view)
    view.end(state)
    assert len(shown) == 1 and updated
    assert shown[0]._repr_html_().startswith("<pre>kernel")
    assert "2.00" in str(updated[-1])


def test_the_report_says_what_steps_bought(result):
    text = str(report(result))
    assert "matmul: what the steps bought, by the model of explain() on one thread" in text
    assert "  the plain program" in text
    assert " = s.split(j, [None, 8])" in text
    assert "measured: 526 us, default 1 ms: 1.90 times its speed (1.80 to 2.00)" in text
    assert "\npredicted: " in text
    rows = step_rows(result.kernels[0])
    assert rows[0].step == "the plain program" and len(rows) == 2
    assert rows[1].gain == pytest.approx(rows[0].cost.seconds / rows[1].cost.seconds)


def test_the_report_where_the_default_stays(result):
    kernel = KernelResult(
        result.kernels[0].workload, result.kernels[0].trials[:3], default_seconds=1e-3
    )
    text = str(report(TuningResult("product", [kernel])))
    assert "matmul: the default schedule stays: none of 1 others was faster beyond" in text
    kernel.trials = kernel.trials[:1]
    text = str(report(TuningResult("product", [kernel])))
    assert text.endswith("the default schedule stays: no other candidate ran")


def drawn(picture, word: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(picture.svg)
    return [e for e in root.iter() if e.get("class") == word]


def test_the_curve_has_a_mark_for_each_candidate(result):
    picture = curve_picture(result)
    assert len(drawn(picture, "candidate")) == 4
    assert len(drawn(picture, "rejected")) == 4
    for text in ("2.00 x", "crashed", "wrong result", "too slow", "default"):
        assert f">{text}</text>" in picture.svg
    twice = TuningResult("both", [result.kernels[0]] * 2)
    assert len(drawn(curve_picture(twice), "candidate")) == 8


def test_the_space_has_a_line_for_each_candidate(result):
    found = choices(result.kernels[0])
    assert found.name == "tiles" and len(found.trials) == 7 and found.axes == [1, 2, 3]
    assert [v for _, v in found.values[1]] == [2, 4, 8, 16]
    picture = space_picture(result.kernels[0])
    lines = [e for e in ElementTree.fromstring(picture.svg).iter() if " L " in e.get("d", "")]
    assert len(lines) == 7
    assert "slowest 0.50 times the default's speed, fastest (red) 2.00" in picture.svg
    alone = KernelResult(result.kernels[0].workload, result.kernels[0].trials[:1])
    assert space_picture(alone) is None


def test_saved_pictures(result, tmp_path):
    made = report(result)
    made.save(tmp_path / "curve.svg")
    made.save(tmp_path / "space.svg", "space")
    assert (tmp_path / "curve.svg").read_text() == made.curve.svg
    assert (tmp_path / "space.svg").read_text() == made.spaces[0].svg
    assert made._repr_html_().count("<svg") == 2
    with pytest.raises(ArgumentError, match=r"pictures are written as .svg or .png, got 'a.gif'"):
        made.save(tmp_path / "a.gif")
    with pytest.raises(ArgumentError, match="what is 'curve' or 'space', got 'all'"):
        made.save(tmp_path / "a.svg", "all")


@pytest.mark.parametrize("what", ["curve", "space"])
def test_saved_by_matplotlib(result, tmp_path, what):
    pytest.importorskip("matplotlib")
    report(result).save(tmp_path / "a.png", what)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_is_a_sentence(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(ArgumentError, match=r"a.png needs matplotlib \(pip install matplotlib\)"):
        report(result).save(tmp_path / "a.png")


@pytest.mark.parametrize("seconds", [0.02, 0.7, 1.0, 3.0, 4.4, 9.99, 11.5, 60.0, 3600.0])
def test_times_under_a_curve_are_round(seconds):
    times = _times(seconds)
    assert 4 <= len(times) <= 8 and times[0] == 0 and times[-1] <= seconds
    assert all(float(f"{t:.2g}") == pytest.approx(t) for t in times)


def test_choices_are_what_was_chosen_and_what_it_went_into():
    """Numbers of options are shown as the options; a choice no step takes says what it is about."""
    (workload,) = workloads_for(_plain_product(), (), {})

    def template(s):
        i, j, k = s.loops("c")
        if s.sample_categorical([0, 1]):
            s.reorder(k, i, j)
        rows = s.sample_categorical([2, 16, 4])
        _, i1 = s.split(i, [None, rows])
        s.split(j, s.sample_perfect_tile(j, n=2))
        s.unroll(i1)

    space = Space(workload, [Template("mine", template)])
    rng = random.Random(0)
    drawn = [c for c in (space.sample(rng) for _ in range(12)) if c is not None]
    outcome = Outcome("ok", 1e-3, ratio=1.0, ratio_interval=(1.0, 1.0), rounds=9)
    kernel = KernelResult(workload, [Trial(n, c, outcome, 0.1) for n, c in enumerate(drawn)])
    found = choices(kernel)
    assert [v for _, v in found.values[2]] == [2, 4, 16]
    assert [text for _, text in found.labels(2)] == ["2", "4", "16"]
    meanings = found.meanings(workload)
    assert meanings[1] == "about reorder(k, i, j)"
    assert meanings[2] == "split(i, [None, ..])"
    assert meanings[3].startswith("split(j, [..")
    assert ">split(i, [None, ..])</text>" in space_picture(kernel).svg


def _plain_product():
    @T.program
    def product(a: T.Buffer((32, 32)), b: T.Buffer((32, 32)), c: T.Buffer((32, 32))):
        for i, j, k in T.grid(32, 32, 32):
            with T.block("c"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    c[vi, vj] = 0.0
                c[vi, vj] += a[vi, vk] * b[vk, vj]

    return product


def test_a_whole_is_compared_in_the_rounds_of_what_was_compared(result):
    alone = KernelResult(result.kernels[0].workload, default_seconds=1e-3)
    both = TuningResult("both", [result.kernels[0], alone])
    assert both.speedup.rounds == 30
    assert str(alone.speedup) == "the default schedule stays"
    assert str(TuningResult("none", [alone, alone]).speedup) == "the default schedule stays"
