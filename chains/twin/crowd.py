"""Everybody else's demand for blockspace: one transaction a block that burns gas, so that the base fee lives.

The base fee itself is never set: each block's follows from its parent's by EIP-1559, and demand answers to it.
"""

from __future__ import annotations

from random import Random

from chains.twin.parameters import CrowdParameters


def crowd_gas(seed: int, block_number: int, base_fee_wei: int, others_gas: int, parameters: CrowdParameters) -> int:
    """How much gas the crowd burns in a block at `base_fee_wei`, beside `others_gas` expected of everybody known."""
    random = Random(f"{seed} crowd {block_number}")  # noqa: S311 - a market, not a secret
    wanted = parameters.gas_target * (parameters.base_fee_wei / max(base_fee_wei, 1)) ** parameters.elasticity
    wanted *= random.lognormvariate(-(parameters.noise**2) / 2, parameters.noise)
    return min(max(int(wanted) - others_gas, parameters.least_gas), parameters.most_gas)
