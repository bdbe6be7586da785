"""np.einsum: the subscripts parsed, operands contracted two at a time."""

from __future__ import annotations

import operator
import re
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import as_dtype
from ..errors import ArgumentError, DomainError, DTypeError, ShapeError
from .broadcast import Shape, shape_of
from .contract import Labels, check_collapsed, contract, fold_labels, label_sizes
from .elementwise import astype
from .op import implements
from .promotion import common_dtype, dtype_of


@implements(np.einsum)
def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    dtype: Any = None,
    optimize: Any = False,
    casting: Any = "safe",
    **_: Any,
) -> Any:
    """np.einsum with subscripts such as ``"ij,jk->ik"``, ellipses and diagonals included.

    More than two operands are contracted pair by pair, in the order that np.einsum_path finds.
    """
    shapes = [shape_of(operand) for operand in operands]
    inputs, out = parse_subscripts(subscripts, shapes)
    for shape, labels in zip(shapes, inputs, strict=True):
        check_collapsed("einsum", shape, labels)
    label_sizes("einsum", shapes, inputs)
    target = common_dtype(*operands) if dtype is None else dtype
    if dtype is None and () in shapes:  # numbers are not weak here
        target = np.result_type(*(dtype_of(operand).numpy for operand in operands))
    for operand in operands if dtype is not None else ():
        if not np.can_cast(dtype_of(operand).numpy, as_dtype(dtype).numpy, casting):
            raise DTypeError(
                f"einsum: {dtype_of(operand)} cannot be cast to {as_dtype(dtype)} according to the "
                f"rule {casting!r}; give casting='unsafe'"
            )
    terms = [(astype(x, dtype=target), labels) for x, labels in zip(operands, inputs, strict=True)]
    for pair in _order(terms, out):
        first, second = (terms[n] for n in pair)
        rest = [term for n, term in enumerate(terms) if n not in pair]
        keep = {label for _, labels in rest for label in labels} | set(out)
        terms = [*rest, _pair(first, second, keep, out if not rest else None)]
    ((result, labels),) = terms
    return result if labels == out else fold_labels(result, labels=labels, out=out)


