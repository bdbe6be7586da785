"""Random functions that take views of arrays and write through them, as text.

A program is grown statement by statement: each is tried on NumPy's arrays first, and dropped if
NumPy refuses it. Numbers are small whole ones, so that results are equal to the last bit.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

SHAPES = [(4, 3), (6,), (2, 3, 2), (3, 3)]
DTYPES = ["float64", "float64", "int64", "float32", "int32"]
LIMIT = 1000


class Growing:
    """A function being written, and the arrays that its variables hold so far."""

    state: dict[str, Any]
    twin: dict[str, Any]

    def __init__(self, random: Random) -> None:
        self.random = random
        self.shapes = [random.choice(SHAPES) for _ in range(2)]
        self.dtypes = [random.choice(DTYPES) for _ in range(2)]
        self.inputs = [
            np.array(random.choices(range(-4, 5), k=int(np.prod(s)))).reshape(s).astype(d)
            for s, d in zip(self.shapes, self.dtypes)
        ]
        if random.random() < 0.3:
            self.inputs[0] = np.asfortranarray(self.inputs[0])
        if random.random() < 0.3:
            self.inputs[1] = np.repeat(self.inputs[1], 2, axis=0)[::2]
        self.names = ["a", "b"]
        self.lines: list[str] = []
        self.state, self.twin = (
            {"np": np, **dict(zip(self.names, self.copies()))} for _ in range(2)
        )

    def copies(self) -> list[Any]:
        """The arguments once more, with the same strides."""
        made = []
        for array in self.inputs:
            base = array if array.base is None else array.base
            if base.shape != array.shape and base.ndim == array.ndim:
                made.append(base.copy(order="A")[::2])
            else:
                made.append(array.copy(order="K"))
        return made

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.add(*self.statement())

    def add(self, line: str, careful: str = "") -> None:
        """Keep ``line`` if NumPy can do it, numbers stay small, and ``careful`` does the same.

        That copies what is assigned first: NumPy itself may go wrong where both sides overlap.
        """
        states = self.state, self.twin
        before = [dict(state) for state in states]
        values = [{k: v.copy(order="K") for k, v in _arrays(state)} for state in states]
        try:
            with np.errstate(all="ignore"):
                exec(line, self.state)
                exec(careful or line, self.twin)
        except (ValueError, IndexError, TypeError, AttributeError):
            fine = False
        else:
            found = [v for _, v in _arrays(self.state)]
            fine = all(np.all(np.abs(v) < LIMIT) for v in found) and all(
                np.array_equal(v, self.twin[k]) for k, v in _arrays(self.state)
            )
        if fine:
            self.lines.append(line)
            return
        for state, kept, held in zip(states, before, values):
            for name in set(state) - set(kept):
                del state[name]
            state.update(kept)
            for name, value in held.items():
                if state[name].flags.writeable:
                    state[name][...] = value

    def name(self) -> str:
        return self.random.choice([name for name in self.names if name in self.state])

    def fresh(self) -> str:
        self.names.append(f"v{len(self.names)}")
        return self.names[-1]

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(np.shape(self.state.get(name, 0)))

    def part(self, extent: int) -> str:
        r = self.random
        kind = r.randrange(7)
        if kind == 0:
            return ":"
        if kind <= 2:
            return str(r.randrange(-extent, extent)) if extent else ":"
        low, high = sorted(r.choices(range(extent + 1), k=2))
        if kind == 3:
            return f"{low}:{high}"
        if kind == 4:
            return "::-1"
        return f"{low or ''}::{r.choice([1, 2, 2, -1])}"

    def key(self, name: str, views: bool = False) -> str:
        r, shape = self.random, self.shape(name)
        kind = r.randrange(10)
        if not shape:
            return "..."
        if kind == 0 and not views and shape[0]:
            extent = shape[0]
            places = [r.randrange(-extent, extent) for _ in range(r.randrange(1, 4))]
            return str(places)
        if kind == 1 and not views:
            return f"{name} > {r.randrange(-2, 3)}"
        parts = [self.part(extent) for extent in shape[: r.randrange(1, len(shape) + 1)]]
        if r.random() < 0.15:
            parts.insert(r.randrange(len(parts) + 1), "...")
        if r.random() < 0.1:
            parts.insert(r.randrange(len(parts) + 1), "None")
        return ", ".join(parts)

    def value(self) -> str:
        r = self.random
        name = self.name()
        kind = r.randrange(6)
        if kind == 0:
            return str(r.randrange(-3, 4))
        if kind == 1:
            return f"{name}[{self.key(name, views=True)}]"
        if kind == 2:
            return f"{name} + {r.randrange(1, 3)}"
        if kind == 3:
            return f"{name}[{self.key(name, views=True)}] - {self.name()}"
        if kind == 4:
            return f"np.minimum({name}, {self.name()})"
        return name

    def statement(self) -> tuple[str, ...]:
        r, name = self.random, self.name()
        kind = r.randrange(14)
        key, value = self.key(name), self.value()
        match kind:
            case 0 | 1:
                return (f"{self.fresh()} = {name}[{self.key(name, views=True)}]",)
            case 2:
                shape = list(self.shape(name))
                r.shuffle(shape)
                how = r.choice([
                    ".T", ".reshape(-1)", ".ravel()", ".copy()", f".reshape({tuple(shape)})",
                    ".flatten()", ".swapaxes(0, -1)", "[None]", ".squeeze()",
                ])  # fmt: skip
                return (f"{self.fresh()} = {name}{how}",)
            case 3:
                return (f"{self.fresh()} = {value}",)
            case 4:
                maker = r.choice(["zeros", "ones"])
                return (f"{self.fresh()} = np.{maker}({self.shape(name)})",)
            case 5 | 6 | 7:
                return f"{name}[{key}] = {value}", f"{name}[{key}] = np.array({value})"
            case 8 | 9:
                return (f"{name}[{key}] {r.choice(['+=', '-=', '*='])} {value}",)
            case 10:
                return (f"{name} {r.choice(['+=', '-='])} {value}",)
            case 11:
                ufunc = r.choice(["add", "subtract", "maximum"])
                return (f"np.{ufunc}({value}, {self.value()}, out={name})",)
            case 12:
                first, second = f"{name}[{key}]", f"{name}[{self.key(name)}]"
                careful = f"x = {second}; y = {first}; {first} = x.copy(); {second} = y.copy()"
                return f"{first}, {second} = {second}, {first}", careful
            case _:
                first, second = f"{name}[{key}]", f"{name}[{self.key(name, views=True)}]"
                careful = f"x = {value}; {first} = np.array(x); {second} = np.array(x)"
                return f"{first} = {second} = {value}", careful

    @property
    def source(self) -> str:
        names = [n for n in self.names if n in self.state]
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"def program(a, b):\n{body}    return {', '.join(names)}\n"

    def function(self) -> Callable[..., Any]:
        """The program as a Python function whose source can be found."""
        name = f"program_{abs(hash(self.source))}.py"
        linecache.cache[name] = len(self.source), None, self.source.splitlines(True), name
        space: dict[str, Any] = {"np": np, "__name__": "program"}
        exec(compile(self.source, name, "exec"), space)
        found: Callable[..., Any] = space["program"]
        return found


def _arrays(state: dict[str, Any]) -> list[tuple[str, np.ndarray[Any, Any]]]:
    return [(k, v) for k, v in state.items() if isinstance(v, np.ndarray) and len(k) <= 3]


def check(growing: Growing, target: str = "cpu") -> None:
    """The program under mlc.jit, twice, against NumPy: results, and arguments afterwards."""
    import mlc

    function = growing.function()
    jitted = mlc.jit(function, target=target)
    for _ in range(2):
        mine, theirs = growing.copies(), growing.copies()
        with np.errstate(all="ignore"):
            want = function(*theirs)
        got = jitted(*mine)
        for n, (g, w) in enumerate(zip((*got, *mine), (*want, *theirs), strict=True)):
            assert np.asarray(g).dtype == np.asarray(w).dtype, (n, np.asarray(g).dtype)
            np.testing.assert_array_equal(g, w, err_msg=f"value {n}\n{growing.source}")
