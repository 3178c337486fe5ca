"""What things are worth: the exchange's recorded prices re-anchored, and every token's price relative to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chains.assets import Address
from chains.twin.anchors import ANCHORS
from chains.twin.data import TwinTokenRow, recorded_mids
from chains.twin.layout import WETH9
from chains.twin.market import PoolView

USDT = Address("0xdAC17F958D2ee523a2206206994597C13D831ec7")
WBTC = Address("0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599")
USDC = Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
DAI = Address("0x6B175474E89094C44Da98b954EedeAC495271d0F")
DOLLARS = frozenset({USDT, USDC, DAI})
MAJORS = DOLLARS | {WETH9, WBTC}

ETH_SYMBOL, BTC_SYMBOL = "ETHUSDT", "BTCUSDT"


class PricePath:
    """The exchange's mid-prices over time, as floats, re-anchored; after its end the recording starts over."""

    def __init__(self, loop_s: float | None = None) -> None:
        """`loop_s` is when the exchange's recording starts over; None means at the end of the mids."""
        self._loop_s = loop_s
        self._mids = {
            symbol: [float(mid * ANCHORS[symbol]) for mid in mids] for symbol, mids in recorded_mids().items()
        }

    def mid(self, symbol: str, at_s: float) -> float:
        """The mid-price in USDT, `at_s` seconds after the twin opened; before that, the opening price."""
        mids = self._mids[symbol]
        second = int(max(at_s, 0.0) % (self._loop_s or len(mids)))
        return mids[min(second, len(mids) - 1)]

    def hubs(self, at_s: float) -> dict[Address, float]:
        """USD prices of the tokens the exchange prices, and of the dollar itself (USDT)."""
        return {WETH9: self.mid(ETH_SYMBOL, at_s), WBTC: self.mid(BTC_SYMBOL, at_s), USDT: 1.0}


@dataclass(frozen=True, slots=True)
class _Peg:
    """A token's price as a fixed multiple, in whole tokens, of another's."""

    to: Address
    ratio: float


class FairPrices:
    """USD prices of all tokens: those the exchange knows move with it, the others keep the snapshot's price in a
    token already priced, taken from the deepest pool between the two."""

    def __init__(self, pools: Iterable[PoolView], tokens: Mapping[Address, TwinTokenRow], path: PricePath) -> None:
        self._path = path
        self._tokens = tokens
        self._pegs: dict[Address, _Peg] = {}
        usd = path.hubs(0.0)
        waiting = sorted(pools, key=lambda pool: pool.address)
        while True:
            best: tuple[float, Address, _Peg] | None = None
            for pool in waiting:
                for known, new in (0, 1), (1, 0):
                    token, anchor = pool.tokens[new], pool.tokens[known]
                    if token in usd or anchor not in usd:
                        continue
                    depth_usd = self._whole(anchor, pool.reserves[known]) * usd[anchor]
                    if best is None or depth_usd > best[0]:
                        ratio = self._whole(anchor, pool.reserves[known]) / self._whole(token, pool.reserves[new])
                        best = (depth_usd, token, _Peg(anchor, ratio))
            if best is None:
                return
            _, token, peg = best
            self._pegs[token] = peg
            usd[token] = peg.ratio * usd[peg.to]

    def usd(self, at_s: float) -> dict[Address, float]:
        """Every token's USD price per whole token at a time of the twin."""
        prices = self._path.hubs(at_s)
        for token, peg in self._pegs.items():
            prices[token] = peg.ratio * prices[peg.to]
        return prices

    def _whole(self, token: Address, units: float) -> float:
        return float(units / 10 ** self._tokens[token].decimals)
