"""Objects that differ in what their arrays and floats hold share compiled code; others do not."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.tracer.alike import differences


class Layer:
    def __init__(self, rng: Any, n: int, m: int) -> None:
        self.w, self.b = rng.standard_normal((n, m)), rng.standard_normal(m)

    def __call__(self, x: Any) -> Any:
        return x @ self.w + self.b


class Net:
    def __init__(self, seed: int, **others: Any) -> None:
        rng = np.random.default_rng(seed)
        self.layers = [Layer(rng, 4, 5), Layer(rng, 5, 5)]
        self.table = {"scale": rng.standard_normal(5)}
        self.act, self.steps, self.rate = "tanh", 2, 0.5
        self.__dict__.update(others)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
            x = np.tanh(x) if self.act == "tanh" else np.maximum(x, 0)
        for _ in range(self.steps):
            x = x * self.table["scale"] * self.rate
        return x


@dataclasses.dataclass(frozen=True)
class Frozen:
    w: Any
    k: float


class Slotted:
    __slots__ = ("k", "w")

    def __init__(self, w: Any, k: float) -> None:
        self.w, self.k = w, k


def forward(net: Any, x: Any) -> Any:
    return net.forward(x)


X = np.random.default_rng(5).standard_normal((3, 4))


def compiled(jitted: Any) -> int:
    return len(jitted.cache_info().rows)


def test_fresh_objects_share_code() -> None:
    jitted = mlc.jit(forward)
    for seed in range(8):
        np.testing.assert_allclose(jitted(Net(seed), X), Net(seed).forward(X), rtol=1e-12)
    assert compiled(jitted) == 2


@pytest.mark.parametrize(
    "others",
    [
        {"act": "relu"},
        {"steps": 3},
        {"rate": 2.5},
        {"rate": np.float64(0.125)},
        {"rate": 3},
        {"layers": []},
        {"table": {"scale": np.ones(5), "more": 1}},
        {"table": {"scale": np.ones(5, np.float32)}},
        {"table": {"scale": np.float64(2.0)}},
        {"act": None},
    ],
)
def test_what_differs_is_seen(others: dict[str, Any]) -> None:
    jitted = mlc.jit(forward)
    for net in (Net(1), Net(2), Net(3), Net(4, **others), Net(5), Net(6, **others)):
        x = X if net.layers else X[:, :1]
        np.testing.assert_allclose(jitted(net, x), net.forward(x), rtol=1e-12)


def test_changes_of_the_first_object_are_no_business_of_others() -> None:
    jitted, nets = mlc.jit(forward), [Net(seed) for seed in range(4)]
    for net in nets:
        jitted(net, X)
    nets[1].act, nets[1].layers[0].w = "relu", np.ones((4, 5))
    nets[2].layers[1].b += 1
    for net in (*nets, Net(9), Net(10, act="relu")):
        np.testing.assert_allclose(jitted(net, X), net.forward(X), rtol=1e-12)


def test_arrays_that_are_one_array() -> None:
    def tied(net: Any, x: Any) -> Any:
        net.a += 1
        return x @ net.a + net.b

    class Pair:
        def __init__(self, a: Any, b: Any) -> None:
            self.a, self.b = a, b

    jitted = mlc.jit(tied)
    for n in range(4):
        a, b = np.full((4, 4), n + 1.0), np.full((4, 4), n + 2.0)
        for one, two in ((a, a), (a, b), (a, a)):
            got, expected = Pair(one.copy(), two.copy()), Pair(one.copy(), two.copy())
            if one is two:
                got.b, expected.b = got.a, expected.a
            x = np.ones((4, 4))
            np.testing.assert_allclose(jitted(got, x), tied(expected, x))
            np.testing.assert_allclose(got.a, expected.a)
            np.testing.assert_allclose(got.b, expected.b)


@pytest.mark.parametrize("kind", [Frozen, Slotted])
def test_classes(kind: Any) -> None:
    jitted = mlc.jit(lambda p, x: x @ p.w * p.k)
    for n in range(6):
        made = kind(np.full((4, 2), n + 1.0), n / 2)
        np.testing.assert_allclose(jitted(made, X), X @ made.w * made.k, rtol=1e-12)
    assert compiled(jitted) <= 3


def test_objects_that_are_set() -> None:
    def step(net: Any, x: Any) -> Any:
        net.w = net.w - net.k * x.sum(0)[:, None]
        net.last = x
        return net.w.sum()

    jitted = mlc.jit(step)
    for n in range(5):
        got, expected = Net(0), Net(0)
        for net in (got, expected):
            net.w, net.k = np.full((4, 2), n + 1.0), 0.25 * n
        for _ in range(2):
            np.testing.assert_allclose(jitted(got, X), step(expected, X), rtol=1e-12)
            np.testing.assert_allclose(got.w, expected.w, rtol=1e-12)
            np.testing.assert_array_equal(got.last, X)


def test_an_object_that_is_returned_is_the_callers() -> None:
    jitted = mlc.jit(lambda p, x: (p, x @ p.w))
    for n in range(5):
        made = Slotted(np.full((4, 2), n + 1.0), 0.5)
        same, value = jitted(made, X)
        assert same is made
        np.testing.assert_allclose(value, X @ made.w)


def test_the_same_object_twice() -> None:
    def both(p: Any, q: Any, x: Any) -> Any:
        p.w = p.w + 1
        return x @ q.w

    jitted = mlc.jit(both)
    for n in range(4):
        for is_one in (True, False):
            pairs = []
            for _ in range(2):
                p = Net(0)
                p.w = np.full((4, 2), n + 1.0)
                q = p if is_one else Net(0)
                q.w = np.full((4, 2), n + 1.0)
                pairs.append((p, q))
            np.testing.assert_allclose(jitted(*pairs[0], X), both(*pairs[1], X))


def test_what_may_be_an_input_and_what_not() -> None:
    def look(a: Any, b: Any) -> Any:
        return differences([a], [b], lambda holder, key, value: isinstance(value, np.ndarray))

    assert look(Net(1), Net(2)) == []
    assert [key for _, key in look(Net(1), Net(1, rate=1.5))] == ["rate"]
    assert look(Net(1), Net(1, steps=5)) is None
    assert look(Net(1, f=lambda: 1), Net(1, f=lambda: 1)) is None
    assert look(Net(1, s={1}), Net(1, s={2})) is None
    assert look(Net(1), Slotted(1, 2)) is None
    assert look(Slotted((np.ones(2),), 1.0), Slotted((np.ones(2),), 1.0)) == []
    assert look(Slotted((np.ones(2),), 1.0), Slotted((np.zeros(2),), 1.0)) is None
    generators = [np.random.default_rng(1) for _ in range(2)]
    assert look(*(Net(1, g=g) for g in generators)) is None


def test_methods_of_fresh_objects() -> None:
    def apply(first: Any, second: Any, x: Any) -> Any:
        return second(first(x)[:, :4])

    jitted = mlc.jit(apply)
    for seed in range(8):
        a, b = Net(seed), Net(seed + 100, act="relu" if seed % 3 == 2 else "tanh")
        expected = apply(a.forward, b.forward, X)
        for _ in range(2):
            np.testing.assert_allclose(jitted(a.forward, b.forward, X), expected, rtol=1e-12)
    for net in (Net(1), Net(2)):
        one = jitted(net.forward, net.forward, X)
        np.testing.assert_allclose(one, apply(net.forward, net.forward, X), rtol=1e-12)
    assert compiled(jitted) <= 4


def test_methods_of_one_object_are_told_apart() -> None:
    jitted = mlc.jit(lambda f, x: f(x))
    for seed in range(6):
        net = Net(seed)
        for layer in (*net.layers[:1], net):
            for method in (layer.__call__, net.forward) if layer is not net else (net.forward,):
                np.testing.assert_allclose(jitted(method, X), method(X), rtol=1e-12)


class Two:
    def __init__(self, k: float) -> None:
        self.w = np.full(4, k)

    def plus(self, x: Any) -> Any:
        return x + self.w

    def times(self, x: Any) -> Any:
        return x * self.w


def test_two_methods_of_one_class() -> None:
    jitted = mlc.jit(lambda f, x: f(x))
    for k in range(6):
        two = Two(k + 2.0)
        for _ in range(2):
            np.testing.assert_array_equal(jitted(two.plus, X), X + two.w)
            np.testing.assert_array_equal(jitted(two.times, X), X * two.w)
