import gc
import math
import time as clock

import numpy as np
import pytest

import mlc.runtime.timing as timing
from mlc.errors import ArgumentError


def binomial_coverage(n, k):
    """The chance that the true median lies between the k-th smallest and largest (from 0)."""
    return 1 - 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n


@pytest.mark.parametrize("n", [7, 10, 20, 50, 200, 999, 2000])
def test_interval_covers_at_least_95_percent_and_not_much_more(n):
    interval = timing.median_interval([float(i) for i in range(n)])
    k = int(interval.low)
    assert interval.high == n - 1 - k
    assert interval.median == (n - 1) / 2
    assert binomial_coverage(n, k) >= 0.95
    if n >= 10:
        assert binomial_coverage(n, k + 1) < 0.97


def test_few_samples_give_the_extremes():
    assert timing.median_interval([3.0, 1.0, 2.0]) == timing.Interval(2.0, 1.0, 3.0)
    assert timing.median_interval([5.0]) == timing.Interval(5.0, 5.0, 5.0)


class FakeClock:
    """A clock that functions move forward themselves."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(timing.clock, "perf_counter", lambda: self.now)

    def taking(self, *seconds):
        calls = iter(range(10**9))

        def f(*_):
            self.now += seconds[next(calls) % len(seconds)]

        return f


def test_ratio_and_sentence(monkeypatch):
    fake = FakeClock(monkeypatch)
    fast, slow = fake.taking(0.01), fake.taking(0.03)
    fast.__qualname__, slow.__qualname__ = "fast", "slow"
    result = timing.time(fast, 1, rival=slow, repeats=10)
    assert (result.median, result.best, result.runs) == (
        pytest.approx(0.01),
        pytest.approx(0.01),
        10,
    )
    assert result.ratio.median == pytest.approx(3.0)
    assert not result.within_noise
    assert str(result) == (
        "fast: 10 ms per call (10 ms to 10 ms, best 10 ms; 10 runs, warm cache); "
        "rival slow: 30 ms; 3.00 times faster (3.00 to 3.00)"
    )
    assert "3.00 times slower, ratio (0.33 to 0.33)" in str(
        timing.time(slow, rival=fast, repeats=9)
    )


def test_within_noise(monkeypatch):
    fake = FakeClock(monkeypatch)
    a, b = fake.taking(0.01, 0.02, 0.03), fake.taking(0.02, 0.03, 0.01, 0.02)
    result = timing.time(a, rival=b, repeats=50)
    assert result.within_noise and "within noise, ratio" in str(result)


def test_short_calls_are_repeated():
    result = timing.time(lambda: None, budget_s=0.01)
    assert result.runs > 7 * 100
    assert 1e-9 < result.best <= result.low <= result.median <= result.high < 1e-4


def test_budget_is_kept():
    start = clock.perf_counter()
    result = timing.time(clock.sleep, 0.005, budget_s=0.05)
    assert clock.perf_counter() - start < 1
    assert result.runs >= 7 and result.median >= 0.005


def test_cold_cache_is_slower():
    x = np.zeros(1 << 14)
    warm = timing.time(np.sum, x, repeats=15)
    cold = timing.time(np.sum, x, cache="cold", repeats=15)
    assert cold.runs == 15 and "cold cache" in str(cold)
    assert cold.median > warm.median


def test_keywords_are_passed_on_and_gc_comes_back():
    seen = []
    timing.time(lambda *a, **k: seen.append((a, k)), 1, 2, 3, 4, x=5, repeats=1)
    assert seen[-1] == ((1, 2, 3, 4), {"x": 5}) and gc.isenabled()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cache": "hot"}, "'warm' or 'cold', got 'hot'"), ({"repeats": 0}, "at least 1, got 0")],
)
def test_wrong_options(options, message):
    with pytest.raises(ArgumentError, match=message):
        timing.time(len, [], **options)
