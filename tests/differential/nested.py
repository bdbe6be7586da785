"""Helper functions of loops in loops, with every way out of them, over numbers and the elements of
an array."""

from __future__ import annotations

import random

_NUMBERS = (
    "s = s + p[{at}]", "s = s * 0.5 - {i}", "s = max(s, p[{at}])", "s -= n",
    "s = p[{at}] - p[{at}]",
    "s += p[:{i} % 3].sum()", "n += 1", "n = n - {i}", "n = n * 2 % 7", "n += int(s > 0)", "n = -n",
    "s, v = v, s", "v = v + s * 0.25", "v = p[{at}] if n > 1 else s", "s = abs(s) % 5.0",
    "v = np.sqrt(abs(v))", "n = max(n, {i})", "n //= 2", "s = min(s, v) + q",
)  # fmt: skip
_WRITES = (
    "p[{at}] = s", "p[{at}] += n", "p[{at}] *= 0.5", "p[{i} % 3:] -= 1",
    "p[{at}], p[{at}] = p[{at}], s",
    "p[p > 4] = v", "p[::2] += 0.5", "np.add.at(p, [0, {at}], 1)",
)  # fmt: skip
_TESTS = (
    "s > {c}", "p[{at}] < {c}", "n % 3 == 1", "{i} < n", "p.sum() > {c}", "not s < v",
    "s > {c} and n < 5", "s < {c} or p[{at}] > 1", "p.max() - s > {c}", "n", "{c} < s <= 3",
    "{i} % 2", "(p > {c}).any()", "s != v",
)  # fmt: skip
_AT = (
    "0",
    "-1",
    "{i} % len(p)",
    "n % len(p)",
    "(n + {i}) % len(p)",
    "len(p) // 2",
    "-1 - {i} % len(p)",
)


class _Body:
    """Writes the lines of one function; ``loops`` are the counters of the loops around."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.left = rng.randint(4, 12)  # statements
        self.whiles = 0

    def filled(self, template: str, loops: tuple[str, ...]) -> str:
        counter = loops[-1] if loops and self.rng.random() < 0.8 else "n"
        counter = self.rng.choice(loops) if loops and self.rng.random() < 0.2 else counter
        while "{at}" in template:
            template = template.replace("{at}", self.rng.choice(_AT), 1)
        c = self.rng.choice(("0", "1", "-2", "2.5"))
        return template.replace("{i}", counter).replace("{c}", c)

    def block(self, depth: int, loops: tuple[str, ...]) -> list[str]:
        lines: list[str] = []
        for _ in range(self.rng.randint(1, 3)):
            lines += self.statement(depth, loops)
        if loops and self.rng.random() < 0.2:
            test = self.filled(self.rng.choice(_TESTS), loops)
            way = self.rng.choice(("break", "break", "continue", "return s", "return v + n"))
            lines += [f"if {test}:", f"    {way}"]
            lines += self.statement(depth, loops)
        return lines

    def statement(self, depth: int, loops: tuple[str, ...]) -> list[str]:
        self.left -= 1
        kind = self.rng.random()
        if depth and self.left > 0 and kind < 0.5:
            make = self.rng.choice((self.branch, self.loop, self.loop, self.repeat))
            return make(depth - 1, loops)
        return [self.filled(self.rng.choice(_WRITES if kind > 0.85 else _NUMBERS), loops)]

    def branch(self, depth: int, loops: tuple[str, ...]) -> list[str]:
        lines = [
            f"if {self.filled(self.rng.choice(_TESTS), loops)}:",
            *_in(self.block(depth, loops)),
        ]
        if self.rng.random() < 0.3:
            lines += [f"elif {self.filled(self.rng.choice(_TESTS), loops)}:"]
            lines += _in(self.block(depth, loops))
        if self.rng.random() < 0.5:
            lines += ["else:", *_in(self.block(depth, loops))]
        return lines

    def loop(self, depth: int, loops: tuple[str, ...]) -> list[str]:
        counter = "ijk"[len(loops) % 3]
        span = self.rng.choice(
            ("3", "len(p)", "1, len(p)", "5, 0, -2", "n % 4", "len(p) - 1, -1, -1")
        )
        if loops and self.rng.random() < 0.4:
            span = f"{loops[-1]}, 4"
        lines = [f"for {counter} in range({span}):", *_in(self.block(depth, (*loops, counter)))]
        if self.rng.random() < 0.15:
            lines += ["else:", *_in(self.block(0, loops))]
        return lines

    def repeat(self, depth: int, loops: tuple[str, ...]) -> list[str]:
        self.whiles += 1
        fuel = f"w{self.whiles}"
        test = self.filled(self.rng.choice(_TESTS), loops)
        head = f"while {test}:" if self.rng.random() < 0.6 else "while True:"
        lines = [
            f"{fuel} = 0",
            head,
            f"    {fuel} += 1",
            f"    if {fuel} > {self.rng.randint(1, 6)}:",
        ]
        return [*lines, "        break", *_in(self.block(depth, (*loops, fuel)))]


def nested_loops(rng: random.Random, target: str, array: str, operand: str) -> str:
    """A function of random loops and branches, and a call of it with the elements of ``array``."""
    body = _Body(rng)
    lines = ["def h(p, q):", "    n, s, v = 0, 0.0, 1.0"]
    while body.left > 0:
        lines += _in(body.statement(3, ()))
    lines += ["    return s + v * n" if rng.random() < 0.6 else "    return s - p"]
    return "\n".join([*lines, f"{target} = h({array}.ravel().astype(float), {operand})"])


def _in(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
