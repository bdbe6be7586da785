"""Random statements of NumPy programs, as text over the variables that there are."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .functions import DTYPES, families
from .nested import nested_loops

Values = Mapping[str, Any]
NESTED = 0.008  # of all statements, since each takes as long to compile as a program

UNARY = (
    "abs", "negative", "square", "sqrt", "exp", "log", "log1p", "expm1", "sin", "cos", "tanh",
    "floor", "ceil", "rint", "trunc", "sign", "isnan", "isfinite", "isinf", "signbit", "invert",
    "logical_not", "reciprocal", "positive", "arctan", "cbrt", "exp2", "log2", "sinh", "degrees",
)  # fmt: skip
BINARY = (
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "fmod", "power",
    "maximum", "minimum", "fmax", "fmin", "arctan2", "hypot", "copysign", "logaddexp",
    "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "logical_and",
    "logical_or", "logical_xor", "equal", "not_equal", "less", "less_equal", "greater",
    "greater_equal", "heaviside", "nextafter", "gcd", "lcm", "ldexp", "float_power",
)  # fmt: skip
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<", "<=", "==", "!=", ">", ">=")
REDUCTIONS = (
    "sum", "prod", "max", "min", "mean", "var", "std", "any", "all", "argmax", "argmin", "ptp",
    "count_nonzero", "nansum", "nanmax", "nanmin", "nanmean", "median", "average",
)  # fmt: skip
NUMBERS = ("0", "1", "2", "-1", "3", "0.5", "-2.5", "1e3", "True", "np.float32(1.5)", "np.int8(3)",
           "np.int64(-2)", "np.float64(0.25)", "np.uint8(200)", "7")  # fmt: skip


class Writer:
    """Writes statements that may or may not be valid; whoever asks tries them."""

    def __init__(self, rng: random.Random, values: Values, with_complex: bool = False) -> None:
        self.rng = rng
        self.values = values
        self.with_complex = with_complex

    def name(self) -> str:
        return self.rng.choice(list(self.values))

    def operand(self) -> str:
        return self.rng.choice(NUMBERS) if self.rng.random() < 0.2 else self.name()

    def axis(self, name: str) -> int:
        dims = max(np.ndim(self.values[name]), 1)
        return self.rng.randrange(-dims, dims)

    def number(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def slice(self) -> str:
        def end() -> str:
            return "" if self.rng.random() < 0.4 else str(self.number(-6, 8))

        step = self.rng.choice(("", "", "", ":2", ":-1", ":3", ":-2"))
        return f"{end()}:{end()}{step}"

    def index(self, name: str) -> str:
        """What may stand in brackets behind ``name``."""
        parts = []
        for _ in range(self.rng.randint(1, max(np.ndim(self.values[name]), 1))):
            kind = self.rng.random()
            if kind < 0.5:
                parts.append(self.slice())
            elif kind < 0.7:
                parts.append(str(self.number(-3, 3)))
            elif kind < 0.76:
                parts.append("None")
            elif kind < 0.82 and "..." not in parts:
                parts.append("...")
            elif kind < 0.9:
                parts.append(str([self.number(-2, 2) for _ in range(self.number(1, 3))]))
            else:
                parts.append(self.name())
        return ", ".join(parts)

    def expression(self) -> str:
        return self.rng.choices([make for make, _ in MAKERS], [w for _, w in MAKERS])[0](self)

    def statement(self, target: str) -> str:
        """One statement; it may assign ``target`` or change what is there."""
        if self.rng.random() < NESTED:
            return nested_loops(
                self.rng, target, self.name(), self.rng.choice(("0.5", "2.0", "-1"))
            )
        kind = self.rng.random()
        for templates, is_expression, share in families(self.with_complex):
            if kind < share:
                text = self.filled(self.rng.choice(templates), target)
                return f"{target} = {text}" if is_expression else text
            kind -= share
        kind = self.rng.random()
        if kind < 0.72:
            return f"{target} = {self.expression()}"
        x = self.name()
        if kind < 0.80:
            return (
                f"{x}[{self.index(x)}] {self.rng.choice(('=', '=', '+=', '*='))} {self.operand()}"
            )
        if kind < 0.84:
            return f"{x} {self.rng.choice(('+=', '-=', '*=', '/='))} {self.operand()}"
        if kind < 0.87:
            return f"{x}[{x} {self.rng.choice(('<', '>', '=='))} {self.rng.choice(NUMBERS)}] = {self.operand()}"
        if kind < 0.92:
            return self.loop(target)
        if kind < 0.96:
            return self.branch(target)
        return (
            f"np.{self.rng.choice(('add', 'multiply', 'maximum'))}({x}, {self.operand()}, out={x})"
        )

    def filled(self, template: str, target: str) -> str:
        """A template of `functions` with what its places stand for."""
        x = self.name()
        return template.format(
            x=x, y=self.name(), a=self.axis(x), o=self.operand(), n=self.number(0, 4), t=target,
            d=self.rng.choice(DTYPES),
        )  # fmt: skip

    def loop(self, target: str) -> str:
        x, count = self.name(), self.rng.choice(("3", "5", "9", f"len({self.name()})"))
        body = self.rng.choice((
            f"{x}[i] = {x}[i] {self.rng.choice('+-*')} {self.operand()}",
            f"{x}[i] += {x}[i - 1]",
            f"{x}[:i] += {self.operand()}",
            f"{x}[i:] = {x}[i:] * {self.operand()}",
            f"{target} = {target} + {x}[i]",
            f"{target} = np.maximum({target}, {x}[i] * {self.operand()})",
        ))  # fmt: skip
        start = f"{target} = {self.operand()}\n" if body.startswith(target) else ""
        return f"{start}for i in range({count}):\n    {body}"

    def branch(self, target: str) -> str:
        x = self.name()
        test = self.rng.choice((
            f"{x}.sum() > 0", f"{x}.max() < {self.operand()}", f"{x}.ndim > 1",
            f"np.any({x} > 0) and {x}.size > 2",
        ))  # fmt: skip
        one, two = (f"{target} = {self.expression()}" for _ in range(2))
        if self.rng.random() < 0.4:
            two = one.replace(one.split("=", 1)[1], f" {x} * 2")
            one = f"{target} = {x} + 1"
        return f"if {test}:\n    {one}\nelse:\n    {two}"


def _reduction(w: Writer) -> str:
    fn, x = w.rng.choice(REDUCTIONS), w.name()
    options = []
    if w.rng.random() < 0.65:
        options.append(f"axis={w.axis(x)}")
    if w.rng.random() < 0.25 and fn not in ("average", "ptp", "median"):
        options.append("keepdims=True")
    if w.rng.random() < 0.1 and fn in ("sum", "prod", "mean"):
        options.append(f"dtype={w.rng.choice(('np.float64', 'np.float32', 'np.int32'))}")
    if w.rng.random() < 0.3 and fn in ("var", "std"):
        options.append("ddof=1")
    return f"np.{fn}({', '.join((x, *options))})"


def _shape(w: Writer) -> str:
    x = w.name()
    a, b = w.axis(x), w.axis(x)
    return w.rng.choice((
        f"{x}.ravel()", f"{x}.reshape(-1)", f"{x}.reshape({x}.shape[::-1])", f"{x}.T",
        f"np.swapaxes({x}, {a}, {b})", f"np.expand_dims({x}, {a})", f"np.squeeze({x})",
        f"np.moveaxis({x}, {a}, {b})", f"np.flip({x}, {a})", f"np.roll({x}, {w.number(-3, 3)}, {a})",
        f"np.atleast_2d({x})", f"{x}.reshape(-1, {w.number(1, 4)})", f"np.rot90({x})",
        f"np.broadcast_to({x}, {(w.number(1, 3), *np.shape(w.values[x]))})",
    ))  # fmt: skip


def _joined(w: Writer) -> str:
    x, y, a = w.name(), w.name(), w.axis(w.name())
    return w.rng.choice((
        f"np.concatenate([{x}, {y}], axis={a})", f"np.stack([{x}, {x}], axis={a})",
        f"np.hstack([{x}, {y}])", f"np.vstack([{x}, {y}])", f"np.append({x}, {y})",
        f"np.tile({x}, {w.number(0, 3)})", f"np.repeat({x}, {w.number(0, 3)}, axis={w.axis(x)})",
        f"np.pad({x}, {w.number(0, 2)}, mode={w.rng.choice(('constant', 'edge', 'wrap'))!r})",
        f"np.split({x}, 2)[1]", f"np.array_split({x}, 3)[0]", f"np.insert({x}, 1, {w.operand()})",
        f"np.delete({x}, 0, axis={w.axis(x)})", f"np.column_stack([{x}, {y}])",
    ))  # fmt: skip


def _ordered(w: Writer) -> str:
    x, a = w.name(), w.axis(w.name())
    return w.rng.choice((
        f"np.cumsum({x}, axis={a})", f"np.cumprod({x})", f"np.sort({x}, axis={a})",
        f"np.argsort({x}, axis={a}, kind='stable')", f"np.diff({x}, axis={a})",
        f"np.searchsorted(np.sort({x}.ravel()), {w.operand()})", f"np.maximum.accumulate({x})",
        f"np.percentile({x}, {w.number(0, 100)})", f"np.partition({x}, 1)[..., 1]",
        f"np.add.reduce({x}, axis={a})", f"np.gradient({x}.astype(float))", f"np.trapezoid({x})",
        f"np.interp({w.operand()}, np.arange(4), np.arange(4.0) ** 2)",
        f"np.histogram({x}, bins=4, range=(-3, 3))[0]", f"np.bincount(abs({x}.ravel()) % 8, minlength=9)",
    ))  # fmt: skip


def _product(w: Writer) -> str:
    x, y = w.name(), w.name()
    return w.rng.choice((
        f"{x} @ {y}", f"{x} @ {x}.T", f"{x}.T @ {y}", f"np.dot({x}, {y})", f"np.outer({x}, {y})",
        f"np.tensordot({x}, {y}, axes=1)", f"np.einsum('ij,kj->ik', {x}, {y})", f"np.inner({x}, {y})",
        f"np.einsum('i,ij->j', {x}, {y})", f"np.kron({x}, {y})", f"np.vdot({x}, {y})",
        f"np.trace({x})", f"np.convolve({x}, {y}, mode='same')", f"np.matmul({x}, {y})",
    ))  # fmt: skip


def _chosen(w: Writer) -> str:
    x, y = w.name(), w.operand()
    return w.rng.choice((
        f"np.where({x} > {y}, {w.operand()}, {w.operand()})", f"np.clip({x}, {w.operand()}, {w.operand()})",
        f"np.take({x}, [0, -1], axis={w.axis(x)})", f"{x}[np.argmax({x})]",
        f"np.take_along_axis({x}, np.argsort({x}, axis=-1, kind='stable'), axis=-1)",
        f"np.select([{x} > 0, {x} < -1], [{x}, {y}], default={w.rng.choice(NUMBERS)})",
        f"np.nan_to_num({x})", f"np.isin({x}, [0, 1, 2])", f"np.diag({x})", f"np.tril({x})",
        f"np.triu({x}, 1)", f"np.choose({x} > 0, [{w.operand()}, {w.operand()}])",
        f"np.compress([True, False, True], {x})", f"np.isclose({x}, {y})",
        f"np.round({x}, {w.number(0, 2)})", f"np.piecewise({x}, [{x} > 0], [1, -1])",
    ))  # fmt: skip


def _created(w: Writer) -> str:
    x = w.name()
    return w.rng.choice((
        f"np.zeros_like({x})", f"np.ones({w.number(0, 5)})", f"np.full_like({x}, 2)",
        f"np.arange({w.number(0, 9)})", f"np.linspace(0, 1, {w.number(1, 6)})",
        f"np.eye({w.number(1, 4)})", f"{x}.copy()", f"np.array([1, 2.5, {w.number(-3, 3)}])",
        f"np.zeros({x}.shape, {w.rng.choice(('np.float32', 'np.int64', 'bool'))})",
        f"np.asarray({x}, dtype=np.float64)", f"np.meshgrid({x}, {x})[0]", "np.indices((2, 3))[1]",
    ))  # fmt: skip


def _cast(w: Writer) -> str:
    kind = w.rng.choice(("float32", "float64", "int32", "int64", "bool", "uint8", "float16"))
    return f"{w.name()}.astype(np.{kind})"


MAKERS: tuple[tuple[Callable[[Writer], str], int], ...] = (
    (lambda w: f"np.{w.rng.choice(UNARY)}({w.name()})", 14),
    (lambda w: f"np.{w.rng.choice(BINARY)}({w.operand()}, {w.operand()})", 12),
    (lambda w: f"{w.operand()} {w.rng.choice(OPERATORS)} {w.name()}", 14),
    (lambda w: f"({w.name()} {w.rng.choice('+-*')} {w.operand()}) {w.rng.choice('+-*/')} {w.name()}", 8),
    (_reduction, 14),
    (_shape, 10),
    (lambda w: (lambda x: f"{x}[{w.index(x)}]")(w.name()), 10),
    (_joined, 6),
    (_ordered, 7),
    (_product, 6),
    (_chosen, 8),
    (_created, 4),
    (_cast, 5),
)  # fmt: skip
