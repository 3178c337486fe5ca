"""What the lenders of which a chain has one can lend, read from it: how much of each token, and for what fee."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence

from bot.execution.loans import Offer, Offers
from bot.execution.settings import Venues
from bot.market.multicall import LoadFailed, Node, ask_together
from chains.anvil import RpcError
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Head
from chains.loans import Lender, Loan
from chains.node.errors import NodeError
from chains.pools.pool import Call, MalformedState
from chains.pools.words import account, require_words, selector, unsigned, word

READ_EVERY = 16
"""After how many blocks they are asked again; in between a plan's own simulation says whether they still can."""

_AAVE_ATOKEN = 8
"""The word of `getReserveData` that holds the address where Aave keeps a token."""

_AAVE_ACTIVE, _AAVE_PAUSED, _AAVE_LENDS = 56, 60, 63
"""Bits of a reserve's configuration (Aave V3, ReserveConfiguration)."""

_PPM_PER_BPS = 100
_PPM_UNIT = 10**12
"""Balancer's fees are parts of 10^18."""

_Asking = Generator[tuple[Call, ...], tuple[bytes, ...], Offer]


class SingletonLenders:
    """The offers of Uniswap V4, Balancer and Aave, as of the last head they were asked at."""

    def __init__(self, venues: Venues, tokens: Sequence[Token], node: Node) -> None:
        self.offers: Offers = {}
        self.refused: dict[str, str] = {}
        """Who lends nothing of a token, and why."""
        self._venues, self._tokens, self._node = venues, tokens, node
        self._read_at: int | None = None

    async def refresh(self, head: Head, *, ahead: int = 0) -> None:
        """Ask them, where that is due, or will be in `ahead` blocks. Where the node does not answer, nobody lends until
        it does.
        """
        if self._read_at is not None and 0 <= head.number + ahead - self._read_at < READ_EVERY:
            return
        askings = {f"{token}: {lender.name}": (token, asking) for token, lender, asking in self._askings()}
        if not askings:
            return
        try:
            found, self.refused = await ask_together(
                self._node, ((name, asking) for name, (_, asking) in askings.items()), head.hash
            )
        except (LoadFailed, NodeError, RpcError) as error:
            self.offers, self.refused, self._read_at = {}, {"all": str(error)}, None
            return
        by_token: defaultdict[Token, list[Offer]] = defaultdict(list)
        for name, offer in found.items():
            by_token[askings[name][0]].append(offer)
        self.offers = {token: tuple(offers) for token, offers in by_token.items()}
        self._read_at = head.number

    def _askings(self) -> Iterator[tuple[Token, Lender, _Asking]]:
        venues = self._venues
        for token in self._tokens:
            at = Address(token.address)
            if venues.pool_manager != ZERO_ADDRESS:
                yield token, Lender.UNISWAP_V4, _manager(at, venues.pool_manager)
            if venues.balancer_vault_v3 != ZERO_ADDRESS:
                yield token, Lender.BALANCER_V3, _newer_vault(at, venues.balancer_vault_v3)
            if venues.balancer_vault_v2 != ZERO_ADDRESS:
                yield token, Lender.BALANCER_V2, _older_vault(at, venues.balancer_vault_v2)
            if venues.aave_pool != ZERO_ADDRESS:
                yield token, Lender.AAVE_V3, _aave(at, venues.aave_pool)


def _manager(token: Address, manager: Address) -> _Asking:
    (held,) = yield (_balance(token, manager),)
    return Offer(Loan(Lender.UNISWAP_V4), _number(held, f"balanceOf() of {token}"))


def _newer_vault(token: Address, vault: Address) -> _Asking:
    (held,) = yield (Call(vault, selector("getReservesOf(address)") + word(int(token, 16))),)
    return Offer(Loan(Lender.BALANCER_V3), _number(held, f"getReservesOf() of {vault}"))


def _older_vault(token: Address, vault: Address) -> _Asking:
    held, collector, paused = yield (
        _balance(token, vault),
        Call(vault, selector("getProtocolFeesCollector()")),
        Call(vault, selector("getPausedState()")),
    )
    if _number(paused, f"getPausedState() of {vault}"):
        raise MalformedState(f"{vault} is paused")
    charging = account(collector, f"getProtocolFeesCollector() of {vault}")
    (fee,) = yield (Call(charging, selector("getFlashLoanFeePercentage()")),)
    fee_ppm = -(-_number(fee, f"getFlashLoanFeePercentage() of {charging}") // _PPM_UNIT)
    return Offer(Loan(Lender.BALANCER_V2, fee_ppm=fee_ppm), _number(held, f"balanceOf() of {token}"))


def _aave(token: Address, pool: Address) -> _Asking:
    reserve, premium = yield (
        Call(pool, selector("getReserveData(address)") + word(int(token, 16))),
        Call(pool, selector("FLASHLOAN_PREMIUM_TOTAL()")),
    )
    keeper = account(reserve, f"getReserveData() of {pool}", _AAVE_ATOKEN)
    settings = unsigned(reserve)
    lends = settings >> _AAVE_ACTIVE & settings >> _AAVE_LENDS & 1
    if keeper == ZERO_ADDRESS or not lends or settings >> _AAVE_PAUSED & 1:
        raise MalformedState(f"{pool} lends no {token} now")
    fee_ppm = _number(premium, f"FLASHLOAN_PREMIUM_TOTAL() of {pool}") * _PPM_PER_BPS
    (held,) = yield (_balance(token, keeper),)
    return Offer(Loan(Lender.AAVE_V3, fee_ppm=fee_ppm), _number(held, f"balanceOf() of {token}"))


def _balance(token: Address, holder: Address) -> Call:
    return Call(token, selector("balanceOf(address)") + word(int(holder, 16)))


def _number(answer: bytes, question: str) -> int:
    return unsigned(require_words(answer, 1, question))
