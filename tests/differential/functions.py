"""Calls of NumPy functions that random programs make beside those that all programs are made of.

In a template ``{x}`` and ``{y}`` are variables, ``{a}`` is an axis of ``{x}``, ``{o}`` a variable or
a number, ``{n}`` a small number, ``{d}`` the name of a dtype.
"""

from __future__ import annotations

from collections.abc import Sequence

from .further import IN_PLACE, LONG, SELDOM
from .keywords import KEYWORDS
from .meeting import BACKWARDS, CONVERTED, NO_AXES, USUAL
from .modules import CLASSES, DRAWN, MODULES, STRIDED, TEXTS
from .patterns import INTO, ORDERS, SMALL, VIEWS, WAYS_OUT
from .rarer import ANGLES, CASTS, CHOICES, GROWING, MEMORY, METHODS, UFUNCS
from .wider import EMPTIES, HELPERS, MIXED, NARROW, STACKS, SUBSCRIPTS

FILLED = 0.75  # of all statements; the others are put together from variables and operators
FUNCTIONS = (
    "np.nanstd({x}, axis={a})", "np.nanvar({x})", "np.nanprod({x}, axis={a})",
    "np.nanargmax({x}, axis={a})", "np.nancumsum({x})", "np.nanmedian({x}, axis={a})",
    "np.quantile({x}, 0.3, axis={a})", "np.quantile({x}, [0.1, 0.9], axis={a}, method='lower')",
    "np.cov({x})", "np.cross({x}, {y})", "np.fft.fft({x}).real", "np.fft.rfft({x}, axis={a}).imag",
    "np.linalg.norm({x}, axis={a})", "np.linalg.norm({x}, ord=1, axis={a})",
    "np.linalg.det({x})", "np.linalg.matrix_power({x}, {n})", "np.vecdot({x}, {y})",
    "np.linalg.solve({x} @ {x}.T + 9 * np.eye(len({x})), {y})",
    "np.matvec({x}, {y})", "np.digitize({x}, [-1, 0, 2])", "np.lexsort(({x}.ravel(), {y}.ravel()))",
    "np.add.outer({x}, {y})", "np.add.reduceat({x}, [0, 1])", "np.multiply.accumulate({x}, axis={a})",
    "np.logical_and.reduce({x}, axis={a})", "np.polyval([1, -2, 0.5], {x})", "np.ediff1d({x})",
    "np.modf({x})[0]", "np.frexp({x})[1]", "np.divmod({x}, {o})[0]", "np.sinc({x})", "np.i0({x})",
    "np.vander({x}.ravel(), 3)", "np.tri({n}, {n}, 1)", "np.dstack([{x}, {y}])", "np.fliplr({x})",
    "np.flipud({x})", "np.unravel_index(3, (2, 3))[0] + {x}", "np.logspace(0, 1, 4) * {o}",
    "{x}.clip({o}, {o})", "{x}.dot({y})", "{x}.sum(axis={a}, where={x} > 0)",
    "np.sum({x}, axis={a}, initial=3)", "np.max({x}, where={x} < 2, initial=-5)",
    "np.cumulative_sum({x}, axis={a})", "np.take({x}, [5, -1, 3], mode='wrap')",
    "np.take({x}, [5, -1, 3], axis={a}, mode='clip')", "np.rollaxis({x}, {a})", "np.unwrap({x})",
    "np.resize({x}, (3, 2))", "np.block([[{x}, {y}]])", "np.broadcast_arrays({x}, {y})[0]",
    "np.apply_along_axis(np.sum, {a}, {x})", "np.angle({x})", "np.real({x})", "np.conj({x})",
    "np.nextafter({x}, {y})", "np.spacing({x})", "np.bitwise_count({x})", "np.float_power({x}, 2)",
    "np.array_equal({x}, {y})", "np.allclose({x}, {y})", "np.union1d({x}, {y})[:1]",
    "np.argwhere(np.ones(3) > 0) + {o}", "np.count_nonzero({x} > {o}, axis={a})",
    "{x}[{x}.argsort(axis=0, kind='stable')]", "{x}.flat[0]", "{x}.view()", "{x}.swapaxes(0, {a})",
    "{x}.repeat(2, axis={a})", "{x}.mean(axis={a}, dtype=np.float64)", "{x}.cumsum()[-1]",
    "np.where({x} > 0)[0].size + {o}", "np.ptp({x}, axis={a}, keepdims=True)",
    "np.einsum('...i,...i->...', {x}, {y})", "np.einsum('ij->j', {x})", "np.einsum('ii', {x})",
    "np.tensordot({x}, {y}, axes=([0], [0]))", "np.correlate({x}, {y}, 'full')",
    "np.convolve({x}, {y})", "np.lib.stride_tricks.sliding_window_view({x}, 2, axis={a})",
    "np.roll({x}, ({n}, 1), axis=(0, {a}))", "np.pad({x}, 1, mode='reflect')",
    "np.pad({x}, (1, 2), constant_values={n})", "np.full(({n}, 2), {o})", "np.array([{o}, {o}])",
    "np.stack([{x}, {x} * 2], axis=-1)", "np.matrix_transpose({x})", "{x}.astype(np.{d}) + {y}",
    "np.add({x}, {o}, dtype=np.{d}, casting='unsafe')", "np.asarray({x}, np.{d})",
    "np.ones_like({x}, dtype=np.{d}) * {o}", "np.empty_like({x})[:0]", "np.triu_indices(3)[0] + {o}",
    "({x} > {o}) & ({x} < {o})", "~({x} == {o})", "-{x} if {x}.ndim else {x}", "abs({x})",
    "round({x}, {n})", "sum({x})", "max(len({x}), {n}) * {y}", "{x}[..., 0] + {x}[..., -1]",
    "{x}[::-1] - {x}", "{x}[1:] * {x}[:-1]", "{x}[:, None] + {y}", "{x}[{y} > 0].sum()",
    "{x}[np.arange(len({x})), -1]", "{x} @ np.ones({x}.shape[-1])", "{x}.T.reshape(-1)[:{n}]",
)  # fmt: skip
COMPLEX = (
    "{x} * 1j", "np.exp(1j * {x})", "{x}.real + {y}.imag", "np.conj({x}) * {y}", "np.abs({x} + 2j)",
    "np.angle({x} - 1j)", "np.fft.fft({x})", "np.fft.ifft({x}, axis={a})", "({x} + 1j).sum(axis={a})",
    "np.vdot({x}, {y} + 1j)", "(1j * {x}) @ {y}", "np.sqrt({x} + 0j)", "({x} + 1j) / ({y} + 2)",
    "np.complex64({n} - 1j) * {x}", "({x} + {y} * 1j)[..., ::-1]", "np.sort_complex({x} * 1j)",
    "{x}.astype(np.complex64)", "np.square({x} + 1j)", "np.isclose({x} * 1j, 0)", "{x}.conj().T",
)  # fmt: skip
SIZED = (  # the data decide how many elements there are
    "np.unique({x})", "np.unique({x}, return_counts=True)[1]", "np.unique({x}, return_inverse=True)[1]",
    "{x}[{x} > {o}]", "{x}[{x} != {x}]", "{x}[({x} > {o}) & ({x} < 3)] * 2", "{x}[{y} > 0]",
    "np.nonzero({x})[0]", "np.flatnonzero({x} > {o})", "np.argwhere({x} > {o})", "np.where({x} > {o})[-1]",
    "np.extract({x} > {o}, {x})", "np.compress({x}.ravel() > {o}, {x})", "np.union1d({x}, {y})",
    "np.intersect1d({x}, {y})", "np.setdiff1d({x}, {y})", "np.setxor1d({x}, {y})",
    "np.sort({x}[{x} > {o}])[::-1]", "len(np.unique({x})) + {y}", "{x}[np.nonzero({x})].sum()",
    "np.bincount(abs({x}.ravel()) % 5)", "np.append({x}[{x} > {o}], {n})", "np.delete({x}, np.where({x} > 0)[0])",
)  # fmt: skip
EFFECTS = (
    "np.copyto({x}, {o})", "np.putmask({x}, {x} > {n}, {o})", "{x}.fill({n})", "np.add.at({x}, 0, {o})",
    "np.fill_diagonal({x}, {o})", "{x}.sort(axis={a})", "{x}.flat[::2] = {o}", "{x}.T[...] += {o}",
    "np.negative({x}, out={x}, where={x} > 0)", "np.put({x}, [0, 1], {o})", "{x}[...] = {y}",
    "np.cumsum({x}, axis={a}, out=np.atleast_1d({x}))", "{x}[:-1] += {x}[1:]", "{x}[1:] = {x}[:-1]", "{x}[0], {x}[-1] = {x}[-1], {x}[0]",
    "{x}.ravel()[0] = {o}", "{x}.reshape(-1)[1:2] *= {o}", "np.place({x}, {x} < 0, [{n}, 2])",
    "np.subtract.at({x}, [0, 0, 1], {n})", "{x} //= {n}", "{x} **= 2", "{x} %= 3", "{x} &= {n}", "{x} |= {y}",
    "{x}[{x} > {o}] *= 2", "{x}[[0, -1]] += {o}", "np.clip({x}, -1, {n}, out={x})",
    "np.maximum({x}[1:], {x}[:-1], out={x}[1:])", "np.put_along_axis({x}, np.argmax({x}, axis=0)[None], {n}, axis=0)",
)  # fmt: skip
LOOPS = (
    "{t} = {o}\nfor i in range({n}):\n    for j in range(3):\n        {t} = {t} + {x}[i] * (j + 1)",
    "for i in range(1, len({x})):\n    {x}[i] += {x}[i - 1] * {o}",
    "for i in range(len({x})):\n    for j in range(i):\n        {x}[i] -= {x}[j]",
    "for i in range(len({x}) - 1, -1, -1):\n    {x}[i] = {x}[i] + {o}",
    "{t} = 0.0\nfor v in {x}:\n    {t} = {t} + v * {o}",
    "{t} = {x}.copy()\nfor i, v in enumerate({x}):\n    {t}[-1 - i] = v",
    "i = 0\nwhile i < {n}:\n    {x}[i] *= {o}\n    i += 1",
    "{t} = {x} * 1.0\nn = 0\nwhile n < 6 and abs({t}).sum() > 1:\n    {t} = {t} / 2\n    n += 1",
    "{t} = {x}.sum() * 1.0\nn = 0\nwhile {t} > 10 and n < 9:\n    {t} = {t} / 3\n    n += 1",
    "{t} = 0\nfor i in range(len({x})):\n    if {x}[i].sum() > 0:\n        {t} = {t} + i\n    else:\n        {t} = {t} - 1",
    "{t} = 0\nfor i in range({n} + 3):\n    if i % 2:\n        continue\n    {t} = {t} + i * {o}",
    "{t} = {x}[0] * 0\nfor i in range(len({x})):\n    if (abs({x}[i]) > 2).any():\n        break\n    {t} = {t} + {x}[i]",
    "{t} = np.zeros(len({x}))\nfor i in range(len({x})):\n    {t}[i] = {x}[i].sum()",
    "{t} = np.zeros((3, 4))\nfor i in range(3):\n    for j in range(4):\n        {t}[i, j] = i * j + {o}",
    "{t} = []\nfor i in range({n}):\n    {t}.append({x} * i)\n{t} = np.array({t})",
    "{t} = np.stack([row * {o} for row in {x}])",
    "{t} = sum(v.sum() for v in {x})",
    "{t}, s = {x}, 1\nfor _ in range({n}):\n    {t}, s = {t} + s, s * 2",
    "if {x}.mean() > 0 and {x}.size:\n    {x}[0] = {o}",
    "if {x}.max() > {n}:\n    {t} = {x} - 1\nelif {x}.min() < 0:\n    {t} = {x} * 2\nelse:\n    {t} = {x} + 3",
    "{t} = {x} + 1 if {x}.sum() > {n} else {x} - 1",
    "def h(p, q):\n    p[0] = q\n    return p + q\n{t} = h({x}, {o})",
    "def h(p, k=2):\n    if p.sum() > 0:\n        return p * k\n    return p - k\n{t} = h({x})",
    "def h(p):\n    p += 1\n    return p\n{t} = h({x}) * h({x})",
    "def h(p, n):\n    for i in range(n):\n        p[i] *= 2\nh({x}, {n})",
    "h = lambda p: p[::-1] + {o}\n{t} = h({x})",
    "{t} = (lambda *ps: sum(ps))({x}, {y}, {o})",
    "p = {x}[::-1]\np[0] = {o}\n{t} = p + 1",
    "p, *q = {x}\n{t} = p + len(q)",
    "p = {{'k': {x}, 'o': {o}}}\n{t} = p['k'] + p['o']",
    "assert {x}.ndim < 5\n{t} = {x} + {o}",
)  # fmt: skip

DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "bool", "float16")  # fmt: skip


def is_helper(name: str) -> bool:
    """Whether a variable of a statement is for that statement alone."""
    return name in ("h", "i", "j", "n", "p", "q", "s", "v")


def families(with_complex: bool) -> Sequence[tuple[Sequence[str], bool, float]]:
    """(templates, whether they are expressions, how often they are taken): together as often as
    :data:`FILLED` says."""
    found: list[tuple[Sequence[str], bool, float]] = [
        (FUNCTIONS, True, 0.13),
        (EFFECTS, False, 0.05),
        (LOOPS, False, 0.07),
        (SIZED, True, 0.02),
        (VIEWS, False, 0.04),
        (ORDERS, False, 0.02),
        (INTO, False, 0.05),
        (SMALL, False, 0.04),
        (WAYS_OUT, False, 0.05),
        (STACKS, False, 0.02),
        (SUBSCRIPTS, False, 0.01),
        (KEYWORDS, False, 0.07),
        (MIXED, False, 0.04),
        (HELPERS, False, 0.04),
        (EMPTIES, False, 0.02),
        (NARROW, False, 0.03),
        (METHODS, False, 0.02),
        (UFUNCS, False, 0.03),
        (CASTS, False, 0.03),
        (MEMORY, False, 0.02),
        (CHOICES, False, 0.03),
        (GROWING, False, 0.03),
        (LONG, False, 0.03),
        (SELDOM, False, 0.04),
        (IN_PLACE, False, 0.04),
        (CONVERTED, False, 0.03),
        (NO_AXES, False, 0.02),
        (BACKWARDS, False, 0.02),
        (USUAL, False, 0.03),
        (DRAWN, False, 0.03),
        (MODULES, False, 0.03),
        (CLASSES, False, 0.01),
        (TEXTS, False, 0.02),
        (STRIDED, False, 0.03),
    ]
    found += [(COMPLEX, True, 0.06), (ANGLES, False, 0.06)] if with_complex else []
    scale = FILLED / sum(share for _, _, share in found)
    return [(templates, is_expression, scale * share) for templates, is_expression, share in found]
