"""What the pages have been told so far, and what has to be told next: the whole to a new one, changes to the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from bot.dashboard.series import Series
from bot.dashboard.source import OPEN, BudgetShown, Source
from bot.dashboard.wire import encoded, plain
from bot.signer.switch import TOTAL

Row = dict[str, Any]
Table = dict[int | str, Row]

MAX_ROWS: Mapping[str, int] = {
    "decisions": 100,
    "older": 100,
    "budgets": 40,
    "venues": 120,
    "events": 50,
    "nodes": 160,
    "edges": 800,
}
"""The most rows of each table, so that no market, however large, makes a message large.

`decisions` are the newest, `older` what is open of those before them, for pages that know them already.
"""


class Identified(Protocol):
    """A frozen value that is a row of a table."""

    @property
    def id(self) -> int | str: ...


class View:
    """One consistent picture of the source. `refresh` moves it on; nothing is read while nobody looks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._values: dict[str, Any] = {}
        self._tables: dict[str, Table] = {name: {} for name in MAX_ROWS}
        self._items: dict[str, dict[int | str, Identified]] = {name: {} for name in MAX_ROWS}
        self._series = Series()
        self._open: frozenset[int] = frozenset()
        self._lock = asyncio.Lock()
        self._whole: bytes | None = None
        self.number = 0

    async def refresh(self) -> bytes:
        """Read the source. Returns the message that takes a page from the last view to this one."""
        async with self._lock:
            header, counters = await self._source.header(), await self._source.counters()
            picture = await self._source.graph()
            decisions = await self._source.decisions(MAX_ROWS["decisions"])
            # Also what was open when it was told last: how it ended is still to be told.
            open_ = await self._source.open_decisions(self._open)
            older = [decision for decision in open_ if decisions and decision.id < decisions[-1].id]
            rows: dict[str, Sequence[Identified]] = {
                "decisions": decisions,
                "older": older,
                "budgets": _pressing(await self._source.budgets()),
                "venues": await self._source.venues(),
                "events": await self._source.events(),
                "nodes": picture.nodes,
                "edges": picture.edges,
            }
            points = await self._source.profit_series(self._series.newest)
        self._open = frozenset(decision.id for decision in (*decisions, *older) if decision.state in OPEN)
        values = plain(
            {
                "header": header,
                "counters": counters,
                "picture": {
                    "cycle": picture.cycle,
                    "total_nodes": picture.total_nodes,
                    "total_venues": picture.total_venues,
                },
                "totals": {name: len(rows[name]) for name in ("budgets", "venues")},
            }
        )
        tables = {name: self._table(name, items) for name, items in rows.items()}
        return self._moved(values, tables, self._series.extend(points))

    def whole(self) -> bytes:
        """The message that gives a new page everything."""
        if self._whole is None:
            document = {
                "type": "state",
                "number": self.number,
                "values": self._values,
                "tables": {name: list(table.values()) for name, table in self._tables.items()},
                "series": self._series.document(),
            }
            self._whole = encoded(document)
        return self._whole

    def picture(self) -> bytes:
        """The price graph alone."""
        nodes, edges = (list(self._tables[name].values()) for name in ("nodes", "edges"))
        return encoded({**self._values.get("picture", {}), "nodes": nodes, "edges": edges})

    def _table(self, name: str, items: Iterable[Identified]) -> Table:
        """The rows of `items` by id. One that equals the last view's is not converted again: most do."""
        known, rows = self._items[name], self._tables[name]
        taken: dict[int | str, Identified] = {}
        table: Table = {}
        for item in islice(items, MAX_ROWS[name]):
            taken[item.id] = item
            table[item.id] = rows[item.id] if known.get(item.id) == item else plain(item)
        self._items[name] = taken
        return table

    def _moved(self, values: dict[str, Any], tables: dict[str, Table], points: dict[str, list[Any]]) -> bytes:
        self.number += 1
        changes = {
            "type": "changes",
            "number": self.number,
            "values": {name: value for name, value in values.items() if self._values.get(name) != value},
            "tables": {
                name: change for name, table in tables.items() if (change := _change(self._tables[name], table))
            },
            "series": points,
        }
        self._values, self._tables, self._whole = values, tables, None
        return encoded(changes)


def _pressing(budgets: Sequence[BudgetShown]) -> Sequence[BudgetShown]:
    """All as they are; where they are more than a page shows, what is halted and what is used most comes first."""
    if len(budgets) <= MAX_ROWS["budgets"]:
        return budgets
    return sorted(budgets, key=lambda it: (it.id != TOTAL, it.halted_because is None, -_used_most(it)))


def _used_most(budget: BudgetShown) -> float:
    return max((limit.used_wei / max(limit.limit_wei, 1) for limit in budget.limits), default=0.0)


def _change(before: Table, after: Table) -> dict[str, Any] | None:
    """Rows that are new or different, and the ids of those that left; None when nothing changed."""
    rows = [row for key, row in after.items() if before.get(key) != row]
    gone = [key for key in before if key not in after]
    return {"rows": rows, "gone": gone} if rows or gone else None
