"""How the twin's market behaves. One place, each figure with its reason."""

from __future__ import annotations

from dataclasses import dataclass

GWEI = 10**9


@dataclass(frozen=True, slots=True)
class TraderParameters:
    """What noise traders and followers do each block."""

    swaps_per_block: tuple[int, int] = (10, 16)
    """Mainnet's Uniswap and Sushi pools see about as many a block."""

    noise_share: float = 0.8
    """The rest are followers; enough noise that prices part, enough followers that they come back."""

    majors_share: float = 0.45
    """Noise between ether, bitcoin and a dollar: the pairs that carry most of mainnet's volume."""

    usual_depth_usd: float = 5e6
    """A pool's chance grows with the square root of its depth up to here and falls with it beyond. The deepest are
    ticks of stable coins, deep only because their liquidity is so narrow; they would take all the flow."""

    shallowest_usd: float = 100e3
    """Nobody looks at pools with less than this on one side."""

    displacement_fees: float = 4.0
    """A noise trader takes a pool only if the trade moves its price by at most this many times its fee…"""

    displacement: float = 0.012
    """…and by at most this. If no pool is so deep, the one that comes nearest."""

    follower_delay_blocks: tuple[int, int] = (1, 4)
    """How old the exchange price is that a follower acts on."""

    follower_noise: float = 3e-4
    """Standard deviation of a follower's error about the price: a few basis points."""

    follower_margin: float = 5e-4
    """A follower wants this much beyond the pool's fee; it pays for gas and risk."""

    correction: tuple[float, float] = (0.5, 1.0)
    """The part of the way to the price, less the fee, that a follower goes."""

    slippage: float = 0.005
    """Least amount out, below the amount expected: the default of the common front ends."""

    tip_gwei: tuple[float, float] = (0.05, 1.0)
    """Tips are log-uniform between these."""

    hasty_share: float = 0.04
    """Traders in a hurry, who now and then get in before anybody else."""

    hasty_tip_gwei: tuple[float, float] = (1.0, 5.0)


@dataclass(frozen=True, slots=True)
class CrowdParameters:
    """Everybody else's demand for blockspace, which makes the base fee."""

    base_fee_wei: int = 15 * GWEI
    """Where demand meets the gas target; a quiet day's base fee."""

    elasticity: float = 2.0
    """Demand falls with this power of the base fee, which pulls the fee back."""

    noise: float = 0.35
    """Standard deviation of the logarithm of demand, block by block; real blocks are as uneven."""

    gas_target: int = 15_000_000
    least_gas: int = 100_000
    most_gas: int = 20_000_000
    """Leaves room in a block of 30 million for the traders and the bot."""

    tip_gwei: float = 0.02
    """Less than anybody's, so that the crowd never decides an order."""
