"""The benchmarks' own machinery on one small case."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import functions, harness, report
from benchmarks.cases import CASES, Case
from benchmarks.ceilings import dot_kernels
from benchmarks.harness import check, run_case
from benchmarks.peers import Function, Peer, Prepared

SMALL = Case("small", "rows", functions.softmax, ((8, 16),), 4 * 8 * 16, 16)


def test_a_case_is_checked_timed_and_told(tmp_path: Path) -> None:
    contenders = ["numpy", "mlc", "mlc out="]
    result = run_case(SMALL, contenders, 1, 0.01, rounds=2)
    assert set(result.series) == {*contenders, "limit"} and not result.failures
    assert result.written == 8 * 16 * 4
    best = result.best_peer()
    assert best is not None and best[0] == "numpy"
    assert report.row(result, contenders).startswith("small")
    assert report.summary([result]).endswith(
        "behind in none" if best[1] >= 0.95 else f"(numpy {best[1]:.2f})"
    )
    report.save(report.as_data([result], [], 1, 0.01), tmp_path / "found.json")
    assert '"small"' in (tmp_path / "found.json").read_text()


@pytest.mark.parametrize("kind", ["int8", "bfloat16"])
def test_products_of_narrow_numbers_have_a_limit_of_their_own(kind: str) -> None:
    function = functions.matmul_int8 if kind == "int8" else functions.matmul
    shapes = ((16, 16),) * 2
    case = Case(
        "small", "contractions", function, shapes, 2 * 16**3, 16, kind, exact=functions.matmul
    )
    result = run_case(case, ["mlc"], 1, 0.01, rounds=2)
    assert set(result.series) == {"mlc", "limit"} and not result.failures
    assert result.written == 16 * 16 * (4 if kind == "int8" else 2)
    dots = dot_kernels()
    assert dots[kind].work >= dots["fma"].work


def test_a_wrong_result_is_no_result() -> None:
    args = SMALL.inputs()
    exact = SMALL.function(*(a.astype("float64") for a in args))
    with pytest.raises(ArithmeticError, match="where rounding explains"):
        check(SMALL, exact + 1e-3, exact)
    with pytest.raises(ArithmeticError, match=r"shape \(8, 15\) where NumPy has \(8, 16\)"):
        check(SMALL, exact[:, 1:], exact)


def test_names_are_told_apart() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_samples_with_threads_begin_when_those_of_others_sleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy, log = [3, 1], []  # steps during which threads spin after each of the first two samples

    def sleep(seconds: float) -> None:
        log.append("sleep")
        if busy and busy[0]:
            busy[0] -= 1
            spent[0] += seconds
        elif busy:
            busy.pop(0)

    spent = [0.0]
    monkeypatch.setattr(harness.time, "sleep", sleep)
    monkeypatch.setattr(harness.time, "process_time", lambda: spent[0])
    harness.interleave({"one": lambda: log.append("one") or 1.0}, 0.0, 3, apart=True)
    assert log == ["sleep"] * 4 + ["one"] + ["sleep"] * 2 + ["one", "sleep", "one"]


def test_slow_peers_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def slow(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
        def call(*values: np.ndarray) -> np.ndarray:
            nonlocal calls
            calls += 1
            time.sleep(0.02)
            return function(*values)

        return call, args

    monkeypatch.setitem(harness.PEERS, "slow", Peer("slow", (), slow))
    monkeypatch.setattr(harness, "SLOW_SECONDS", 0.01)
    result = run_case(SMALL, ["slow"], 1, 0.01, rounds=3)
    assert calls == 2  # the first may have compiled
    assert result.failures["slow"].startswith("measured once, as it takes 0.0")
    assert min(result.series["slow"].seconds) >= 0.01
