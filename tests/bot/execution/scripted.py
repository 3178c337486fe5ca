"""A chain, a simulator and a connection that follow a script, around a signer that is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bot.execution.fees import FeePolicy
from bot.execution.judging import Bearing
from bot.execution.routes import Routes
from bot.execution.tips import Tips
from bot.execution.transactions import Identity, TransactionDesk
from bot.ledger.ledger import Ledger
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.policy import EXECUTOR_SELECTORS, WETH_MARK, SignerPolicy, StrategyLimits, Target, TransactionCaps
from bot.signer.protocol import Cancel, Cover, Denial, Replace, Settle, Settled, Signed, SignRequest
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Head, Receipt
from chains.node import SendOutcome, SendStatus
from chains.node.seen import Seen, seen_one_by_one
from chains.node.sending import SendCause
from tests.bot.execution.given import EXECUTOR, INVENTORY, MARKS, NETWORK, STRATEGY, market
from tests.bot.ledger.given import ETHER, GWEI, StandingClock
from tests.bot.market.samples import USDC, WETH
from tests.bot.signer.making import OPERATOR, SECRET, answer

CODE_HASH = "0x" + "ab" * 32
IDENTITY = Identity(31337, NETWORK, OPERATOR, EXECUTOR, INVENTORY, CODE_HASH)
FEE_POLICY = FeePolicy(tip_wei=2 * GWEI, max_fee_wei=200 * GWEI)
GAS_USED = 120_000
FINALITY_BLOCKS = 8

_LIMITS = StrategyLimits(
    per_trade_wei=2 * ETHER, hour_loss_wei=2 * ETHER, day_loss_wei=5 * ETHER, day_gas_wei=ETHER, min_profit_wei=10**15
)
POLICY = SignerPolicy(
    chain_id=31337,
    test_chain=True,
    network=NETWORK,
    operator=OPERATOR,
    targets={EXECUTOR: Target(CODE_HASH, INVENTORY)},
    selectors=EXECUTOR_SELECTORS,
    profit_marks={Address(WETH.address): WETH_MARK},
    inventory_caps={Address(WETH.address): 10 * ETHER, Address(USDC.address): 20_000 * 10**6},
    pools=None,
    caps=TransactionCaps(
        max_gas_limit=1_500_000,
        max_fee_wei=200 * GWEI,
        max_tip_wei=10 * GWEI,
        max_deadline_blocks=3,
        max_verdict_age_s=12.0,
        max_slippage_ppm=10_000,
    ),
    strategies={"dex_arbitrage": _LIMITS, STRATEGY: _LIMITS},
    inventory_marks={Address(WETH.address): WETH_MARK, Address(USDC.address): WETH_MARK * 10**12 // 2_000},
)

Lost = Callable[[object], bool]


class Connection:
    """The client's side of a real signer; loses the answers it is told to lose, after the signer has given them.

    While it is `away`, the signer is not even asked.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.lost: list[type] = []
        self.away = False
        self.settled: list[Settle] = []
        self.replaced: list[Replace | Cancel] = []

    async def sign(self, request: SignRequest) -> Signed | Refusal:
        response = self._answered(request)
        assert isinstance(response, Signed | Refusal)
        return response

    async def replace(self, request: Replace | Cancel) -> Signed | Refusal:
        self.replaced.append(request)
        response = self._answered(request)
        assert isinstance(response, Signed | Refusal)
        return response

    async def settle(self, settle: Settle) -> Settled | Refusal:
        self.settled.append(settle)
        response = self._answered(settle)
        assert isinstance(response, Settled | Refusal)
        return response

    async def cover(self, cover: Cover) -> Settled | Refusal:
        response = self._answered(cover)
        assert isinstance(response, Settled | Refusal)
        return response

    def _answered(self, request: SignRequest | Replace | Cancel | Settle | Cover) -> object:
        if self.away:
            return Refusal(Reason.SIGNER_UNREACHABLE, "the signer hung up")
        response = answer(self._signer, request)
        if type(request) in self.lost:
            self.lost.remove(type(request))
            return Refusal(Reason.SIGNER_UNREACHABLE, "the signer gave no answer within 5 s")
        return Refusal(response.reason, response.detail) if isinstance(response, Denial) else response


@contextmanager
def signer_at(
    folder: Path, policy: SignerPolicy = POLICY, further_keys: Sequence[SigningKey] = ()
) -> Iterator[Connection]:
    """A signer whose journal and kill switch lie in `folder`."""
    clock = StandingClock()
    with Journal(folder / "signer.db") as journal:
        switch = KillSwitch(folder / "control")
        switch.establish(clock.wall_s())
        key = SigningKey(SECRET)
        yield Connection(
            Signer(
                policy=policy,
                policy_digest="",
                key=key,
                further_keys=further_keys,
                journal=journal,
                switch=switch,
                clock=clock,
                protections={},
            )
        )


