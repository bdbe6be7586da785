"""scipy.fft in traced functions, and generalized eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

sf = pytest.importorskip("scipy.fft")
sl = pytest.importorskip("scipy.linalg")

RNG = np.random.default_rng(3)
GRID = RNG.normal(size=(3, 8))


def close(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    tolerance = 200 * np.finfo(wanted.dtype).eps if wanted.dtype.kind in "fc" else 0
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


NAMES = (
    "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn dct idct "
    "fftshift"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_transforms(name: str) -> None:
    function = getattr(sf, name)
    compiled = mlc.jit(lambda x: function(x))
    for dtype in (np.float64, np.float32, np.int32, np.float16):
        x = (GRID * 4).astype(dtype)
        if not (dtype is np.float16 and name == "fftshift"):
            close(compiled(x), function(x))
    if name not in ("rfft", "ihfft", "rfft2", "rfftn", "dct", "idct"):
        close(compiled(GRID * 1j + 2), function(GRID * 1j + 2))


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
def test_sizes_axes_and_norms(norm: Any) -> None:
    def all_of(x: Any) -> Any:
        return (
            sf.rfft(x, n=6, axis=0, norm=norm), sf.irfft(x, 9, norm=norm, workers=1),
            sf.fft(x, sf.next_fast_len(11), norm=norm, overwrite_x=True),
            sf.fftn(x, s=(4,), norm=norm), sf.rfft2(x, s=(4, 4), norm=norm),
            *(sf.dct(x, kind, n, axis, norm) for kind in (2, 3) for n in (None, 5, 11)
              for axis in (0, -1)),
            *(sf.idct(x, kind, n, axis, norm) for kind in (2, 3) for n in (None, 5, 11)
              for axis in (0, -1)),
        )  # fmt: skip

    for found, wanted in zip(mlc.jit(all_of)(GRID), all_of(GRID), strict=True):
        close(found, wanted)


def test_frequencies_beside_traced_values() -> None:
    def low(x: Any, d: Any) -> Any:
        y = np.where(np.abs(sf.fftfreq(x.shape[-1])) < 0.2, sf.fft(x), 0)
        return sf.ifft(y).real, sf.rfftfreq(8, d)

    for found, wanted in zip(mlc.jit(low)(GRID, 0.5), low(GRID, 0.5), strict=True):
        close(found, wanted)


def test_transforms_of_the_old_module() -> None:
    import scipy.fftpack as old

    def all_of(x: Any) -> Any:
        lines = [old.fft(x, 5), old.ifft(x, axis=0), old.fft2(x), old.ifftn(x), old.fftn(x, axes=0)]
        cosines = [f(x, t, norm=n) for f in (old.dct, old.idct) for t in (2, 3)
                   for n in (None, "ortho")]  # fmt: skip
        return [*lines, *cosines]

    for found, wanted in zip(mlc.jit(all_of)(GRID), all_of(GRID), strict=True):
        close(found, wanted)
    with pytest.raises(mlc.UnsupportedError, match=r"scipy.fftpack.dst cannot be traced"):
        mlc.jit(lambda x: old.dst(x))(GRID)


def test_transforms_refused() -> None:
    with pytest.raises(mlc.UnsupportedError, match="types 2 and 3 can"):
        mlc.jit(lambda x: sf.dct(x, 1))(GRID)
    with pytest.raises(
        mlc.UnsupportedError, match=r"scipy.fft.dst cannot be traced.*scipy.fft.dct"
    ):
        mlc.jit(lambda x: sf.dst(x))(GRID)
    with pytest.raises(ValueError, match="norm is"):
        mlc.jit(lambda x: sf.dct(x, norm="other"))(GRID)


@pytest.mark.parametrize("lower", [True, False])
def test_eigenvalues_of_two_matrices(lower: bool) -> None:
    a = RNG.normal(size=(5, 5)) + 1j * RNG.normal(size=(5, 5))
    b = a @ np.conj(a.T) + 5 * np.eye(5)
    for x, y in ((a.real, b.real), (a.real.astype(np.float32), b.real.astype(np.float32)), (a, b)):
        x = x - np.diag(1j * np.diag(x).imag) if x.dtype.kind == "c" else x
        values, vectors = mlc.jit(lambda x, y: sl.eigh(x, y, lower=lower))(x, y)
        wanted = sl.eigh(x, y, lower=lower)
        close(values, wanted[0])
        assert vectors.dtype == wanted[1].dtype
        tolerance = 500 * np.finfo(values.dtype).eps
        outer = [np.einsum("ik,jk->kij", v, np.conj(v)) for v in (vectors, wanted[1])]
        np.testing.assert_allclose(outer[0], outer[1], rtol=tolerance, atol=tolerance)
        alone = mlc.jit(lambda x, y: sl.eigh(x, y, lower=lower, eigvals_only=True))(x, y)
        close(alone, wanted[0])
