"""The EVM of this process (pyrevm), over state that is wholly known. What is not known is a miss, never zero.

pyrevm has no wheel for Python 3.13 and later: `available` says so, and the fork answers everything there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from bot.simulator import holdings
from bot.simulator.analysed import AnalysedAccounts, plain_account
from bot.simulator.holdings import ASKER, READER, READER_CODE, Watched
from bot.simulator.question import SURROUNDINGS, Answer, Environment, Question, Surroundings, check_funds, gas_price_wei
from bot.simulator.state import AccountState, StateStore
from bot.transaction import UnsignedTransaction
from chains.assets import ZERO_ADDRESS, Address, address

# Reads that miss go to a node at this URL. No client can open it, so each of them fails at once, without a packet.
_NOWHERE = "void:state-that-is-not-in-the-store"
_SPEC = "CANCUN"
_REVERTED = re.compile(r"Revert \{ gas_used: \d+, output: 0x([0-9a-f]*) \}")
_HALTED = re.compile(r"Halt \{ reason: (\w+)")
# A later fork's opcode may be what this EVM does not know.
_UNKNOWN_OPCODES = frozenset({"OpcodeNotFound", "NotActivated"})
_MISSED = "Database("
_READER_STATE = AccountState.of(0, 1, READER_CODE)
_EMPTY_STATE = AccountState.of(0, 0, b"")
_NO_SLOTS: Mapping[int, int] = {}
_BUILDERS = frozenset(each.coinbase for each in SURROUNDINGS)
_BASE_GAS = 21_000
_FLOOR_GAS_PER_TOKEN = 10
_TOKENS_PER_NONZERO_BYTE = 4


class Missed(RuntimeError):
    """State was needed that the store does not have."""


class NotAnsweredHere(RuntimeError):
    """A question for the fork; the message says why."""


def available() -> bool:
    """Whether this Python has pyrevm."""
    return find_spec("pyrevm") is not None


class LocalEvm:
    """One block's state in one EVM, which answers any number of questions; each leaves it as it was. From block to
    block it is moved.

    Once it has raised anything it is spent: its journal may be half done.
    """

    def __init__(
        self,
        store: StateStore,
        environment: Environment,
        surroundings: Surroundings,
        chain_id: int,
        accounts: AnalysedAccounts,
    ) -> None:
        import pyrevm

        self._surroundings = surroundings
        self._store = StateStore()
        self._accounts = accounts
        self._unanalysed: set[Address] = set()
        self._held: dict[Watched, int] = {}
        self._watched: Sequence[Watched] = ()
        self._reading: tuple[Sequence[Watched], bytes] = (), b""
        self._evm: Any = pyrevm.EVM(
            env=pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain_id)),
            fork_url=_NOWHERE,
            fork_block=environment.head.hash,
            gas_limit=environment.head.gas_limit,
            spec_id=_SPEC,
        )
        if surroundings.nobodys:
            self._evm.insert_account_info(surroundings.coinbase, plain_account(_EMPTY_STATE, 0))
        self._evm.insert_account_info(READER, accounts.account(_READER_STATE))
        self._stand_in(environment)
        self._lay(store)

    def move(self, store: StateStore, environment: Environment) -> bool:
        """Stand on another block, or on more of the same; whether that is done: what it forgot would go on answering.

        Neither `store` may change afterwards.
        """
        if store is self._store and environment is self._environment:
            return True
        # An EVM has its block's gas limit for ever.
        if environment.head.gas_limit != self._environment.head.gas_limit or not self._knows_no_more_than(store):
            return False
        self._stand_in(environment)
        self._lay(store)
        self._held = {}
        return True

    def _stand_in(self, environment: Environment) -> None:
        import pyrevm

        self._environment = environment
        self._evm.set_block_env(
            pyrevm.BlockEnv(
                number=environment.number,
                coinbase=self._surroundings.coinbase,
                timestamp=environment.timestamp_s,
                prevrandao=self._surroundings.prevrandao,
                basefee=environment.base_fee_wei,
            )
        )

    def _knows_no_more_than(self, store: StateStore) -> bool:
        """Whether all that is in the EVM is in `store`, with code that may run here where it may now."""
        for account, known in self._store.accounts.items():
            now = store.accounts.get(account)
            if now is None or (now is not known and self._left_out(account, now) is not self._left_out(account, known)):
                return False
            words, slots = store.slots.get(account, _NO_SLOTS), self._store.slots.get(account, _NO_SLOTS)
            if words is not slots and not slots.keys() <= words.keys():
                return False
        return True

    def look_again(self) -> None:
        """Ask now what those hold that were looked at last: most likely it is theirs again that a plan changes.

        Raises `Missed`, `NotAnsweredHere`, `Unanswered`.
        """
        self._before(self._watched)

    def analyse(self) -> None:
        """Have the code analysed now that was not yet, so that later calls need not do it each time."""
        for account in self._unanalysed & self._store.accounts.keys():
            self._evm.insert_account_info(account, self._accounts.account(self._store.accounts[account]))
        self._unanalysed.clear()

    def answer(self, question: Question) -> Answer:
        """What the transaction does. Raises `Missed`, `NotAnsweredHere`, `Unanswered`."""
        tx = question.tx
        if (self._surroundings.coinbase, ZERO_ADDRESS) in question.watched:
            raise NotAnsweredHere("the block's builder is watched")
        question.check_nonces({sender: self._known(sender).nonce for sender in question.senders})
        self._watched = question.watched
        with self._behind(question.earlier):
            before = self._before(question.watched)
            question.check_funds(before)
            return self._ran(tx, question.watched, before)

    @contextmanager
    def _behind(self, earlier: Sequence[UnsignedTransaction]) -> Iterator[None]:
        """The state that `earlier`, in order, leaves behind; it is as it was afterwards.

        Each leaves what it wrote as the block does: where a transaction begins, nothing is warm.
        """
        known, held = self._store, self._held
        for tx in earlier:
            self._lay(self._written_by(tx))
            self._held = {}
        yield
        if earlier:
            self._lay(known)
            self._held = held

    def _known(self, sender: Address) -> AccountState:
        known = self._store.accounts.get(sender)
        if known is None:
            raise Missed(f"nothing is known of {sender}")
        return known

    def _ran(self, tx: UnsignedTransaction, watched: Sequence[Watched], before: dict[Watched, int]) -> Answer:
        price_wei = gas_price_wei(tx, self._environment.base_fee_wei)
        held_wei, held_back_wei = before[tx.sender, ZERO_ADDRESS], tx.gas_limit * price_wei
        with self._holding_back(tx, held_wei, held_back_wei):
            output, succeeded, gas_used = self._transact(tx, price_wei)
            self._evm.reset_transient_storage()
            after = self._balances(watched)
            after[tx.sender, ZERO_ADDRESS] += held_back_wei - gas_used * price_wei
        return Answer(succeeded, output, gas_used, before, after)

    @contextmanager
    def _holding_back(self, tx: UnsignedTransaction, held_wei: int, held_back_wei: int) -> Iterator[None]:
        """With the sender having paid for all of its gas; whatever happens inside is undone."""
        self._set_balance(tx.sender, held_wei - held_back_wei)
        point = self._evm.snapshot()
        yield
        self._evm.revert(point)
        self._set_balance(tx.sender, held_wei)

    def _written_by(self, tx: UnsignedTransaction) -> StateStore:
        """What is known, as `tx` leaves it."""
        before = self._before([(tx.sender, ZERO_ADDRESS)])
        price_wei = gas_price_wei(tx, self._environment.base_fee_wei)
        held_wei, held_back_wei = before[tx.sender, ZERO_ADDRESS], tx.gas_limit * price_wei
        check_funds(tx, held_wei)
        with self._holding_back(tx, held_wei, held_back_wei):
            *_, gas_used = self._transact(tx, price_wei)
            self._evm.reset_transient_storage()
            touched = [account for account in map(address, self._evm.journal_state) if account in self._store.accounts]
            if any(self._was_created(account) for account in touched):
                raise NotAnsweredHere(f"nonce {tx.nonce} of {tx.sender} creates a contract, which lasts")
            balances = {account: int(self._evm.get_balance(account)) for account in touched}
            balances[tx.sender] += held_back_wei - gas_used * price_wei
            slots = {account: self._slots_now(account) for account in touched}
        return self._store.changed(balances, slots)

    def _was_created(self, account: Address) -> bool:
        """Whether the transaction that ran made a contract of it. Other nonces than contracts' stay as they were."""
        known = self._store.accounts[account]
        return not known.code and int(self._evm.basic(account).nonce) > known.nonce

    def _slots_now(self, account: Address) -> dict[int, int]:
        return {slot: int(self._evm.storage(account, slot)) for slot in self._store.slots.get(account, ())}

    def _lay(self, after: StateStore) -> None:
        """Stand on `after` where it differs from what is known; what must not run here stays a miss."""
        before = self._store
        for account, known in after.accounts.items():
            was, now = before.slots.get(account, _NO_SLOTS), after.slots.get(account, _NO_SLOTS)
            was_known = before.accounts.get(account)
            if (known is was_known and now is was) or self._left_out(account, known):
                continue
            if known != was_known:
                self._insert(account, known)
            if now is not was:
                self._write(account, [(slot, word) for slot, word in now.items() if word != was.get(slot)])
        self._store = after

    def _insert(self, account: Address, known: AccountState) -> None:
        """As it is, where its code was not analysed yet: that takes longer than the few calls of one question."""
        kept = self._accounts.kept(known)
        if kept is None:
            self._unanalysed.add(account)
        self._evm.insert_account_info(account, kept or plain_account(known, known.balance_wei))

    def _transact(self, tx: UnsignedTransaction, price_wei: int) -> tuple[bytes, bool, int]:
        """What it returned, whether it succeeded, and its gas."""
        floor = _BASE_GAS + _FLOOR_GAS_PER_TOKEN * _tokens(tx.data)
        if tx.gas_limit < floor:
            raise NotAnsweredHere(f"its data costs {floor} gas, and its limit is {tx.gas_limit}")
        output, succeeded = self._called(tx.sender, tx.to, tx.data, tx.value_wei, tx.gas_limit, price_wei)
        return output or b"", succeeded, max(self._evm.result.gas_used, floor)

    def _called(
        self, sender: str, to: str, data: bytes, value: int, gas: int, price_wei: int
    ) -> tuple[bytes | None, bool]:
        """What the call returned (revert data where it reverted, None where it halted), and whether it succeeded."""
        try:
            return self._evm.message_call(sender, to, data, value=value, gas=gas, gas_price=price_wei), True
        except RuntimeError as error:
            return _failure(str(error)), False

    def _before(self, watched: Sequence[Watched]) -> dict[Watched, int]:
        """What is held before anything runs: asked once a block, apart, so that nothing is warm after it."""
        unknown = tuple(pair for pair in watched if pair not in self._held)
        if unknown:
            point = self._evm.snapshot()
            self._held.update(self._balances(unknown))
            self._evm.revert(point)
        return {pair: self._held[pair] for pair in watched}

    def _balances(self, watched: Sequence[Watched]) -> dict[Watched, int]:
        # Plan after plan the same accounts are looked at.
        if watched != self._reading[0]:
            self._reading = watched, holdings.data_for(watched)
        output, succeeded = self._called(ASKER, READER, self._reading[1], 0, holdings.gas_for(watched), 0)
        return holdings.read(watched, output, succeeded=succeeded)

    def _left_out(self, account: Address, known: AccountState) -> bool:
        return known.blind or (self._surroundings.nobodys and (known.asking or account in _BUILDERS))

    def _write(self, account: Address, slots: Sequence[tuple[int, int]]) -> None:
        snapshot, revert, insert = self._evm.snapshot, self._evm.revert, self._evm.insert_account_storage
        for slot, word in slots:
            # Inserting leaves the account in the journal, where the next slot would be looked for at the node.
            point = snapshot()
            insert(account, slot, word)
            revert(point)

    def _set_balance(self, account: Address, balance_wei: int) -> None:
        self._evm.insert_account_info(account, plain_account(self._store.accounts[account], balance_wei))


def _failure(text: str) -> bytes | None:
    """The revert data in pyrevm's words, None for a halt. Raises `Missed`, `NotAnsweredHere`."""
    reverted = _REVERTED.match(text)
    if reverted:
        return bytes.fromhex(reverted[1])
    halted = _HALTED.match(text)
    if halted and halted[1] not in _UNKNOWN_OPCODES:
        return None
    if text.startswith(_MISSED):
        raise Missed("state that is not in the store")
    raise NotAnsweredHere(text[:200])


def _tokens(data: bytes) -> int:
    """Call data as EIP-7623 counts it."""
    zeros = data.count(0)
    return zeros + _TOKENS_PER_NONZERO_BYTE * (len(data) - zeros)
