"""What a scan of the recorded market captures, the deployed executor earns on the twin, to the wei."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account import Account

from bot.execution.deployment import Deployment, deploy
from bot.execution.settings import UNBOUNDED as NO_BOUND
from bot.execution.settings import InventoryCap
from bot.market.dual.capture import Terms
from bot.market.dual.exact import Trade
from bot.market.opportunity import Step
from bot.scan.books_file import Books
from bot.scan.scan import scan
from chains.anvil import Anvil
from chains.assets import Address, address
from chains.executor import CycleCall, ExchangeCall, ExecutorCall, encode
from chains.snapshot import Snapshot
from chains.twin.build import TwinState
from chains.twin.opening import set_balance
from tests.bot.scan.recorded import WETH, recorded_snapshot
from tests.chains.twin.conftest import node, state  # noqa: F401
from tests.chains.twin.support import call

OWNER = Account.from_key("0x" + "0a" * 32)
OPERATOR, TREASURY = address("0x" + "0b" * 20), address("0x" + "0c" * 20)
CHAIN_ID = 31337
GAS = 3_000_000
PER_BLOCK = 8
UNBOUNDED = 2**127


@dataclass(frozen=True)
class Rig:
    """The twin with an executor that earns and lends the tokens the trades need."""

    anvil: Anvil
    made: Deployment

    async def sent(self, call_data: ExecutorCall) -> str:
        fields = {"from": OPERATOR, "to": self.made.executor, "gas": hex(GAS), "data": "0x" + encode(call_data).hex()}
        sent: str = await self.anvil.rpc("eth_sendTransaction", fields)
        return sent

    async def held(self, token: Address) -> int:
        """By the executor and its inventory together."""
        held = 0
        for holder in (self.made.executor, self.made.inventory):
            held += (await call(self.anvil, token, "0x70a08231" + holder[2:].rjust(64, "0")))[0]
        return held


async def test_the_captured_profit_is_realised_on_the_twin_to_the_wei(node: Anvil, state: TwinState) -> None:  # noqa: F811
    opened = {pool["address"] for pool in state.manifest["pools"]}
    snapshot = Snapshot(tuple(one for one in recorded_snapshot().pools if one.pool.venue in opened))
    weth = next(token for token in snapshot.tokens if token.address == WETH)
    found = scan(snapshot, Books(), weth, Terms())
    assert found.share >= 0.95
    trades = found.capture.trades
    earned = sorted({Address(trade.walk.cycle[0].token_in.address) for trade in trades} - {WETH})
    rig = await rigged(node, [WETH, *earned])
    before = {token: await rig.held(token) for token in (WETH, *earned)}
    sent: list[str] = []
    for trade in trades:
        for settling in calls(trade):
            sent.append(await rig.sent(settling))
            if not len(sent) % PER_BLOCK:
                await node.rpc("anvil_mine", "0x1")
    await node.rpc("anvil_mine", "0x1")
    receipts = [await node.rpc("eth_getTransactionReceipt", one) for one in sent]
    assert [receipt["status"] for receipt in receipts] == ["0x1"] * len(sent)
    after = {token: await rig.held(token) for token in before}
    assert after[WETH] - before[WETH] == found.capture.gain > 0
    assert {token: after[token] - before[token] for token in earned} == dict.fromkeys(earned, 0)


def calls(trade: Trade) -> list[ExecutorCall]:
    """The cycle, held to its exact gain; then the sale of that gain, held to its exact output."""
    count = len(trade.walk.cycle)
    cycle, sale = trade.steps[:count], trade.steps[count:]
    token, amount_in = Address(cycle[0].token_in.address), cycle[0].amount_in
    gain = cycle[-1].amount_out - amount_in
    made: list[ExecutorCall] = [CycleCall(token, amount_in, gain, 2**40, 2**40, bytes(32), hops(cycle))]
    if sale:
        out = sale[-1].amount_out
        made.append(ExchangeCall(token, gain, Address(WETH), out, 2**40, 2**40, bytes(32), hops(sale)))
    return made


def hops(steps: tuple[Step, ...]) -> tuple:
    return tuple(step.hop for step in steps)


async def rigged(anvil: Anvil, tokens: list[Address]) -> Rig:
    """An executor with a stocked inventory; its operator sends without signing."""
    for account in (OWNER.address, OPERATOR):
        await anvil.rpc("anvil_setBalance", account, hex(10**24))
    await anvil.rpc("anvil_impersonateAccount", OPERATOR)
    await anvil.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
    await anvil.rpc("evm_setAutomine", True)
    inventory = [InventoryCap(token, UNBOUNDED) for token in tokens]
    parties = {"operator": OPERATOR, "treasury": TREASURY}
    made = await deploy(
        anvil, OWNER, **parties, profit_tokens=tokens, inventory=inventory, bound=NO_BOUND, chain_id=CHAIN_ID
    )
    await anvil.rpc("evm_setAutomine", False)
    for token in tokens:
        await anvil.rpc(*_call(set_balance(token, made.inventory, 10**30)))
    return Rig(anvil, made)


def _call(call: tuple) -> tuple:
    method, arguments = call
    return method, *arguments
