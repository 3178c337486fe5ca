"""How fast an endpoint may be asked: its own rate, and what it says when that was too much."""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST_BACKOFF_S = 0.5
_LONGEST_RETRY_AFTER_S = 600.0


class Limiter:
    """A token bucket of one second's requests, and a pause after each refusal that doubles until an answer comes.

    A pause that the endpoint does not ask for is no longer than `longest_s`.
    """

    def __init__(
        self, requests_per_s: float | None, now_s: Callable[[], float], rng: random.Random, longest_s: float
    ) -> None:
        self._rate = requests_per_s
        self._now_s = now_s
        self._rng = rng
        self._longest_s = longest_s
        self._tokens = requests_per_s or 0.0
        self._filled_s = now_s()
        self._shut_until_s = 0.0
        self._refusals = 0

    def wait_s(self) -> float:
        """Seconds until the next request may go; 0 if it may go now."""
        now_s = self._now_s()
        shut_s = max(0.0, self._shut_until_s - now_s)
        if self._rate is None:
            return shut_s
        self._fill(now_s)
        return max(shut_s, (1.0 - self._tokens) / self._rate if self._tokens < 1.0 else 0.0)

    def take(self, count: int = 1) -> None:
        """`count` requests go now; more than there are tokens is owed, and waited for by the next."""
        if self._rate is not None:
            self._fill(self._now_s())
            self._tokens -= count

    def refused(self, retry_after_s: float | None) -> float:
        """The endpoint said that it was too much; seconds for which it is left alone."""
        self._refusals += 1
        if retry_after_s is None:
            ceiling_s = min(_FIRST_BACKOFF_S * 2.0 ** min(self._refusals - 1, 16), self._longest_s)
            pause_s = ceiling_s * self._rng.uniform(0.5, 1.0)
        else:
            pause_s = min(retry_after_s, _LONGEST_RETRY_AFTER_S)
        self._shut_until_s = max(self._shut_until_s, self._now_s() + pause_s)
        return pause_s

    def answered(self) -> None:
        self._refusals = 0

    def _fill(self, now_s: float) -> None:
        assert self._rate is not None
        self._tokens = min(max(self._rate, 1.0), self._tokens + (now_s - self._filled_s) * self._rate)
        self._filled_s = now_s
