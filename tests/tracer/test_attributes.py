"""Objects whose attributes a function reads and sets."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np
import pytest

import mlc

X = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)


class Layer:
    def __init__(self) -> None:
        self.w = np.full(8, 0.5, np.float32)
        self.m = np.zeros(8, np.float32)
        self.seen: list[Any] = []
        self.grown = {"b": np.zeros(8)}


class Model:
    def __init__(self) -> None:
        self.w = np.ones(8, np.float32)
        self.steps = 0
        self.rate = 0.5
        self.order = np.arange(8)
        self.layers = [Layer(), Layer()]
        self.is_first = True
        self.state: Any = None

    def set_new(self, x: Any) -> Any:
        self.w = self.w + x.sum(0)
        return self.w * 2

    def in_place(self, x: Any) -> Any:
        self.w += x.sum(0)
        self.w[1:3] *= 2
        return x @ self.w

    def count(self, x: Any) -> Any:
        self.steps += 1
        self.rate *= 0.9
        return x * self.rate / (1 - 0.5**self.steps)

    def of_integers(self, x: Any) -> Any:
        self.order[2:4] += x.argmax(axis=1)[:2]
        return self.order[np.argmax(x) % 8]

    def element(self, x: Any) -> Any:
        for i in range(len(x)):
            self.w[i] = self.w[i] * 0.9 + x[i, 0]
        return self.w

    def nested(self, x: Any) -> Any:
        for layer in self.layers:
            layer.m = 0.9 * layer.m + x.mean(0)
            layer.w -= 0.1 * layer.m
            layer.grown["b"] = layer.grown["b"] + layer.m
            layer.seen.append(x)
            x = x * layer.w + layer.grown["b"]
        return x

    def lazily(self, x: Any) -> Any:
        if self.is_first:
            self.state = np.zeros_like(x)
            self.is_first = False
        self.state = self.state * 0.5 + x
        return self.state

    def hands_out_a_list(self, x: Any) -> Any:
        seen = self.layers[0].seen
        seen.append(x.sum())
        return np.stack(seen), seen[-1]

    def in_a_branch(self, x: Any) -> Any:
        if x.sum() > 0:
            self.w = self.w + 1
        return self.w

    def in_a_loop(self, x: Any) -> Any:
        for i in range(30):
            self.w = self.w * 0.9 + x[i % 4]
        return self.w

    def of_a_size(self, x: Any) -> Any:
        self.steps += 1
        return np.zeros(self.steps) + x.sum()


def held(name: str, value: Any) -> dict[str, Any]:
    """All that an object holds, by name."""
    match value:
        case list():
            items = [(f"{name}[{i}]", item) for i, item in enumerate(value)]
        case dict():
            items = [(f"{name}.{key}", item) for key, item in value.items()]
        case Layer() | Model():
            items = [(name, vars(value))]
        case _:
            return {name: value}
    return {label: leaf for key, item in items for label, leaf in held(key, item).items()}


METHODS = [name for name, value in vars(Model).items() if name[0] != "_"]


@pytest.mark.parametrize("name", METHODS)
def test_attributes_are_what_they_are_without_jit(name: str) -> None:
    method = getattr(Model, name)
    compiled, ours, theirs = mlc.jit(method), Model(), Model()
    for k in range(3):
        found, wanted = compiled(ours, X + k), method(theirs, X + k)
        for g, w in zip(*(v if isinstance(v, tuple) else (v,) for v in (found, wanted))):
            np.testing.assert_allclose(g, w, rtol=1e-4)
        got, want = held("model", ours), held("model", theirs)
        assert list(got) == list(want)
        for label, value in want.items():
            assert type(got[label]) is type(value), label
            if value is not None:
                np.testing.assert_allclose(got[label], value, rtol=1e-4, err_msg=label)


def test_what_is_set_does_not_compile_again_each_time() -> None:
    traces = itertools.count()

    class Momentum:
        def __init__(self) -> None:
            self.v, self.t = np.zeros(3), 0

        @mlc.jit
        def step(self, g: Any) -> Any:
            next(traces)
            self.t += 1
            self.v = 0.9 * self.v + g / self.t
            return self.v

    one = Momentum()
    for _ in range(12):
        one.step(np.ones(3))
    assert one.t == 12
    assert next(traces) <= 4


def test_an_array_that_is_written_in_place_stays_the_same_object() -> None:
    model, compiled = Model(), mlc.jit(Model.in_place)
    before = model.w
    compiled(model, X)
    assert model.w is before
    assert before[0] == pytest.approx(1 + X.sum(0)[0], rel=1e-5)


def test_what_is_changed_between_calls_is_seen() -> None:
    model, compiled = Model(), mlc.jit(Model.set_new)
    compiled(model, X)
    model.w = np.zeros(8, np.float32)
    np.testing.assert_allclose(compiled(model, X), 2 * X.sum(0), rtol=1e-5)
    model.w[:] = 1
    np.testing.assert_allclose(compiled(model, X), 2 + 2 * X.sum(0), rtol=1e-5)
    other = Model()
    np.testing.assert_allclose(compiled(other, X), 2 + 2 * X.sum(0), rtol=1e-5)


def test_instances_are_arguments() -> None:
    @mlc.jit
    def forward(model: Any, x: Any, *, scale: Any) -> Any:
        return x * model.w + scale.rate

    model, scale = Model(), Model()
    np.testing.assert_allclose(forward(model, X, scale=scale), X + 0.5)
    model.w, scale.rate = model.w * 2, 0.25
    np.testing.assert_allclose(forward(model, X, scale=scale), X * 2 + 0.25)


def test_two_names_of_one_array_stay_so() -> None:
    class Tied:
        def __init__(self) -> None:
            self.encode = self.decode = np.ones(3)

        def step(self, x: Any) -> Any:
            self.encode += x
            return self.decode * 1

    def run(step: Any) -> Any:
        one = Tied()
        return step(one, np.arange(3.0)), one.encode, one.encode is one.decode

    for got, want in zip(run(mlc.jit(Tied.step)), run(Tied.step)):
        np.testing.assert_array_equal(got, want)


def test_an_attribute_that_is_deleted_is_refused() -> None:
    class Holder:
        def __init__(self) -> None:
            self.a, self.b = np.ones(3), np.ones(3)

        def move(self, x: Any) -> Any:
            self.a = self.a + x
            del self.b
            return self.a

    one = Holder()
    with pytest.raises(mlc.UnsupportedError, match="move deletes 'b' of an object, which compiled"):
        mlc.jit(Holder.move)(one, np.ones(3))
    assert sorted(vars(one)) == ["a", "b"]
    np.testing.assert_array_equal(one.a, np.ones(3))


def test_an_error_leaves_the_object_as_it_was() -> None:
    class Failing:
        def __init__(self) -> None:
            self.a = np.ones(3)

        def move(self, x: Any) -> Any:
            self.a = self.a + x
            return np.array2string(self.a)

    one = Failing()
    with pytest.raises(mlc.UnsupportedError, match=r"np\.array2string cannot be traced"):
        mlc.jit(Failing.move)(one, np.ones(3))
    assert type(one.a) is np.ndarray
    np.testing.assert_array_equal(one.a, np.ones(3))


def test_a_dict_that_is_returned_and_held_keeps_what_was_put_in() -> None:
    class Entry:
        def __init__(self) -> None:
            self.value, self.taken = np.ones(3), 0

        def take(self, x: Any) -> Any:
            self.taken += 1
            found = self.__dict__
            found["key"] = x * 2
            return found

    ours, theirs = Entry(), Entry()
    got, want = mlc.jit(Entry.take)(ours, np.ones(3)), theirs.take(np.ones(3))
    assert sorted(got) == sorted(want) == sorted(vars(ours))
    np.testing.assert_array_equal(got["key"], want["key"])
    assert ours.taken == got["taken"] == 1


class Weighted:
    def __init__(self) -> None:
        self.weights = np.arange(3.0)


class Layers:
    def __init__(self) -> None:
        self.first, self.others, self.named = (
            Weighted(),
            [Weighted(), Weighted()],
            {"last": Weighted()},
        )
        self.alias = self.first.weights


def halve_all(net: Layers) -> Any:
    for layer in (net.first, *net.others, net.named["last"]):
        layer.weights *= 0.5
    return net.alias.sum()


def double_all(net: Layers) -> Any:
    for layer in net.others:
        layer.weights = layer.weights * 2
    return net.others[0].weights


def set_one(net: Layers) -> Any:
    net.first.weights[1] = 5.0
    return net.alias.max()


@pytest.mark.parametrize("function", [halve_all, double_all, set_one])
def test_objects_in_objects_are_changed_without_an_array_among_the_arguments(function: Any) -> None:
    plain, other, jitted = Layers(), Layers(), mlc.jit(function)
    for _ in range(4):
        np.testing.assert_allclose(jitted(other), function(plain))
    for a, b in zip((plain.first, *plain.others), (other.first, *other.others), strict=True):
        np.testing.assert_allclose(b.weights, a.weights)
    assert 1 <= len(jitted.cache_info()) <= 2
    assert "graph" in dir(jitted.lower(other))
    jitted.clear_cache()
    assert len(jitted.cache_info()) == 0


class _Rows:
    def __init__(self, rows):
        self.rows = rows

    def widen(self, column):
        self.rows = [self.rows[i] + [column[i]] for i in range(2)]

    def turn(self, column):
        self.rows = [self.rows[1], self.rows[0]]
        self.seen = {}
        for item in column:
            self.seen[item] = [item]

    def begin(self, column):
        self.table = [[0 for _ in range(3)] for _ in range(2)]
        self.table[0][1] = 2


@pytest.mark.parametrize("name", ["widen", "turn", "begin"])
def test_lists_that_methods_make_and_keep_are_pythons_own(name):
    method = getattr(_Rows, name)
    fast, made, expected = mlc.jit(method), _Rows([[1, 2], [3, 4]]), _Rows([[1, 2], [3, 4]])
    for column in ([8, 9], [5, 7]):
        fast(made, column)
        method(expected, column)
        assert vars(made) == vars(expected)
        assert [type(held) for held in vars(made).values()] in ([list], [list, list], [list, dict])


class _Graph:
    def __init__(self, near):
        self.near = near

    def visit(self, start, visited):
        visited[start] = True
        for other in self.near:
            visited[other] = True

    def meet(self, others, seen):
        seen["last"] = others[0].near[0]
        others.append(self)


def test_lists_that_change_beside_alike_objects_are_the_callers_own():
    fast, meet = mlc.jit(_Graph.visit), mlc.jit(_Graph.meet)
    for _ in range(4):
        graph, visited = _Graph([1, 2]), [False] * 4
        fast(graph, 0, visited)
        assert visited == [True, True, True, False]
        first, second, seen = _Graph([3]), _Graph([4]), {"last": 0}
        others = [first]
        meet(second, others, seen)
        assert seen == {"last": 3}
        assert others == [first, second]


class _Queue:
    def __init__(self):
        self.waiting, self.time, self.met = deque([1, 2, 3]), 0, {5}

    def take(self, x):
        self.time += self.waiting.popleft()
        return x

    def meet(self, x):
        self.met.add(7)
        return x + len(self.waiting)

    def count(self, x):
        self.time = x + len(self.waiting) + sum(self.met)


@pytest.mark.parametrize("name", ["take", "meet"])
def test_deques_and_sets_of_objects_change_at_no_call(name):
    queue = _Queue()
    with pytest.raises(mlc.UnsupportedError, match="deque or a set holds that an object has"):
        mlc.jit(getattr(_Queue, name))(queue, 1.0)
    assert vars(queue) == vars(_Queue())
    mlc.jit(_Queue.count)(queue, 1.0)
    assert queue.time == 9
