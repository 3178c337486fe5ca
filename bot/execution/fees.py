"""What a transaction offers per gas, what it costs in all, and what that leaves of a plan's profit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from bot.execution.build import Terms
from bot.execution.marks import Marks, NoMark
from bot.gas import ETHER, GasCoin
from bot.ledger.states import most_to_outbid
from bot.market.multicall import LoadFailed, Node, ask_all
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.transaction import MOST_GAS, Fees, UnsignedTransaction
from chains.anvil import RpcError
from chains.blocks import Head
from chains.networks import Network
from chains.networks.gas import NO_DATA, DataFees, GasModel, NoGasPrice, Offer
from chains.node.errors import NodeError
from chains.pools.pool import Call

MAX_SLIPPAGE_PPM = 10_000
"""How far below its quote a two-sided plan's chain side may ever settle."""

INTRINSIC_GAS = 21_000
_GAS_MARGIN_PERCENT = 40
_GAS_MARGIN = 120_000
"""A pair that never traded writes its price slots for the first time: two of 22,100 gas (EIP-2929) and some."""

_SIGNATURE = tuple(int.from_bytes(keccak(text=f"isthmus.fees.{part}"), "big") for part in "rs")
"""As incompressible as a real one."""

_TYPICAL_GAS = 250_000
_TYPICAL_BYTES = b"".join(keccak(text=f"isthmus.fees.word.{index}") + bytes(32) for index in range(8))
"""About what a cycle of three hops is: only screening uses them."""

Ask = Callable[[Sequence[Call], Head], Awaitable[Sequence[bytes]]]
"""Answers calls as of a head, in order; empty for one that failed."""


class UnpricedGas(RuntimeError):
    """A network whose gas coin has no price in the market: what gas costs there is not known."""


@dataclass(frozen=True, slots=True)
class Priced:
    """An offer, and what the transaction then costs in wei of ETH: `cost_wei` is expected, with data at its worst.

    `data_gas` is what the chain is expected to charge as gas for the bytes, on top of executing them.
    """

    fees: Fees
    cost_wei: int
    data_gas: int = 0


def asking(node: Node) -> Ask:
    """Asks `node`: several calls through Multicall3, one directly, since there are some that only a node answers."""

    async def ask(calls: Sequence[Call], head: Head) -> Sequence[bytes]:
        if len(calls) > 1:
            return await ask_all(node, calls, head.hash)
        try:
            return [await node.call(*calls[0], head.hash)]
        except RpcError:
            return [b""]

    return ask


