"""Recursive filters of rows, in the transposed direct form II (A. V. Oppenheim, R. W. Schafer,
*Discrete-Time Signal Processing*, section 6.3)."""

from __future__ import annotations

from typing import Any

from ..ir.expr import Expr
from ..ir.program import Buffer
from .broadcast import as_tensor
from .op import op
from .programs import Writer, beside, nested, threads

_REGISTERS = 16  # numbers of state up to which those of a row are kept in registers


@op
def recursive_filter(b: Any, a: Any, x: Any, z: Any) -> Any:
    """What filters, one after the other, make of each ``x[o, :, i]``, and their states at the end.

    ``b[f]`` are coefficients of filter f, one more than its order, and ``a[f]`` those after a first
    one of 1, as many as the order; or none, and what came out is not looked at again. ``z[o, f, :,
    i]`` is the state, as long as the order, 1 at least. All are of one float dtype.
    """
    given = [as_tensor(value) for value in (b, a, x, z)]
    shape, states, dtype = given[2].shape, given[3].shape, given[2].dtype
    w = Writer("recursive_filter")
    rise, fall, source, start = (
        w.input(name, tensor.shape, dtype) for name, tensor in zip("baxz", given)
    )
    y, end = w.output("y", shape, dtype), w.output("end", states, dtype)
    write = _row if shape[2] == 1 and states[1] * states[2] <= _REGISTERS else _rows
    with w.loop(shape[0], "o", threads(shape[0], shape[0] * shape[1] * shape[2])) as o:
        write(w, (rise, fall, source, start), (y, end), o)
    return w.call(*given)


def _row(w: Writer, given: tuple[Buffer, ...], made: tuple[Buffer, Buffer], o: Expr) -> None:
    """One row, the states in registers."""
    (b, a, x, z), (y, end) = given, made
    (_, filters, order, _), looks_back = z.shape, a.shape[1] > 0
    kept = [
        (f, w.registers(name, shape, x.dtype), source)
        for f in range(filters)
        for name, shape, source in (("rise", b.shape[1:], b), ("fall", a.shape[1:], a))
    ]
    states = [w.registers("state", (order,), x.dtype) for _ in range(filters)]
    for f, registers, source in kept:
        for k in range(registers.shape[0]):
            w.store(registers, (k,), source[f, k])
    for f, state in enumerate(states):
        for k in range(order):
            w.store(state, (k,), z[o, f, k, 0])
    with w.loop(x.shape[1], "n") as n:
        now = w.variable("now", x[o, n, 0])
        for f, state in enumerate(states):
            rise, fall = kept[2 * f][1], kept[2 * f + 1][1]
            out = w.variable("out", state[0] + rise[0] * now[()])
            for k in range(order):
                value = rise[k + 1] * now[()]
                if looks_back:
                    value = value - fall[k] * out[()]
                w.store(state, (k,), state[k + 1] + value if k + 1 < order else value)
            now = out
        w.store(y, (o, n, 0), now[()])
    for f, state in enumerate(states):
        for k in range(order):
            w.store(end, (o, f, k, 0), state[k])


def _rows(w: Writer, given: tuple[Buffer, ...], made: tuple[Buffer, Buffer], o: Expr) -> None:
    """Rows that lie side by side, their states in ``end``."""
    (b, a, x, z), (y, end) = given, made
    (_, filters, order, inner), looks_back = z.shape, a.shape[1] > 0
    line = w.memory("line", (inner,), x.dtype)
    with nested(w, z.shape[1:], "s") as (f, k, i):
        w.store(end, (o, f, k, i), z[o, f, k, i])

    def changed(f: Expr, k: Expr | int, n: Expr, i: Expr) -> Expr:
        value = b[f, k + 1] * line[i]
        return value - a[f, k] * y[o, n, i] if looks_back else value

    with w.loop(x.shape[1], "n") as n:
        with beside(w, (inner,)) as (i,):
            w.store(y, (o, n, i), x[o, n, i])
        with w.loop(filters, "f") as f:
            with beside(w, (inner,)) as (i,):
                w.store(line, (i,), y[o, n, i])
                w.store(y, (o, n, i), end[o, f, 0, i] + b[f, 0] * line[i])
            with w.loop(order - 1, "k") as k, beside(w, (inner,)) as (i,):
                w.store(end, (o, f, k, i), end[o, f, k + 1, i] + changed(f, k, n, i))
            with beside(w, (inner,)) as (i,):
                w.store(end, (o, f, order - 1, i), changed(f, order - 1, n, i))
