"""What NumPy refuses since it is not finite, or nothing."""

from __future__ import annotations

import numpy as np
import pytest

import mlc

NAN = np.array([[1.0, np.nan], [0.5, 1.0]])
CONVERGED = "SVD did not converge"
REFUSED = [
    (lambda a: np.linalg.svd(a, compute_uv=False), CONVERGED),
    (lambda a: np.linalg.svd(a).U, CONVERGED),
    (np.linalg.pinv, CONVERGED),
    (lambda a: np.linalg.norm(a, 2), CONVERGED),
    (np.linalg.matrix_rank, CONVERGED),
    (np.linalg.eigvals, "must not contain infs or NaNs"),
    (np.linalg.eig, "must not contain infs or NaNs"),
]
if np.lib.NumpyVersion(np.__version__) < "2.5.0":  # NaN from then on
    REFUSED.append((np.linalg.cond, CONVERGED))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize(("function", "sentence"), REFUSED)
def test_lapack_takes_no_nan_where_numpy_refuses_it(function, sentence, dtype):
    a = NAN.astype(dtype)
    with pytest.raises(np.linalg.LinAlgError, match=sentence):
        function(a)
    with pytest.raises(np.linalg.LinAlgError, match=sentence):
        mlc.jit(function)(a)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_least_squares_take_only_finite_matrices(value):
    a = np.array([[1.0, value], [0.5, 1.0]])
    with pytest.raises(np.linalg.LinAlgError, match="Linear Least Squares"):
        mlc.jit(lambda a, b: np.linalg.lstsq(a, b)[0])(a, np.ones(2))


def test_singular_values_of_infinity_are_nan():
    a = np.array([[1.0, np.inf], [0.5, 1.0]])
    assert np.isnan(mlc.jit(lambda a: np.linalg.svd(a, compute_uv=False))(a)).all()


def test_a_handler_takes_what_the_data_make_lapack_refuse():
    def spectrum(a):
        try:
            return np.linalg.svd(a, compute_uv=False)
        except np.linalg.LinAlgError:
            return np.zeros(2)

    jitted = mlc.jit(spectrum)
    for a in (NAN, np.eye(2)):
        np.testing.assert_allclose(jitted(a), spectrum(a))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("function", [np.histogram, np.histogram_bin_edges])
def test_a_histogram_needs_a_finite_range(function, value):
    x = np.array([1.0, value, 2.0])
    with pytest.raises(ValueError, match=r"autodetected range of .* is not finite"):
        function(x)
    with pytest.raises(ValueError, match=r"autodetected range of .* is not finite"):
        mlc.jit(lambda x: function(x))(x)
    edges = mlc.jit(lambda x: function(x, range=(0.0, 4.0)))(x)[-1]
    assert np.ravel(edges)[-1] == 4.0


def test_scalars_are_not_correlated():
    with pytest.raises(ValueError, match="object of too small depth"):
        mlc.jit(lambda a, b: np.correlate(a, b))(2.0, 3.0)


@pytest.mark.parametrize("shape", [(2, 3), (5, 2), (3, 3)])
def test_a_diagonal_filled_with_nothing_stays(shape):
    def filled(a, values):
        np.fill_diagonal(a, values)

    for values in (np.zeros((0, 3)), np.arange(2.0)):
        x = np.arange(float(np.prod(shape))).reshape(shape)
        y = x.copy()
        filled(x, values)
        mlc.jit(filled)(y, values)
        np.testing.assert_array_equal(y, x)
