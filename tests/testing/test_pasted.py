"""What `mlc.testing` prints of a failing case runs, and fails in the same way."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import runpy
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy
from mlc.testing.comparing import same_layout
from mlc.testing.literals import UnwrittenError, literal

X = np.array([[0.5, -1.25, 3.0], [2.0, 4.5, -0.75]], np.float32)
CUBE = np.arange(24.0).reshape(2, 3, 4)
OPTIONS = {"a": 2.0, "b": [1, (2, None)]}
TABLE = np.arange(1000.0)
Point = namedtuple("Point", "x y")


class Way(enum.Enum):
    ONE = 1
    TWO = 2


class Layer:
    def __init__(self, w: Any) -> None:
        self.w, self.more = w, {"k": [1]}

    def forward(self, x: Any) -> Any:
        return x * self.w


@dataclasses.dataclass
class Model:
    w: float

    def __call__(self, x: Any) -> Any:
        return x * self.w


LAYER = Layer(3.0)


def made(n: float) -> Callable[[Any], Any]:
    def inner(x: Any) -> Any:
        return x * n

    return inner


def with_options(x: Any) -> Any:
    return x * OPTIONS["a"] + OPTIONS["b"][0]


def with_table(x: Any) -> Any:
    return x * TABLE[:3]


def with_keywords(x: Any, *, scale: Any = 2, flip: bool = False) -> Any:
    return x * scale + flip


def with_object(x: Any) -> Any:
    return LAYER.forward(x)


def doubled(x: Any) -> Any:
    return x * 2


def in_place(x: Any) -> Any:
    x += 1
    return x


def raising(x: Any) -> Any:
    raise ValueError("no")


@mlc.jit
def jitted(x: Any) -> Any:
    return x * 3


def nested(x: Any) -> Any:
    return {"a": (x, [x * 2]), "b": Point(x, x)}


CASES: dict[str, tuple[Any, Any, tuple[Any, ...]]] = {
    "a dict of the module": (with_options, doubled, (X,)),
    "a long array of the module": (with_table, doubled, (X[0],)),
    "a closure, twice": (made(2.0), made(3.0), (X,)),
    "closures of lambdas": ((lambda k: lambda x: x * k)(2), (lambda k: lambda x: x * k)(3), (X,)),
    "a method": (Layer(2.0).forward, jitted, (X,)),
    "an object that is called": (Model(2.0), jitted, (X,)),
    "an object of the module": (with_object, doubled, (X,)),
    "a partial function": (functools.partial(with_keywords, scale=5), jitted, (X,)),
    "a jitted function": (jitted, doubled, (X,)),
    "an argument that changes": (in_place, lambda x: x + 1, (X,)),
    "no change of an argument": (lambda x: x + 1, in_place, (X,)),
    "an error of the reference": (doubled, raising, (X,)),
    "an error of the function": (raising, doubled, (X,)),
    "dtype": (doubled, lambda x: (x * 2).astype(np.float64), (X,)),
    "shape": (lambda x: x.sum(0), lambda x: x.sum(1), (X,)),
    "structure": (nested, lambda x: {"a": (x, [x * 2])}, (X,)),
    "a named tuple": (lambda p: p.x + p.y, lambda p: p.x - p.y, (Point(X, 2.0),)),
    "a dict": (lambda d: d["a"] + d["b"][0], lambda d: d["a"], ({"a": X, "b": [X, 1]},)),
    "float16": (doubled, jitted, (np.array([1, 2.5, np.nan, np.inf], np.float16),)),
    "bfloat16": (doubled, lambda x: x * 100, (np.array([1, 2.5], ml_dtypes.bfloat16),)),
    "complex": (doubled, jitted, (np.array([1 + 2j, complex(np.nan, -0.0), -0.0j]),)),
    "nothing": (lambda x: x.sum(0), lambda x: x.sum(0) + 1, (np.zeros((0, 3)),)),
    "transposed": (np.ravel, lambda x: x.ravel(order="K"), (CUBE.transpose(1, 0, 2),)),
    "many equal elements": (doubled, jitted, (np.ones((30, 30), np.int16),)),
    "several": (lambda a, b, c: a + b * c, lambda a, b, c: a, (X, 2, True)),
    "a type": (lambda x, d: x.astype(d), lambda x, d: x, (X, np.float64)),
    "a dtype": (lambda x, d: x.astype(d), lambda x, d: x, (X, np.dtype("int8"))),
    "a slice": (lambda x, s: x[s], lambda x, s: x[s] + 1, (X, slice(0, None, 2))),
    "a function": (lambda x, f: f(x), lambda x, f: x, (X, np.linalg.norm)),
    "a member of an enum": (lambda x, w: x * w.value, lambda x, w: x, (X, Way.TWO)),
    "a module": (lambda x: x * math.pi, lambda x: x * math.e, (X,)),
    "a function of NumPy's parts": (np.linalg.norm, lambda x: np.linalg.norm(x) + 1, (X,)),
    "a method of a ufunc": (np.add.reduce, lambda x: x[0], (X,)),
}


@pytest.mark.parametrize("case", CASES)
def test_it_fails_in_the_same_way(case: str, tmp_path: Path) -> None:
    function, reference, args = CASES[case]
    with pytest.raises(AssertionError) as caught:
        check_against_numpy(function, *args, reference=reference)
    said, _, test = str(caught.value).partition("\n\nimport numpy as np\n")
    path = tmp_path / "test_pasted.py"
    path.write_text(f"import numpy as np\n{test}")
    with pytest.raises(AssertionError) as again:
        runpy.run_path(str(path), run_name="pasted")["test_differs"]()
    assert _places_aside(str(again.value)) == _places_aside(said)


def test_keys_that_find_the_same_item_are_the_same() -> None:
    check_against_numpy(lambda x: {4: x, "a": x}, X, reference=lambda x: {np.int64(4): x, "a": x})
    with pytest.raises(AssertionError, match=r"there is the result\[4\]"):
        check_against_numpy(lambda x: {4: x}, X, reference=lambda x: {5: x})


def test_a_class_of_a_function_stands_in_the_test(tmp_path: Path) -> None:
    class Wider(Layer):
        def forward(self, x: Any) -> Any:
            return super().forward(x) + OPTIONS["a"] * math.pi

    CASES["a class of a function"] = (Wider(2.0).forward, doubled, (X,))
    try:
        test_it_fails_in_the_same_way("a class of a function", tmp_path)
    finally:
        del CASES["a class of a function"]


def _places_aside(text: str) -> str:
    return text.partition("\n\nimport numpy as np\n")[0].partition("\n  at ")[0]


def test_what_cannot_be_written_says_so() -> None:
    stream = np.random.default_rng(0)
    with pytest.raises(AssertionError, match=r"stream = \.\.\.  # to be made here: Generator"):
        check_against_numpy(lambda x: x + (stream is None), X, reference=doubled)
    with pytest.raises(UnwrittenError):
        literal(stream)


@pytest.mark.parametrize(
    "value",
    [
        CUBE.transpose(1, 0, 2), CUBE[::-1], CUBE[:, ::-1], CUBE[::-1, :, ::-2],
        CUBE.transpose(2, 0, 1)[::-1], np.asfortranarray(X), X.T[::-1], CUBE[..., ::2], CUBE > 3,
        CUBE * 1j, np.array([complex(np.nan, -0.0), complex(1, np.inf), -0.0j]), np.array(-0.0),
        np.arange(1000.0) * 0.5 + 3, np.full((30, 30), 7, np.uint8), np.array([2**63], np.uint64),
        CUBE.astype(ml_dtypes.bfloat16), np.zeros((2, 0)),
    ],
)  # fmt: skip
def test_arrays_in_their_layouts(value: Any) -> None:
    again = eval(literal(value))
    assert again.dtype == value.dtype and again.shape == value.shape
    assert again.tobytes() == value.tobytes()
    assert again.strides == value.strides
    assert same_layout(value).strides == value.strides


@pytest.mark.parametrize(
    "value",
    [
        None, ..., 1, True, 2.5, -np.inf, 1 + 2j, "a", b"b", (1,), [1, (2,)], {1: 2, "a": [3]},
        {1}, set(), frozenset([1]), slice(1, None, -1), range(3), np.float16(1.5), np.True_,
        np.dtype("int8"), np.float64, int, np.complex64(1 + 2j),
    ],
)  # fmt: skip
def test_other_values(value: Any) -> None:
    again = eval(literal(value))
    assert type(again) is type(value) and again == value
