"""te.exp and its like."""

from __future__ import annotations

import numpy as np
import pytest

from mlc import te
from mlc.errors import ArgumentError
from mlc.te.evaluate import evaluate


def test_scalar_functions_by_name() -> None:
    x = te.placeholder((3,), "float32", name="x")
    y = te.compute((3,), lambda i: te.exp(x[i]) + te.sqrt(te.abs(x[i])), name="y")
    data = np.array([-1.0, 0.0, 2.0], np.float32)
    (got,) = evaluate([y], {x: data})
    np.testing.assert_allclose(got, np.exp(data) + np.sqrt(np.abs(data)), rtol=1e-6)


def test_integers_become_float64_where_floats_are_needed() -> None:
    n = te.placeholder((3,), "int32", name="n")
    y = te.compute((3,), lambda i: te.log2(n[i]), name="y")
    assert y.dtype.name == "float64"
    assert te.compute((3,), lambda i: te.maximum(n[i], 1), name="z").dtype.name == "int32"


def test_wrong_number_of_arguments() -> None:
    with pytest.raises(ArgumentError, match=r"te\.hypot takes 2 arguments, got 1"):
        te.hypot(1.0)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'expo'"):
        te.expo  # noqa: B018


def test_names_of_others_lead_to_ours():
    for name, ours in {"where": "select", "if_then_else": "select", "expo": "exp"}.items():
        with pytest.raises(AttributeError, match=f"no attribute '{name}'; there is te.{ours}$"):
            getattr(te, name)


def test_reducers_say_what_they_lack():
    A = te.placeholder((2, 3), "float32", name="A")
    with pytest.raises(ArgumentError, match=r"over axis=, a te.reduce_axis .* got None; make one"):
        te.compute((2,), lambda i: te.sum(A[i, 0]))
    with pytest.raises(ArgumentError, match=r"wants numbers as identity, and their dtype"):
        te.comm_reducer(lambda a, b: a + b, lambda dtype: 0)
