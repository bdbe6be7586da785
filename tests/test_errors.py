"""What an error of `mlc` says stays the same when it is copied or sent to another process."""

import copy
import linecache
import pickle

import numpy as np
import pytest

import mlc
from mlc import errors

EVERY = [
    mlc.ShapeError("a shape"),
    errors.AxisError("an axis", 3, 2),
    errors.BoundsError("an index"),
    errors.ScheduleError("a step", refusal="a counter-example"),
    errors.SimulationError("a race", findings=("one", "two")),
    errors.CompileError("a stage", "its text"),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_a_copy_says_one_place(error, again):
    made = again(error)
    assert type(made) is type(error)
    assert str(made) == str(error) and str(made).count("\n  at ") == 1
    assert vars(made) == vars(error)


def test_a_copy_of_an_axis_error_has_numpys_fields():
    made = pickle.loads(pickle.dumps(errors.AxisError("an axis", 3, 2)))
    assert isinstance(made, np.exceptions.AxisError) and (made.axis, made.ndim) == (3, 2)


def test_an_axis_error_says_one_sentence():
    assert str(errors.AxisError("an axis", 3, 2)).startswith(f"an axis\n  at {__file__}")


def test_notes_are_copied():
    error = mlc.ShapeError("a shape")
    error.__notes__ = ["where it was met"]
    assert copy.copy(error).__notes__ == ["where it was met"]


def test_a_place_is_the_users_own_behind_functools():
    import functools

    made = functools.singledispatch(lambda message: mlc.ShapeError(message))("a shape")
    assert made.location.filename == __file__


CELL = """def met(x):
    s = 0.0
    for v in x:
        try:
            if s > 100:
                raise KeyError(3)
            s += v
        except ValueError:
            pass
    return s

def wrong(x):
    return x.reshape(2, 2)
"""


def test_cells_of_notebooks_are_files():
    names = {"np": np}
    linecache.cache["<cell 1>"] = (len(CELL), None, CELL.splitlines(True), "<cell 1>")
    exec(compile(CELL, "<cell 1>", "exec"), names)
    x = np.array([1.0, 2.5, 0.5])
    assert mlc.jit(names["met"])(x) == 4.0
    with pytest.raises(KeyError):
        mlc.jit(names["met"])(x * 100)
    with pytest.raises(mlc.ShapeError, match="at <cell 1>:13 in wrong"):
        mlc.jit(names["wrong"])(x)


def test_functions_in_c_that_refuse_traced_values():
    with pytest.raises(
        errors.OutsideArrayError, match=r"compiled elsewhere, which says: .*Tracer fou"
    ):
        mlc.jit(lambda x: ",".join([x]))(np.ones(2))

    fused = compile("\n\nraise TypeError('No matching signature found')", "corner_cy.pyx", "exec")

    def corners(x):  # as functions of Cython for several dtypes do
        exec(fused)
        return x

    with pytest.raises(errors.OutsideArrayError, match=r"(?s)No matching .* in corners"):
        mlc.jit(corners)(np.ones(2))

    def refused(x):
        raise TypeError("no Tracer")

    with pytest.raises(TypeError, match=r"^no Tracer"):
        mlc.jit(refused)(np.ones(2))


LIBRARY = "def digits(x):\n    raise TypeError(f'no digits in {x}')\n"


def test_functions_of_libraries_that_refuse_traced_values(tmp_path, monkeypatch):
    """The error of a library that shows a traced value becomes a sentence with the user's line; its
    other errors are its own."""
    folder = tmp_path / "site-packages" / "digits_of"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(folder.parent))
    import digits_of  # type: ignore[import-not-found]

    with pytest.raises(
        errors.OutsideArrayError,
        match=r"a function of digits_of, which says: no digits in traced float64.*write it in "
        r"NumPy's functions\n  at .*test_errors.py:\d+ in ",
    ):
        mlc.jit(lambda x: digits_of.digits(x) + 1)(np.ones(2))
    with pytest.raises(TypeError, match="no digits in three"):
        mlc.jit(lambda x: digits_of.digits("three") + x)(np.ones(2))
