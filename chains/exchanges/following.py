"""Order books as ccxt streams them: followed until told otherwise, begun anew whenever a stream breaks or stands."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import ccxt

from chains.exchanges.books import Book
from chains.exchanges.reading import Raw
from chains.exchanges.troubles import ExchangeUnavailable, FeedTrouble

RETRY_FIRST_S, RETRY_MOST_S = 0.1, 10.0
"""Pauses before a stream that broke again is begun anew, the first time at once; as if for the first time again after
one that held for longer than the longest. Each beginning costs a snapshot, and orders wait behind those for the
exchange's rate limit.
"""
SILENT_FIRST_S, SILENT_MOST_S = 60.0, 600.0
"""Where a symbol said nothing for so long, all connections are made anew; twice as long where that brought no more than
its book. ccxt drops every update of an exchange whose ids begin again.
"""


class Following:
    """The books of one exchange's `symbols`.

    `book_of` reads ccxt's book of a symbol, `told` says in one line what went wrong; `depth` is how many levels ccxt
    is to follow. `books` holds the last book of each symbol.
    """

    def __init__(
        self,
        name: str,
        symbols: Sequence[str],
        client: Any,
        depth: int,
        book_of: Callable[[str, Raw], Book],
        told: Callable[[BaseException], str],
    ) -> None:
        self.books: dict[str, Book] = {}
        self._name = name
        self._symbols = symbols
        self._client = client
        self._depth = depth
        self._book_of = book_of
        self._told = told
        self._heard: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []
        self._ended: BaseException | None = None

    def begin(self, on_book: Callable[[Book], None], on_trouble: Callable[[FeedTrouble], None]) -> None:
        """Follow every symbol until `close`, as `Exchange.watch` says."""
        self._tasks = [asyncio.create_task(self._follow(symbol, on_book, on_trouble)) for symbol in self._symbols]
        for task in self._tasks:
            task.add_done_callback(self._follower_ended)
        self._tasks.append(asyncio.create_task(self._notice_silence()))

    async def reached(self, symbol: str, nonce: int) -> None:
        """Return once the book of `symbol` has at least that update id. Raises what ended the following."""
        if self._ended:
            raise self._ended
        book = self.books.get(symbol)
        if book is None or book.nonce < nonce:
            arrival = asyncio.get_running_loop().create_future()
            self._waiting.append((symbol, nonce, arrival))
            await arrival

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(
        self, symbol: str, on_book: Callable[[Book], None], on_trouble: Callable[[FeedTrouble], None]
    ) -> None:
        pause_s, now_s = 0.0, asyncio.get_running_loop().time
        begun_s = now_s()
        while True:
            try:
                book = self._book_of(symbol, await self._client.watch_order_book(symbol, self._depth))
            except Exception as error:
                # Whatever ccxt raises over an odd answer: what is no longer followed stays silent for good.
                if isinstance(error, ccxt.NetworkError):
                    # Not every client clears its book for the next snapshot: what went meanwhile would stay in it.
                    self._client.orderbooks.pop(symbol, None)
                on_trouble(FeedTrouble(self._name, symbol, self._told(error)))
                if now_s() - begun_s > RETRY_MOST_S:
                    pause_s = 0.0
                await asyncio.sleep(pause_s)
                self._forget_settled_futures()
                pause_s, begun_s = min(2 * pause_s, RETRY_MOST_S) or RETRY_FIRST_S, now_s()
                continue
            if not book.nonce and symbol in self.books and self.books[symbol].nonce:
                continue  # ccxt is between two snapshots
            self.books[symbol] = book
            self._heard[symbol] += 1
            on_book(book)
            self._wake(symbol, book.nonce)

    async def _notice_silence(self) -> None:
        patience_s, brought = SILENT_FIRST_S, 0
        while True:
            self._heard.clear()
            await asyncio.sleep(patience_s)
            if all(self._heard[symbol] > brought for symbol in self._symbols):
                patience_s, brought = SILENT_FIRST_S, 0
            else:
                self._hang_up(f"a book said nothing for {patience_s:g} s")
                patience_s, brought = min(2 * patience_s, SILENT_MOST_S), 1

    def _hang_up(self, why: str) -> None:
        """Whoever waits for a connection hears that it is over, and begins anew. One that is being made is let come."""
        for connection in list(self._client.clients.values()):
            if not connection.connecting:
                connection.on_error(ccxt.NetworkError(why))

    def _forget_settled_futures(self) -> None:
        # ccxt keeps a future it rejected while nobody waited, and would hand out the same old error for ever
        for client in self._client.clients.values():
            for key in [key for key, future in client.futures.items() if future.done()]:
                del client.futures[key]

    def _wake(self, symbol: str, nonce: int) -> None:
        for waited_symbol, waited_nonce, arrival in self._waiting:
            if waited_symbol == symbol and waited_nonce <= nonce and not arrival.done():
                arrival.set_result(None)
        self._waiting = [entry for entry in self._waiting if not entry[2].done()]

    def _follower_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._ended = error or ExchangeUnavailable(f"{self._name} is no longer watched")
        for _, _, arrival in self._waiting:
            if not arrival.done():
                arrival.set_exception(self._ended)
