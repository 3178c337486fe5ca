"""Foreseen plans in forge's EVM: `contracts/script/Foreseen.s.sol` runs them on the same state and compares."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eth_abi.abi import encode

from bot.simulator.holdings import Watched
from bot.simulator.question import SURROUNDINGS, Environment, gas_price_wei
from bot.simulator.verdict import Outcome
from chains.assets import Address, address
from chains.blocks import Head
from chains.tools import ROOT, foundry
from tests.bot.simulator.plans import Rig, Trial
from tests.bot.simulator.support import twin

_SCRIPT = "contracts/script/Foreseen.s.sol:Foreseen"
_QUESTION = address("0x00000000000000000000000000000000f04e5ee2")
_TYPES = (
    "(uint256,uint256,uint256,uint256,address,bytes32)",
    "address[]",
    "address[]",
    "(address,address,bytes,bool,int256[])[]",
)


class Unforeseen(AssertionError):
    """Forge's EVM does something else; the message is forge's."""


async def hold(world: Rig, head: Head, trials: Sequence[Trial]) -> None:
    """Hold what was foreseen of `trials`, all on `head`, on which the chain stands. Raises `Unforeseen`."""
    snapshot = await world.anvil.rpc("evm_snapshot")
    await world.anvil.rpc("anvil_setCode", _QUESTION, "0x" + _question(world.watched, head, trials).hex())
    await world.anvil.rpc("evm_mine")
    process = await asyncio.create_subprocess_exec(
        *(str(foundry("forge")), "script", _SCRIPT, "--fork-url", world.anvil.http_url, "--root", str(ROOT)),
        *("--evm-version", "cancun", "--disable-code-size-limit", "--gas-limit", str(10**15)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    await world.anvil.rpc("evm_revert", snapshot)
    text = said.decode(errors="replace")
    if process.returncode or f"held: uint256 {len(trials)}" not in text:
        raise Unforeseen(text[-1_500:])


def _question(watched: Sequence[Watched], head: Head, trials: Sequence[Trial]) -> bytes:
    around = Environment(head, twin().block_step_s, head.next_base_fee_wei())
    surroundings = SURROUNDINGS[0]
    tx = trials[0].tx
    price = gas_price_wei(tx, around.base_fee_wei)
    block = (
        *(around.number, around.timestamp_s, around.base_fee_wei, price),
        *(surroundings.coinbase, surroundings.prevrandao),
    )
    accounts, tokens = ([pair[side] for pair in watched] for side in (0, 1))
    return encode(_TYPES, [block, accounts, tokens, [_foretold(watched, trial) for trial in trials]])


def _foretold(watched: Sequence[Watched], trial: Trial) -> tuple[Address, Address, bytes, bool, list[int]]:
    here = trial.here
    assert here is not None
    moved = [here.delta(*pair) for pair in watched]
    return trial.tx.sender, trial.tx.to, trial.tx.data, here.outcome is Outcome.OK, moved
