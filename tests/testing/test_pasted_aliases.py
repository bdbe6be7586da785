"""Pasted tests import what the module calls by another name."""

import numpy as np
import pytest

import mlc
import mlc.testing
from mlc import te
from mlc.testing.comparing import copied
from mlc.testing.literals import literal

axis_of = te.reduce_axis


@mlc.op
def row_sums(x):
    k = axis_of(x.shape[1])
    return te.compute((x.shape[0],), lambda i: te.sum(x[i, k], axis=k))


def test_an_alias_is_imported_by_its_own_name():
    with pytest.raises(AssertionError) as caught:
        mlc.testing.check_op(
            row_sums, lambda x: x.sum(1) + 1, shapes=["n k"], examples=1, dtypes=("int32",)
        )
    text = str(caught.value)
    assert "from mlc.te.construct import reduce_axis as axis_of\n" in text
    names = {"__name__": "pasted"}
    exec(text[text.index("import numpy") :], names)
    with pytest.raises(AssertionError):
        names["test_differs"]()
    assert np is names["np"]


halved = lambda v: v * scale
scale = 0.5


def twice(x):
    return halved(x) * 4


doubled = twice


def test_lambdas_and_other_names_of_the_module_are_written_out():
    with pytest.raises(AssertionError) as caught:
        mlc.testing.check_against_numpy(lambda x: doubled(x), np.ones(2), reference=lambda x: x)
    text = str(caught.value)
    assert "halved = (lambda v: v * scale)\n" in text and "doubled = twice\n" in text
    names = {"__name__": "pasted"}
    exec(text[text.index("import numpy") :], names)
    with pytest.raises(AssertionError, match=r"float64\(2\.0\) instead of np\.float64\(1\.0\)"):
        names["test_differs"]()


READ_ONLY = np.arange(6.0).reshape(2, 3)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    "value",
    [
        READ_ONLY,
        READ_ONLY[:, ::-1],
        READ_ONLY.T,
        np.broadcast_to(np.arange(3.0), (2, 3)),
    ],
)
def test_what_cannot_be_written_to_stays_so(value):
    for made in (eval(literal(value)), copied(value)):
        assert np.array_equal(made, value) and made.dtype == value.dtype
        assert not made.flags.writeable
        assert made.strides == value.strides
    mlc.testing.check_against_numpy(stored, value)  # which NumPy refuses


def stored(x):
    x[0] = 1
    return x
