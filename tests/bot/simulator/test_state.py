"""What is known of a block: learned, read again in one call, forgotten; and code that must not run in this process."""

from __future__ import annotations

from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.simulator.blind import asked_by
from bot.simulator.reader import BulkRead, Readings, Unreadable
from bot.simulator.state import MOST_SLOTS, StateStore
from chains.anvil import Anvil
from chains.assets import Address, address
from tests.bot.simulator.assembly import assemble

WORDS = st.integers(0, 2**256 - 1)
HASH, LATER = "0x" + "11" * 32, "0x" + "22" * 32


def account(number: int) -> Address:
    return address(f"0x{number + (1 << 150):040x}")


@settings(max_examples=6, deadline=None)
@given(
    st.dictionaries(st.integers(0, 9), st.dictionaries(WORDS, WORDS, max_size=6), max_size=6),
    st.integers(0, 2**100),
)
async def test_slots_and_balances_of_many_accounts_come_in_one_call(state: dict[int, dict[int, int]], wei: int):
    async with Anvil() as anvil:
        await anvil.batch(
            [
                ("anvil_setBalance", (account(0), hex(wei))),
                *(
                    ("anvil_setStorageAt", (account(number), hex(slot), f"0x{word:064x}"))
                    for number, slots in state.items()
                    for slot, word in slots.items()
                ),
            ]
        )
        keys = {account(number): tuple(slots) for number, slots in state.items()}
        keys |= {account(0): keys.get(account(0), ()), **{address(f"0x{at:040x}"): () for at in range(1, 11)}}
        bulk = BulkRead(keys)
        readings = bulk.read(await anvil.rpc("eth_call", *bulk.question("latest")))
        assert {number: dict(readings.slots[account(number)]) for number in state} == state
        assert readings.balances[account(0)] == wei
        without = {account for account, slots in keys.items() if not slots}
        assert readings.code_hashes == dict.fromkeys(without, keccak(b""))


def test_an_answer_of_another_length_is_not_read():
    try:
        BulkRead({account(1): (1, 2)}).read("0x" + "00" * 64)
    except Unreadable as error:
        assert "64 bytes of state, not 128" in str(error)
    else:
        raise AssertionError("it was read")


@given(st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=1, max_size=6))
def test_what_an_account_says_again_is_the_same_object_and_what_it_says_anew_is_read(blocks: list[list[int]]):
    keys = {account(1): (7, 8), account(2): (), account(3): (9,)}
    bulk = BulkRead({account(1): (7, 8), account(2): (), account(3): (9,)})
    words_of = {account(1): slice(0, 4), account(2): slice(4, 6), account(3): slice(6, 9)}
    before: list[int] | None = None
    slots_before = {}
    for each in blocks:
        words = [*each, *reversed(each[1:])]
        readings = bulk.read("0x" + "".join(f"{word:064x}" for word in words))
        for who, span in words_of.items():
            balance, _, *rest = words[span]
            assert readings.balances[who] == balance and readings.slots[who] == dict(zip(keys[who], rest, strict=True))
            if before is not None and before[span] == words[span]:
                assert readings.slots[who] is slots_before[who]
        assert readings.code_hashes == {account(2): words[5].to_bytes(32) if words[5] else keccak(b"")}
        before, slots_before = words, dict(readings.slots)


@given(
    st.dictionaries(st.integers(0, 3), st.dictionaries(st.integers(0, 4), st.integers(0, 1) | WORDS), max_size=4),
    st.dictionaries(st.integers(0, 3), st.dictionaries(st.integers(0, 4), st.integers(0, 1) | WORDS), max_size=4),
)
def test_other_slots_than_at_the_block_before_are_read_as_if_none_had_been(
    first: dict[int, dict[int, int]], then: dict[int, dict[int, int]]
):
    bulk = None
    for state in (first, then):
        bulk = BulkRead({account(number): tuple(slots) for number, slots in state.items()}, bulk)
        said = [word for number, slots in state.items() for word in (number, number, *slots.values())]
        readings = bulk.read("0x" + "".join(f"{word:064x}" for word in said))
        assert readings.slots == {account(number): slots for number, slots in state.items()}
        assert readings.balances == {account(number): number for number in state}
        without = [number for number, slots in state.items() if not slots]
        assert readings.code_hashes == {account(it): it.to_bytes(32) if it else keccak(b"") for it in without}


