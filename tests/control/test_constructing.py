"""Objects that traced code makes: what their classes do as they begin is native like the rest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import mlc


class _Doubled:
    def __init__(self, x: np.ndarray) -> None:
        while x.sum() < 10:
            x = x * 2
        self.x = x


class _Counted(_Doubled):
    def __init__(self, x: np.ndarray, *, least: float = 1.0) -> None:
        super().__init__(x + 1)
        count = 0
        for value in self.x:
            if value > least:
                count += 1
        self.count = count

    def total(self) -> Any:
        return self.x.sum() * self.count


class _Halved(_Counted):
    def total(self) -> Any:
        whole = super().total()
        if whole > 100:
            whole = super().total() / 2
        return whole


class _Layer:
    def __init__(self, seed: int) -> None:
        rng = np.random.RandomState(seed)
        self.weights = rng.randn(3) * 0.5

    def step(self, gradient: np.ndarray) -> np.ndarray:
        self.weights -= 0.1 * gradient
        return self.weights


@dataclass
class _Scaled:
    x: np.ndarray
    scale: float = 0.0

    def __post_init__(self) -> None:
        if self.x.max() > 1:
            self.scale = self.x.max()


class _Made:
    __slots__ = ("x",)

    def __new__(cls, *args: Any) -> "_Made":
        return super().__new__(cls)

    def __init__(self, x: np.ndarray) -> None:
        self.x = x if x[0] > 1 else -x


def _layered(x: np.ndarray) -> np.ndarray:
    layer = _Layer(3)
    layer.step(x)
    return layer.step(x)


CASES: dict[str, Any] = {
    "while": lambda x: _Doubled(x).x,
    "super": lambda x: _Counted(x, least=2.5).total(),
    "super in branches": lambda x: _Halved(x).total(),
    "data class": lambda x: _Scaled(x).scale,
    "own __new__": lambda x: _Made(x).x,
    "drawn weights": _layered,
}


@pytest.mark.parametrize("name", CASES)
def test_what_begins_an_object_is_native(name: str) -> None:
    fast = mlc.jit(CASES[name])
    for x in (np.array([1.0, 2.0, 0.5]), np.array([0.1, 0.2, 0.3]), np.array([9.0, 8.0, 7.0])):
        np.testing.assert_allclose(fast(x), CASES[name](x), rtol=1e-12)
    assert len(fast.cache_info()) == 1


def test_an_object_without_what_its_class_asks_for_is_refused_as_in_python() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        mlc.jit(lambda x: _Counted().x)(np.ones(3))  # type: ignore[call-arg]


def test_a_data_class_keeps_no_trace_of_its_making() -> None:
    seen: list[Any] = []
    mlc.jit(lambda x: seen.append(_Scaled(x)))(np.ones(3))
    assert set(vars(seen[0])) == {"x", "scale"}
