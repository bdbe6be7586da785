"""Which thread of a warp holds which element of a tile, for ``mma.sync``.

The 32 threads of a warp multiply tiles together. A tile lies in their registers: each thread holds
an equal part of it, a *fragment*. PTX fixes which (section "Matrix fragments for mma", one rule for
all types): thread ``lane`` has ``group, place = lane // 4, lane % 4``; a register of 32 bits holds
``w`` neighbours along the reduction, 4 of 8, 2 of 16 or 1 of 32 bits. Register ``r`` holds, of

===========================  ==========================  =================================
A (16 rows, 8 w columns)     row ``group + 8 (r % 2)``   column ``w (place + 4 (r // 2))``
B (8 w rows, 8 columns)      row ``w (place + 4 r)``     column ``group``
C (16 rows, 8 columns)       row ``group + 8 (r // 2)``  column ``2 place + r % 2``
===========================  ==========================  =================================

and the w - 1 elements that follow in the row of A, or the column of B. Wider tiles of B and C are
panels of 8 columns, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

WARP = 32  # threads
PANEL = 8  # columns of one instruction
ROWS = 16  # rows of one instruction


@dataclass(frozen=True)
class Fragment:
    """How a tile of ``rows`` by ``columns`` is spread over a warp: as "a", "b" or "c" of a product.

    ``width`` elements share a register (1 for "c", whose elements have 32 bits each).
    """

    role: str
    rows: int
    columns: int
    width: int

    @property
    def held(self) -> int:
        """The elements that each thread holds."""
        return self.rows * self.columns // WARP

    def element(self, lane: int, number: int) -> tuple[int, int]:
        """Row and column of element ``number`` of those that thread ``lane`` holds."""
        group, place = divmod(lane, 4)
        register, part = divmod(number, self.width)
        match self.role:
            case "a":
                column = self.width * (place + 4 * (register // 2)) + part
                return group + 8 * (register % 2), column
            case "b":
                panel, r = divmod(register, 2)
                return self.width * (place + 4 * r) + part, group + PANEL * panel
            case _:
                panel, r = divmod(register, 4)
                return group + 8 * (r // 2), 2 * place + r % 2 + PANEL * panel

    def element_text(self) -> tuple[str, str]:
        """The same in C, for ``lane`` and ``e``: text for the row and for the column."""
        w = self.width
        match self.role:
            case "a":
                column = f"{w} * (lane % 4 + e / {2 * w} * 4) + e % {w}"
                return f"lane / 4 + e / {w} % 2 * 8", column
            case "b":
                row = f"{w} * (lane % 4 + e / {w} % 2 * 4) + e % {w}"
                return row, f"lane / 4 + e / {2 * w} * {PANEL}"
            case _:
                return "lane / 4 + e / 2 % 2 * 8", f"lane % 4 * 2 + e % 2 + e / 4 * {PANEL}"