def with_subscripts(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of np.einsum with the subscripts as text, also where each operand is followed
    by the numbers of its axes, and those of the result come last: ``np.einsum(a, [0, 1], [1, 0])``.
    """
    if not given or isinstance(given[0], str):
        return given
    pairs = len(given) // 2
    lists = [*given[1 : 2 * pairs : 2], *given[2 * pairs :]]
    if not pairs or not all(isinstance(axes, (list, tuple)) for axes in lists):
        raise ArgumentError(
            'einsum: write the subscripts as text, as in np.einsum("ij,jk->ik", a, b), or the axes '
            "of each operand behind it, as in np.einsum(a, [0, 1], b, [1, 2], [0, 2]); got "
            f"{type(given[0]).__name__} first, and {len(given) - 1} more"
        )
    texts = ["".join(map(_letter, axes)) for axes in lists]
    arrow = f"->{texts[pairs]}" if len(lists) > pairs else ""
    return Numbered(",".join(texts[:pairs]) + arrow), *given[: 2 * pairs : 2]


class Numbered(str):
    """Subscripts that were given by the numbers of axes: errors say those, ``[0, 1] -> [1]``."""

    def __repr__(self) -> str:
        return " -> ".join(
            ", ".join(
                f"[{', '.join(map(_number, _AXES.findall(term)))}]" for term in side.split(",")
            )
            for side in self.split("->")
        )


_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_AXES = re.compile(r"\.\.\.|[A-Za-z]")


def _letter(axis: Any) -> str:
    """The letter for the number of an axis; in the order of the numbers, as NumPy has it."""
    if axis is Ellipsis:
        return "..."
    number = operator.index(axis)
    if not 0 <= number < len(_LETTERS):
        raise DomainError(f"einsum: axes are numbered from 0 to {len(_LETTERS) - 1}, got {number}")
    return _LETTERS[number]


def _number(letter: str) -> str:
    return letter if letter == "..." else str(_LETTERS.index(letter))


def _order(terms: list[tuple[Any, Labels]], out: Labels) -> list[tuple[int, ...]]:
    if len(terms) < 3:
        return [tuple(range(len(terms)))] * (len(terms) - 1)
    letters: dict[Any, str] = {}
    for _, labels in terms:
        for label in labels:
            letters.setdefault(label, chr(ord("a") + len(letters)) if len(letters) < 26 else
                               chr(ord("A") + len(letters) - 26))  # fmt: skip
    text = ",".join("".join(letters[label] for label in labels) for _, labels in terms)
    text += "->" + "".join(letters[label] for label in out)
    stand_ins = [np.broadcast_to(np.float32(0), shape_of(x)) for x, _ in terms]
    path = np.einsum_path(text, *stand_ins, optimize="greedy")[0][1:]
    steps: list[tuple[int, ...]] = []
    for step in path:  # einsum_path may contract three or more at once: cut that into pairs
        waiting = len(step)
        steps.append(tuple(step[:2]) if waiting > 1 else tuple(step))
        if waiting > 2:
            return [(0, 1)] * (len(terms) - 1)
    return [step for step in steps if len(step) == 2]


def _pair(
    first: tuple[Any, Labels], second: tuple[Any, Labels], keep: set[Any], out: Labels | None
) -> tuple[Any, Labels]:
    """Two terms as one, with the labels in ``keep``; labels of one term alone are summed before."""
    (x, x_labels), (y, y_labels) = (
        _own(*term, keep | set(other[1])) for term, other in ((first, second), (second, first))
    )
    if out is None:
        both = dict.fromkeys(x_labels + y_labels)
        out = tuple(label for label in both if label in keep)
    product = contract(x, y, x_labels=x_labels, y_labels=y_labels, out=out, name="einsum")
    return product, out


def _own(x: Any, labels: Labels, needed: set[Any]) -> tuple[Any, Labels]:
    kept = tuple(label for label in dict.fromkeys(labels) if label in needed)
    if len(kept) == len(labels) or set(kept) == set(labels):
        return x, labels
    return fold_labels(x, labels=labels, out=kept), kept


def parse_subscripts(text: str, shapes: Sequence[Shape]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result; axes under an ellipsis are labelled by number,
    counted from the last."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ArgumentError(f"einsum: {text!r} names {len(terms)} operands, got {len(shapes)}")
    inputs = [_labels(text, term, len(shape)) for term, shape in zip(terms, shapes, strict=True)]
    widest = max((sum(isinstance(s, int) for s in labels) for labels in inputs), default=0)
    hidden = tuple(range(-widest, 0))
    if arrow:
        before, dots, after = right.partition("...")
        if not dots and hidden:
            raise ArgumentError(
                f"einsum: the ellipsis of {text!r} stands for axes of shapes {list(shapes)}, but "
                f"the output has none; write {_in_words(text, '...' + right)} or sum them first"
            )
        out: Labels = (*before, *(hidden if dots else ()), *after)
    else:
        letters = [s for labels in inputs for s in labels if isinstance(s, str)]
        out = (*hidden, *sorted(s for s in set(letters) if letters.count(s) == 1))
    known = {label for labels in inputs for label in labels}
    if len(set(out)) < len(out) or not set(out) <= known:
        raise DomainError(
            f"einsum: the output of {text!r} must name labels of the operands, each at most once"
        )
    return inputs, out


def _labels(text: str, term: str, ndim: int) -> Labels:
    before, dots, after = term.partition("...")
    if not all(c.isalpha() and c.isascii() for c in before + after):
        raise ArgumentError(f"einsum: {text!r} may hold letters, commas, ... and one ->")
    hidden = ndim - len(before) - len(after)
    if hidden < 0 or hidden and not dots:
        raise ShapeError(
            f"einsum: {type(text)(term)!r} in {text!r} names "
            f"{len(before) + len(after)} axes, the operand has {ndim}"
        )
    return (*before, *range(-hidden, 0), *after)


def _in_words(text: str, part: str) -> str:
    return repr(Numbered(part)) if isinstance(text, Numbered) else part


@implements(np.einsum_path)
def einsum_path(subscripts: Any, /, *operands: Any, **options: Any) -> Any:
    """np.einsum_path, which looks at shapes alone."""
    return np.einsum_path(
        subscripts, *(np.broadcast_to(0.0, shape_of(o)) for o in operands), **options
    )