class ScriptedChain:
    """Takes bytes and gives receipts as told; `says` is what it answers to each sending, accepting by default.

    `pool` are the hashes that it says it knows besides those with receipts; `followed` are blocks by height, of which
    all others hold the receipts.
    """

    def __init__(self, nonce: int = 0) -> None:
        self.count = nonce
        self.followed: dict[int, str] = {}
        self.sent: list[bytes] = []
        self.says: list[SendStatus | SendCause] = []
        self.pool: set[str] = set()
        self.receipts: dict[str, Receipt] = {}
        self.on_send: Callable[[], None] = lambda: None

    async def send_raw(self, raw: bytes) -> SendOutcome:
        self.on_send()
        self.sent.append(raw)
        said = self.says.pop(0) if self.says else SendStatus.ACCEPTED
        if isinstance(said, SendCause):
            return SendOutcome(SendStatus.REFUSED, "", "as scripted", said)
        return SendOutcome(said, "", "as scripted")

    async def knows(self, tx_hash: str) -> bool:
        return tx_hash in self.receipts or tx_hash in self.pool

    async def receipt(self, tx_hash: str) -> Receipt | None:
        return self.receipts.get(tx_hash)

    async def nonce(self, account: Address, block: object = "latest") -> int:
        return self.count

    async def balance(self, account: Address, block: object = "latest") -> int:
        raise RpcError("eth_getBalance", 0, "not scripted")

    async def seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        return await seen_one_by_one(self, tx_hashes, counted, paying)

    def hash_at(self, number: int) -> str | None:
        return self.followed.get(number)

    async def block_by_number(self, number: int) -> Head | None:
        held = (receipt.block_hash for receipt in self.receipts.values() if receipt.block_number == number)
        return next((Head(number, block_hash, "", 0, 0, 0, 0) for block_hash in held), None)


class ScriptedSimulator:
    """Says of a plan what it is told to, about the transaction it was asked of. Keeps the questions."""

    def __init__(self, plan: Plan, **changes: object) -> None:
        self.plan = plan
        self.changes = changes
        self.asked: list[tuple[UnsignedTransaction, tuple[UnsignedTransaction, ...]]] = []

    async def screened(self, *question: object) -> None:
        """Only the fork can tell."""

    async def trouble(self, *question: object) -> None:
        """Its tokens are plain."""

    async def verdict(
        self,
        tx: UnsignedTransaction,
        head: Head,
        watch: Sequence[tuple[Address, Address]],
        after: Sequence[UnsignedTransaction] = (),
    ) -> Verdict:
        self.asked.append((tx, tuple(after)))
        first, last = self.plan.swaps[0], self.plan.swaps[-1]
        token_in, token_out = Address(first.token_in.address), Address(last.token_out.address)
        if self.plan.atomic:
            deltas = {(EXECUTOR, token_out): last.amount_out - first.amount_in}
        else:
            deltas = {(INVENTORY, token_in): -first.amount_in, (INVENTORY, token_out): last.amount_out}
        price = FEE_POLICY.gas_price_wei(head)
        said = Verdict(Outcome.OK, tx.digest, head.number, head.hash, GAS_USED, price, deltas)
        return replace(said, made_at_s=float(StandingClock().wall_s()), **{"code_hash": CODE_HASH, **self.changes})  # type: ignore[arg-type]


def desk(
    ledger: Ledger,
    chain: ScriptedChain,
    simulator: ScriptedSimulator,
    signer: Connection | None,
    tips: Tips | None = None,
    fee_policy: FeePolicy = FEE_POLICY,
    bearing: Bearing | None = None,
    identity: Identity = IDENTITY,
    routes: Routes | None = None,
    most_in_flight: int = 16,
) -> TransactionDesk:
    return TransactionDesk(
        identity=identity,
        ledger=ledger,
        simulator=simulator,  # type: ignore[arg-type]
        signer=signer,  # type: ignore[arg-type]
        submitter=chain,  # type: ignore[arg-type]
        fee_policy=fee_policy,
        market=market(),
        marks=MARKS,
        held=list(MARKS.wei_per_unit),
        unwind_loss_ppm=10_000,
        finality_blocks=FINALITY_BLOCKS,
        clock=StandingClock(),
        tips=tips,
        bearing=bearing,
        routes=routes,
        most_in_flight=most_in_flight,
    )