def test_what_is_learned_is_of_one_block_and_what_is_renewed_of_the_next():
    store = StateStore()
    prestate = {
        account(1): {"balance": "0x5", "nonce": 2, "code": "0x5b", "storage": {"0x1": "0x7"}},
        "0x0000000000000000000000000000000000000100": {"balance": "0x0", "code": "0x"},
    }
    assert store.learn(HASH, prestate)
    assert not store.learn(HASH, prestate), "nothing of it is new"
    assert store.keys == {account(1): (1,)}, "what a later fork's precompile is cannot be known here"
    store.renew(LATER, Readings({account(1): 6}, {account(1): {1: 8}}, {}), {account(1): 3})
    known = store.accounts[account(1)]
    assert (known.balance_wei, known.nonce, known.code, store.slots[account(1)]) == (6, 3, b"\x5b", {1: 8})
    assert store.block_hash == LATER
    assert store.learn(HASH, {account(2): {"balance": "0x1"}})
    assert set(store.accounts) == {account(2)}, "another block's state is forgotten, not mixed in"


def test_code_that_many_accounts_share_is_kept_once():
    store = StateStore()
    code = "0x" + "5b" * 999 + "00"
    for number in range(50):
        store.learn(HASH, {account(number): {"code": code, "balance": hex(number)}})
    assert len({id(known.code) for known in store.accounts.values()}) == 1
    assert len({id(known.code_hash) for known in store.accounts.values()}) == 1
    assert store.accounts[account(3)].code == bytes.fromhex(code[2:])
    assert store.accounts[account(3)].code_hash == keccak(bytes.fromhex(code[2:]))


def test_what_was_learned_longest_ago_is_forgotten_first():
    store = StateStore()
    per_account = MOST_SLOTS // 4
    for number in range(5):
        slots = {hex(slot): "0x1" for slot in range(per_account)}
        store.learn(HASH, {account(number): {"balance": "0x0", "code": "0x5b", "storage": slots}})
    assert set(store.accounts) == {account(number) for number in range(1, 5)}


def _read_one_by_one(code: bytes) -> tuple[bool, bool]:
    """What code could ask, instruction by instruction."""
    reached, at, live = set(), 0, True
    while at < len(code):
        op = code[at]
        live = live or op == 0x5B
        if live:
            reached.add(op)
            live = op not in (0x00, 0x56, 0xF3, 0xFD, 0xFE, 0xFF)
        at += 1 + max(0, op - 0x5F if op < 0x80 else 0)
    return bool(reached & {0x1E, 0x48, 0x4A, 0xF0}), bool(reached & {0x41, 0x44, 0xF5})


@given(code=st.lists(st.sampled_from([0x00, 0x41, 0x48, 0x56, 0x5B, 0x60, 0x61, 0x7F, 0xF5, 0xFE, 0x01]), max_size=60))
def test_code_is_read_in_runs_as_it_is_instruction_by_instruction(code: list[int]) -> None:
    asked = asked_by(bytes(code))
    assert (asked.blind, asked.asking) == _read_one_by_one(bytes(code))


def test_code_is_blind_where_it_could_reach_what_cannot_be_said():
    assert asked_by(assemble("BASEFEE POP STOP")).blind
    assert asked_by(assemble("@there JUMP there: BASEFEE STOP")).blind
    assert asked_by(b"\x4a").blind and asked_by(b"\xf0").blind and asked_by(b"\x1e").blind
    assert asked_by(bytes.fromhex("ef0100") + bytes(20)).blind, "a delegation (EIP-7702)"
    assert not asked_by(b"").blind
    assert not asked_by(assemble("0x48484848 POP STOP")).blind, "it is pushed, not run"
    assert not asked_by(assemble("STOP BASEFEE")).blind, "nothing leads there"
    assert not asked_by(assemble("0 0 REVERT") + b"\xa2\x64ipfs\x58\x22\x48\x4a\xf0").blind, "metadata"


def test_code_asks_who_builds_where_it_or_what_it_creates_could():
    assert asked_by(assemble("COINBASE POP STOP")).asking
    assert asked_by(assemble("@there JUMP there: PREVRANDAO STOP")).asking
    assert asked_by(b"\xf5").asking, "CREATE2"
    assert not asked_by(assemble("GAS 0x41444144 BALANCE POP STOP") + b"\x41").asking


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(code: bytes):
    assert asked_by(code).blind in (True, False)
    assert asked_by(b"\x48" + code).blind
