"""np.fft, and np.linalg of complex matrices, by the loops that NumPy has for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

from .comparison import check, numbers

fft = np.fft
OPTIONS: tuple[dict[str, Any], ...] = (
    {}, {"n": 5}, {"n": 12, "norm": "forward"}, {"axis": 0}, {"norm": "ortho"},
)  # fmt: skip


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_transforms_of_lines(dtype: str) -> None:
    z = numbers((3, 8), dtype)

    def every(z: Any, x: Any) -> Any:
        complexes = [f(z, **o) for f in (fft.fft, fft.ifft, fft.irfft, fft.hfft) for o in OPTIONS]
        return complexes, [f(x, **o) for f in (fft.fft, fft.rfft, fft.ihfft) for o in OPTIONS]

    check(every, z, z.real.copy(), rtol=1e-4 if dtype == "complex64" else None)


def test_transforms_of_planes() -> None:
    z = numbers((3, 4, 6), "complex128")

    def every(z: Any, x: Any) -> Any:
        return (
            fft.fftn(z), fft.ifftn(z), fft.fft2(z), fft.ifft2(z), fft.irfftn(z), fft.irfft2(z),
            fft.rfftn(x), fft.rfft2(x), fft.fftn(z, s=(4, 6), axes=(0, 1)), fft.fft2(x),
            fft.irfftn(z, s=(4, 6), axes=(0, 1)), fft.fftshift(z), fft.ifftshift(z, axes=1),
            fft.rfft(np.arange(5)), fft.ifft(fft.fft(z) * fft.fftfreq(6)),
        )  # fmt: skip

    check(every, z, z.real.copy())


@pytest.mark.parametrize("target", ["interpret", "numpy"])
def test_transforms_on_other_backends(target: str) -> None:
    z = numbers((2, 6), "complex128")
    found = mlc.jit(lambda z: (fft.fft(z), fft.irfft(z, 7), z * 1j), target=target)(z)
    for got, want in zip(found, (fft.fft(z), fft.irfft(z, 7), z * 1j), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_transforms_refused() -> None:
    z = numbers((4,), "complex128")
    with pytest.raises(TypeError, match=r"rfft takes real arrays; use np\.fft\.fft, or"):
        mlc.jit(lambda z: fft.rfft(z))(z)
    with pytest.raises(mlc.ArgumentError, match=r"invalid number of data points \(0\) specified"):
        mlc.jit(lambda z: fft.fft(z, n=0))(z)
    with pytest.raises(
        mlc.ArgumentError, match='norm is "backward", "ortho" or "forward", got \'x\''
    ):
        mlc.jit(lambda z: fft.fft(z, norm="x"))(z)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_linear_algebra(dtype: str) -> None:
    a, b = numbers((2, 4, 4), dtype), numbers((2, 4, 2), dtype, 1)
    h = a @ a.conj().swapaxes(1, 2) + 4 * np.eye(4, dtype=dtype)
    r = numbers((5, 3), dtype, 2)

    def every(a: Any, b: Any, h: Any, r: Any) -> Any:
        la = np.linalg
        values, vectors = la.eigh(h)
        u, s, vh = la.svd(r, full_matrices=False)
        q, t = la.qr(r)
        w, v = la.eig(a)
        return (
            la.inv(a), la.solve(a, b), la.solve(a[0], b[0, :, 0]), la.det(a), la.slogdet(a),
            la.cholesky(h), la.eigvalsh(h), la.svdvals(r), la.pinv(r), la.matrix_rank(r),
            la.cond(a), la.cond(a, 1), la.matrix_power(a, 3), la.matrix_power(a, -2),
            la.norm(r, 2), (vectors * values[..., None, :]) @ vectors.conj().swapaxes(-1, -2),
            (u * s) @ vh, q @ t, np.abs(la.qr(r.T, "r")), a @ v - v * w[..., None, :],
            la.vector_norm(r, axis=0), la.matrix_norm(r), la.outer(r[0], r[1]),
        )  # fmt: skip

    check(every, a, b, h, r, rtol=2e-3 if dtype == "complex64" else 1e-9)


def test_a_singular_matrix_ends_the_call() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        mlc.jit(lambda a: np.linalg.inv(a))(np.zeros((2, 2), complex))


@pytest.mark.parametrize("entry", [complex(np.nan, -np.inf), complex(np.inf, np.nan), np.inf * 1j])
def test_singular_values_where_a_modulus_is_infinite(entry: complex) -> None:
    """An infinite part beside a NaN makes a modulus that is no NaN, which alone LAPACK refuses."""
    z = numbers((3, 2, 3), "complex64")
    z[1, 0, 1] = entry
    check(lambda z: (np.linalg.matrix_rank(z), np.linalg.svd(z, compute_uv=False)), z, rtol=1e-4)
    z[1, 0, 1] = complex(np.nan, 1)
    with pytest.raises(np.linalg.LinAlgError, match="SVD did not converge"):
        mlc.jit(np.linalg.matrix_rank)(z)


@pytest.mark.parametrize("transform", [np.fft.fftn, np.fft.ifftn])
def test_numbers_have_no_axes_to_transform(transform: Callable[[Any], Any]) -> None:
    def written(x: Any) -> Any:
        made = transform(x)
        made.reshape(-1)[:1] = 3
        return made

    for x in (2, 2.5, 1j, np.float32(2), np.array(1 + 1j)):
        made = mlc.jit(lambda x: transform(x))(x)
        assert type(made) is np.ndarray and made == transform(x)
        assert made.dtype == transform(x).dtype and mlc.jit(written)(x) == 3