class FeePolicy:
    """A fixed tip, and a fee cap that survives the base fee doubling; a rollup's charge for bytes as it last said.

    `tip_wei` and `max_fee_wei` are per gas. A call leaves a NOOP room to outbid it: a head whose next base fee does not
    fit under what is left of the cap is not traded. What is offered or charged is in `coin`; where it meets a profit, a
    budget or a limit, `coin` says what it costs in ETH.
    """

    def __init__(
        self,
        tip_wei: int,
        max_fee_wei: int,
        model: GasModel | None = None,
        ask: Ask | None = None,
        coin: GasCoin = ETHER,
        gas_limit: int = MOST_GAS,
    ) -> None:
        """`ask` is needed where `model` charges for bytes. `gas_limit` is the most that is signed."""
        self.coin = coin
        self.tip_wei = tip_wei
        self.max_fee_wei = max_fee_wei
        self.most_gas = (gas_limit - _GAS_MARGIN) * 100 // (100 + _GAS_MARGIN_PERCENT)
        """What a call may be estimated to burn for its limit not to be more than is signed."""
        self._gas_limit = gas_limit
        self._model = model or GasModel("eip1559")
        self._ask = ask
        self._data: DataFees = NO_DATA
        self._as_of = ""
        self._last: UnsignedTransaction | None = None

    def gas_price_wei(self, head: Head, tip_wei: int | None = None) -> int:
        """What the block after `head` will charge per gas, tip included: the fixed one unless told."""
        return self._model.price_wei(head, self.tip_wei if tip_wei is None else tip_wei)

    def base_fee_wei(self, head: Head) -> int:
        """What the block after `head` is expected to charge per gas, without a tip."""
        return self._model.base_fee.after(head)

    def screening_price_wei(self, head: Head) -> int:
        """The same, with what the bytes of a typical transaction cost spread over its gas."""
        if self._model.data is None:
            return self.gas_price_wei(head)
        offer = self._model.offer(head, self.tip_wei, self.max_fee_wei)
        cost = self._model.cost(head, _TYPICAL_GAS, _TYPICAL_GAS, _TYPICAL_BYTES, offer, self._data)
        return -(-cost.expected_wei // _TYPICAL_GAS)

    async def refresh(self, head: Head) -> Refusal | None:
        """Ask the chain, once for each head, what bytes cost; a refusal where it does not say."""
        model = self._model.data
        if model is None or self._as_of == head.hash:
            return None
        assert self._ask is not None, "a model that charges for bytes is given somebody to ask"
        try:
            data = model.fees(await self._ask(model.calls, head))
            self._data = await self._sampled(data, head)
        except (NoGasPrice, LoadFailed, NodeError, RpcError) as error:
            return Refusal(Reason.STALE_DATA, f"what bytes cost at block {head.number} is not known: {error}")
        self._as_of = head.hash
        return None

    async def _sampled(self, data: DataFees, head: Head) -> DataFees:
        """`data` with what the node says of the last transaction's bytes; as it is where the node says nothing."""
        model, last = self._model.data, self._last
        sample = None if model is None or last is None else model.sample(last.to, last.data)
        if model is None or last is None or sample is None or self._ask is None:
            return data
        (answer,) = await self._ask((sample,), head)
        return model.sampled(data, _signed(last), answer) if answer else data

    def fees(self, gas: int, head: Head, tip_wei: int | None = None) -> Fees:
        """The offer for a call that uses about `gas`, in the block after `head`; its bytes are not counted.

        The limit leaves room: refunds come after the fact, and inner calls get 63/64 of what is left (EIP-150).
        """
        tip_wei = self.tip_wei if tip_wei is None else tip_wei
        offer = self._model.offer(head, tip_wei, most_to_outbid(self.max_fee_wei))
        gas_limit = gas * (100 + _GAS_MARGIN_PERCENT) // 100 + _GAS_MARGIN
        return Fees(gas_limit, offer.max_fee_wei, offer.tip_wei)

    def unsigned(self, fees: Fees, head: Head) -> Refusal | None:
        """Why the signer will not sign `fees`, or not what the block after `head` charges; None where it signs both."""
        base_fee_wei = self.base_fee_wei(head)
        if fees.max_fee_wei < base_fee_wei:
            most = f"signer.max_fee_gwei lets a call offer {fees.max_fee_wei} wei per gas at most"
            detail = f"{most}, and the next block's base fee is {base_fee_wei}; wait, or raise that"
            return Refusal(Reason.SIGNER_MAX_FEE, detail)
        if fees.gas_limit <= self._gas_limit:
            return None
        detail = f"signer.gas_limit is {self._gas_limit}, it needs {fees.gas_limit}; raise that, or lower max_routes"
        return Refusal(Reason.SIGNER_GAS_LIMIT, detail)

    def offer(self, head: Head) -> Offer:
        """What is offered per gas for the block after `head`."""
        return self._model.offer(head, self.tip_wei, self.max_fee_wei)

    def noop(self, transaction: UnsignedTransaction, head: Head) -> Fees:
        """The gas that `transaction` needs, which does nothing, and what its bytes cost; without prices per gas."""
        if self._model.data is None:
            return Fees(INTRINSIC_GAS, 0, 0)
        cost = self._model.cost(head, INTRINSIC_GAS, INTRINSIC_GAS, _signed(transaction), self.offer(head), self._data)
        return Fees(INTRINSIC_GAS + cost.worst_data_gas, 0, 0, cost.worst_data_fee_wei)

    def price(
        self, build: Callable[[Priced], UnsignedTransaction], gas: int, head: Head, tip_wei: int | None = None
    ) -> Priced:
        """The offer for a transaction that uses about `gas`, in the block after `head`, and its cost.

        `build` makes the transaction that a price leads to; where bytes cost, they are its. The tip is the fixed one
        unless told.
        """
        offer = self.fees(gas, head, tip_wei)
        price = self.gas_price_wei(head, tip_wei)
        priced = Priced(offer, self.coin.cost_wei(gas * price))
        if self._model.data is None:
            return priced
        self._last = build(priced)
        per_gas = Offer(offer.max_fee_wei, offer.tip_wei)
        cost = self._model.cost(head, gas, offer.gas_limit, _signed(self._last), per_gas, self._data)
        gas_limit = offer.gas_limit + cost.worst_data_gas
        fees = Fees(gas_limit, offer.max_fee_wei, offer.tip_wei, cost.worst_data_fee_wei)
        cost_wei = self.coin.cost_wei((gas + cost.data_gas) * price + cost.worst_data_fee_wei)
        return Priced(fees, cost_wei, cost.data_gas)


def require_priced_gas(network: Network, marks: Marks) -> None:
    """Let nothing run where it is not known what gas costs. Raises `UnpricedGas`."""
    try:
        marks.gas_coin(network.wrapped)
    except NoMark:
        coin, wrapped = network.native.symbol, network.wrapped.symbol
        remedy = f"add a pool of {wrapped} to the market, or trade on another network than {network.name}"
        raise UnpricedGas(f"{coin}, in which gas is paid, has no price in this market; {remedy}") from None


def _signed(transaction: UnsignedTransaction) -> bytes:
    return transaction.raw(1, *_SIGNATURE)


def terms(plan: Plan, gas_cost_wei: int, marks: Marks) -> Terms:
    """The least the contract may accept, so that `min_profit_wei` is left after `gas_cost_wei`, both wei of ETH.

    An atomic plan must gain that much outright. A two-sided one may fall short of its quote by the profit it can
    spare, valued at `marks`. Raises `NoMark`.
    """
    least_wei = plan.min_profit_wei + gas_cost_wei
    if plan.atomic:
        return Terms(min_gain=max(marks.units_worth(plan.swaps[0].token_in, least_wei), 1), min_out=0)
    last = plan.swaps[-1]
    spare = min(
        marks.units(last.token_out, max(plan.expected_profit_wei - least_wei, 0)),
        plan.amount_out * MAX_SLIPPAGE_PPM // 10**6,
    )
    return Terms(min_gain=0, min_out=max(plan.amount_out - spare, 1))
