"""Two scripts, line by line: what stayed, what came, what went, and what moved in or out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Line:
    """One line of a difference.

    ``mark`` is ``" "`` for a line that stayed, ``">"`` or ``"<"`` for one that stayed and is
    indented deeper or less than before, ``"+"`` for a new line and ``"-"`` for one that is gone.
    """

    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.text}".rstrip()


def difference(before: str, after: str) -> list[Line]:
    """The lines of ``after``, and between them those of ``before`` that are gone.

    Lines are compared without their indentation: what a new loop only pushes to the right stayed.
    """
    old, new = before.splitlines(), after.splitlines()
    return list(_lines(old, new))


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(
        None, [line.strip() for line in old], [line.strip() for line in new], autojunk=False
    )
    for what, a, a_end, b, b_end in matcher.get_opcodes():
        if what == "equal":
            for one, other in zip(old[a:a_end], new[b:b_end], strict=True):
                yield Line(_moved(one, other), other)
            continue
        yield from (Line("-", line) for line in old[a:a_end])
        yield from (Line("+", line) for line in new[b:b_end])


def _moved(old: str, new: str) -> str:
    shift = len(new) - len(old)
    return " " if not shift else ">" if shift > 0 else "<"
