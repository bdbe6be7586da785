"""Objects are called in sentences what the function calls them."""

from typing import Any

import numpy as np
import pytest

import mlc


class Model:
    def __init__(self) -> None:
        self.w, self.rate, self.layers = np.ones(3), 0.5, [np.ones(2)]

    def scaled(self, x: Any) -> Any:
        return x * self.w * self.rate


def scaled(x: Any, model: Any) -> Any:
    return x * model.w * model.rate + model.layers[0][0]


@pytest.mark.parametrize("by_keyword", [False, True])
def test_what_made_a_function_compile_again(by_keyword: bool) -> None:
    jitted, model, x = mlc.jit(scaled), Model(), np.arange(3.0)

    def reason() -> str:
        found = jitted(x, model=model) if by_keyword else jitted(x, model)
        np.testing.assert_array_equal(found, scaled(x, model))
        return str(jitted.cache_info()).splitlines()[-1]

    reason()
    model.rate = 0.7
    assert reason().endswith("model.rate changed from 0.5 to 0.7")
    model.w = np.zeros(3)
    assert reason().endswith("model.w is another array")
    model.layers.append(np.ones(2))
    assert reason().endswith("len(model.layers) changed from 1 to 2")


def test_the_object_of_a_method_is_self() -> None:
    jitted, model = mlc.jit(Model.scaled), Model()
    jitted(model, np.arange(3.0))
    model.rate = 2.0
    jitted(model, np.arange(3.0))
    assert "self.rate changed from 0.5 to 2.0" in str(jitted.cache_info())
