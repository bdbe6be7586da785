"""How lists, dicts and sets that are held in arrays are handed out: by the numbers of these."""

from __future__ import annotations

from typing import Any

from .grown import Grown, ListResult, RowsResult, Tabled, TableResult


class HeldLists:
    """Numbers what they are held in."""

    def current(self, value: Any) -> int:
        """The number of what the traced ``value`` holds now."""
        raise NotImplementedError

    def held(self, held: Any) -> ListResult | RowsResult | TableResult:
        """A list, dict or set that is held in arrays."""
        if not isinstance(held, Tabled):
            return self.listed(held)
        values = None if held.value_list is None else self.listed(held.value_list)
        return TableResult(self.list_of(held.key_list), values, held.plain(held.options()))

    def listed(self, held: Any) -> ListResult | RowsResult:
        """A list, whose items may be rows."""
        pool = held.pool or (held.kind and held.kind.pool)
        return self.list_of(held) if pool is None else self.rows_of(held, pool)

    def rows_of(self, held: Any, pool: Any, kept: tuple[Any, ...] = ()) -> RowsResult:
        """A list of rows, or one row."""
        ends = self.current(pool.first), self.current(pool.end)
        store = self.list_of(pool.store)
        if held.pool is None:
            return RowsResult(self.list_of(held), *ends, store, None, kept)
        if held.place is not None:
            return RowsResult(None, *ends, store, held.place)
        return RowsResult(self.current(held.number), *ends, store)

    def list_of(self, held: Grown) -> ListResult:
        """A list that is held in arrays."""
        kind = held.kind
        leaves = () if kind is None else kind.leaves
        columns = tuple(
            (self.current(column), None if tag is None else self.current(tag), leaf)
            for column, tag, leaf in zip(held.columns, held.tags, leaves)
        )
        structure = None if kind is None else kind.structure
        ends = self.current(held.head), self.current(held.tail)
        return ListResult(*ends, columns, structure, held.is_deque)
