"""Slipstream's concentrated pools (Velodrome, Aerodrome): Uniswap V3's, with the fee of a module. No I/O.

A module whose fee follows the price of the last minutes leaves no exact quote; such pools are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from chains.assets import ZERO_ADDRESS, Address
from chains.blocks import Log
from chains.pools import concentrated
from chains.pools.concentrated import ConcentratedPool
from chains.pools.pool import Call, HookedPool, Loading, PoolFacts, Source, StaleState, changed_by, require_own
from chains.pools.words import account, require_words, selector, topic, unsigned, word

CUSTOM_FEE = topic("CustomFeeSet(address,uint24)")
CUSTOM_FEE_BEFORE_2024 = topic("SetCustomFee(address,uint24)")
SCALING_SET = topic("ScalingFactorSet(address,uint64)")
DEFAULT_SCALING_SET = topic("DefaultScalingFactorSet(uint256)")
MODULE_CHANGED = topic("SwapFeeModuleChanged(address,address)")
TOPICS = concentrated.TOPICS | {
    CUSTOM_FEE,
    CUSTOM_FEE_BEFORE_2024,
    SCALING_SET,
    DEFAULT_SCALING_SET,
    MODULE_CHANGED,
}

ZERO_FEE_PPM = 420
"""What a module calls a custom fee of nothing; 0 stands for the factory's default."""


@dataclass(frozen=True, slots=True)
class SlipstreamPool(ConcentratedPool):
    """As a `ConcentratedPool`; its fee is what the `fee_module` of its `factory` says.

    Source: aerodrome-finance/slipstream, CLPool, CLFactory.getSwapFee, CustomSwapFeeModule.
    """

    factory: Address
    fee_module: Address

    family: ClassVar[str] = "slipstream"

    @property
    def sources(self) -> tuple[Source, ...]:
        """The pool; the module about the pool and about all; the factory."""
        own = word(int(self.address, 16))
        return Source(self.address), Source(self.fee_module, own), Source(self.fee_module), Source(self.factory)

    def applied(self, log: Log) -> Self:
        """The pool after `log`. Raises `MalformedLog`, and `StaleState`, `HookedPool` where its fee is lost."""
        kind = log.topics[0] if log.topics else b""
        if kind == MODULE_CHANGED and log.address == self.factory:
            raise StaleState(f"pool {self.address} has another fee module now; load it again")
        if log.address != self.fee_module:
            return ConcentratedPool.applied(self, log)
        if kind == DEFAULT_SCALING_SET or (kind == SCALING_SET and log.topics[1:2] == (word(int(self.address, 16)),)):
            raise HookedPool(f"the fee of pool {self.address} follows its price")
        if kind in (CUSTOM_FEE, CUSTOM_FEE_BEFORE_2024) and log.topics[1:2] == (word(int(self.address, 16)),):
            require_own(log, self.fee_module, topics=3, data_words=0)
            fee = unsigned(log.topics[2])
            if not fee:
                raise StaleState(f"the fee of pool {self.address} is its factory's default again; load it again")
            return changed_by(log, self, fee_ppm=0 if fee == ZERO_FEE_PPM else fee)
        return self


_FEE = selector("fee()")
_FACTORY = selector("factory()")
_MODULE = selector("swapFeeModule()")
_DEFAULT_SCALING = selector("defaultScalingFactor()")
_DYNAMIC_CONFIG = selector("dynamicFeeConfig(address)")


def loading(facts: PoolFacts) -> Loading:
    """Two rounds for the fee and its module, one more to see that it stands still, then as a `ConcentratedPool`.

    Raises `HookedPool`.
    """
    at = facts.address
    fee, factory_word = yield Call(at, _FEE), Call(at, _FACTORY)
    fee_ppm = unsigned(require_words(fee, 1, f"fee() of {at}"))
    factory = account(factory_word, f"factory() of {at}")
    (module_word,) = yield (Call(factory, _MODULE),)
    module = account(module_word, f"swapFeeModule() of {factory}")
    if module != ZERO_ADDRESS:
        default, config = yield Call(module, _DEFAULT_SCALING), Call(module, _DYNAMIC_CONFIG + word(int(at, 16)))
        if (default and unsigned(default)) or (config and unsigned(config, 2)):
            raise HookedPool(f"the fee of pool {at} follows its price, by the module {module}")
    pool = yield from concentrated.loading(PoolFacts(facts.family, at, facts.tokens, fee_ppm))
    assert isinstance(pool, ConcentratedPool)
    return SlipstreamPool(
        at, pool.tokens, fee_ppm, pool.sqrt_price_x96, pool.tick, pool.liquidity, pool.ticks, factory, module
    )
