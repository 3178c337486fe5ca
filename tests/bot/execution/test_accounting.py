"""What a receipt's transfers did to our accounts, and to each leg of a plan."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from bot.execution.accounting import (
    DEPOSIT_TOPIC,
    TRANSFER_TOPIC,
    WITHDRAWAL_TOPIC,
    leg_fills,
    transfer_deltas,
    transfers,
)
from bot.execution.gains import Gains
from bot.execution.marks import Marks
from bot.execution.settings import Venues
from bot.ledger.records import SwapFill
from bot.plan import Swap
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Log, Receipt
from chains.executor import BalancerV3Route, CurveRoute, Hop, HopKind, Lender, Loan, UniswapV4Route
from chains.pools.uniswap_v4 import SWAP
from chains.pools.words import word
from tests.bot.execution.given import INVENTORY, OPERATOR, POOL, cycle, moved, sells_on_chain
from tests.bot.execution.scripted import IDENTITY
from tests.bot.market.samples import USDC, WETH
from tests.chains.pools.samples import at

OURS = (OPERATOR, INVENTORY)
PARTIES = (*OURS, at(7), at(8))
movements = st.lists(
    st.tuples(
        st.sampled_from((WETH, USDC)), st.sampled_from(PARTIES), st.sampled_from(PARTIES), st.integers(0, 2**200)
    ),
    max_size=12,
)


def _receipt(*logs: Log, status: int = 1) -> Receipt:
    return Receipt("0x1", 1, "0x2", 0, status, 1, 1, logs)


@given(movements)
def test_deltas_are_what_each_account_received_less_what_it_gave(
    moves: list[tuple[Token, Address, Address, int]],
) -> None:
    balances: defaultdict[tuple[Address, Address], int] = defaultdict(int)
    for token, source, target, units in moves:
        balances[source, Address(token.address)] -= units
        balances[target, Address(token.address)] += units
    ours = {OPERATOR, INVENTORY}
    expected = {key: units for key, units in balances.items() if units and key[0] in ours}
    assert transfer_deltas(_receipt(*(moved(*move) for move in moves)), ours) == expected


@given(movements)
def test_among_all_parties_nothing_is_made_or_lost(moves: list[tuple[Token, Address, Address, int]]) -> None:
    deltas = transfer_deltas(_receipt(*(moved(*move) for move in moves)), PARTIES)
    for token in (WETH, USDC):
        assert sum(units for (_, moved_token), units in deltas.items() if moved_token == token.address) == 0


def test_logs_that_are_no_plain_transfers_are_passed_over() -> None:
    good = moved(WETH, OPERATOR, INVENTORY, 5)
    other_topic = replace(good, topics=(bytes(32), *good.topics[1:]))
    nft = replace(good, topics=(*good.topics, word(1)), data=b"")
    short = replace(good, data=b"\x05")
    anonymous = replace(good, topics=())
    found = list(transfers(_receipt(other_topic, good, nft, short, anonymous)))
    assert [transfer.units for transfer in found] == [5]
    assert good.topics[0] == TRANSFER_TOPIC


def test_a_leg_filled_what_went_into_and_out_of_its_pool() -> None:
    plan = sells_on_chain()
    (swap,) = plan.swaps
    logs = (
        moved(WETH, INVENTORY, POOL.address, swap.amount_in),
        moved(USDC, POOL.address, INVENTORY, swap.amount_out - 3),
        moved(USDC, at(7), INVENTORY, 10**9),
    )
    assert leg_fills(plan, _receipt(*logs), OURS) == [
        SwapFill(0, POOL.address, WETH.address, swap.amount_in, USDC.address, swap.amount_out - 3)
    ]


def test_what_others_move_at_a_plans_pools_in_its_transaction_is_no_fill() -> None:
    """A token between the ends is called in the middle of it all, and may pay in or swap what it likes."""
    plan = sells_on_chain()
    (swap,) = plan.swaps
    logs = (
        moved(WETH, INVENTORY, POOL.address, swap.amount_in),
        moved(WETH, at(7), POOL.address, 10**21),
        moved(USDC, POOL.address, at(7), 10**15),
        moved(USDC, POOL.address, INVENTORY, swap.amount_out),
    )
    (fill,) = leg_fills(plan, _receipt(*logs), OURS)
    assert (fill.amount_in, fill.amount_out) == (swap.amount_in, swap.amount_out)


def test_what_a_token_says_of_itself_is_no_more_than_there_can_be_of_any() -> None:
    plan = cycle()
    there, _ = plan.swaps
    logs = [moved(WETH, OPERATOR, POOL.address, there.amount_in)]
    logs += [
        moved(USDC, source, target, 2**256 - 1)
        for source, target in 12 * [(POOL.address, OPERATOR), (OPERATOR, POOL.address)]
    ]
    bought, sold = leg_fills(plan, _receipt(*logs), OURS)
    assert (bought.amount_in, bought.amount_out, sold.amount_in) == (there.amount_in, 2**256 - 1, 2**256 - 1)


def test_only_what_is_traded_and_what_is_held_are_believed_to_have_moved_in_our_accounts() -> None:
    """What a token on the way says in its events no balance need bear out, whether or not it has a price."""
    mine, theirs = Token(IDENTITY.network, at(60), "MINE", 18), Token(IDENTITY.network, at(61), "HERS", 18)
    gains = Gains(IDENTITY, Marks({theirs: Fraction(1)}), [mine])
    logs = [moved(token, at(7), IDENTITY.executor, 5) for token in (WETH, mine)]
    logs.append(moved(theirs, at(7), IDENTITY.executor, 2**255))
    believed = {(IDENTITY.executor, Address(token.address)): 5 for token in (WETH, mine)}
    assert gains.moved(cycle(), _receipt(*logs)) == believed


def test_both_legs_through_one_pool_are_told_apart_by_their_tokens() -> None:
    plan = cycle()
    there, back = plan.swaps
    logs = (
        moved(WETH, OPERATOR, POOL.address, there.amount_in),
        moved(USDC, POOL.address, OPERATOR, there.amount_out),
        moved(USDC, OPERATOR, POOL.address, back.amount_in),
        moved(WETH, POOL.address, OPERATOR, back.amount_out),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [
        (there.amount_in, there.amount_out),
        (back.amount_in, back.amount_out),
    ]


def test_a_reverted_transaction_filled_nothing() -> None:
    assert leg_fills(sells_on_chain(), _receipt(status=0), OURS) == []


MANAGER, COINS = at(40), Token(WETH.place, ZERO_ADDRESS, "ETH", 18)
VENUES = Venues(Address(WETH.address), MANAGER)
WRAPPER = Hop(HopKind.WRAPPED_NATIVE, Address(WETH.address), False, 0)


def v4(token_in: Token, token_out: Token, amount_in: int, amount_out: int) -> Swap:
    hop = Hop(HopKind.UNISWAP_V4, at(41), True, 500, UniswapV4Route(Address(token_out.address), 10))
    return Swap(hop, token_in, token_out, amount_in, amount_out)


def wrapped(topic: bytes, party: Address, units: int) -> Log:
    like = moved(WETH, party, party, units)
    return replace(like, topics=(topic, like.topics[1]))


def test_a_singletons_leg_filled_what_went_into_and_out_of_the_singleton() -> None:
    plan = replace(cycle(), legs=(v4(WETH, USDC, 10, 20), v4(USDC, WETH, 20, 11)))
    logs = (
        moved(USDC, MANAGER, OPERATOR, 21),
        moved(WETH, MANAGER, OPERATOR, 12),
        moved(USDC, OPERATOR, MANAGER, 21),
        moved(WETH, OPERATOR, MANAGER, 10),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 21), (21, 12)]
    assert {fill.pool for fill in fills} == {at(41)}


def test_coins_between_legs_are_what_was_unwrapped_or_is_wrapped_next() -> None:
    unwrapping = Swap(WRAPPER, WETH, COINS, 10, 10)
    wrapping = Swap(replace(WRAPPER, zero_for_one=True), COINS, WETH, 12, 12)
    plan = replace(cycle(), legs=(unwrapping, v4(COINS, USDC, 10, 20), v4(USDC, COINS, 20, 12), wrapping))
    logs = (
        moved(WETH, MANAGER, OPERATOR, 10),
        wrapped(WITHDRAWAL_TOPIC, OPERATOR, 10),
        moved(USDC, MANAGER, OPERATOR, 20),
        moved(USDC, OPERATOR, MANAGER, 20),
        wrapped(DEPOSIT_TOPIC, OPERATOR, 13),
        moved(WETH, OPERATOR, MANAGER, 10),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 10), (10, 20), (20, 13), (13, 13)]
    assert transfer_deltas(_receipt(*logs), {OPERATOR}, VENUES.wrapped_native) == {(OPERATOR, WETH.address): 3}


def test_a_loan_and_its_repayment_are_no_legs() -> None:
    curve = Swap(Hop(HopKind.CURVE, at(42), False, 0, CurveRoute(Address(USDC.address), 0, 1)), WETH, USDC, 10, 20)
    plan = replace(cycle(), legs=(curve, v4(USDC, WETH, 20, 12)))
    logs = (
        moved(WETH, MANAGER, OPERATOR, 10),
        moved(WETH, OPERATOR, at(42), 10),
        moved(USDC, at(42), OPERATOR, 20),
        moved(WETH, MANAGER, OPERATOR, 12),
        moved(USDC, OPERATOR, MANAGER, 20),
        moved(WETH, OPERATOR, MANAGER, 10),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 20), (20, 12)]


def test_only_the_networks_wrapper_wraps() -> None:
    """Anyone may emit a `Deposit`; of another contract it is no movement of a token."""
    deposit = wrapped(DEPOSIT_TOPIC, OPERATOR, 5)
    assert [t.units for t in transfers(_receipt(deposit), VENUES.wrapped_native)] == [5]
    assert list(transfers(_receipt(replace(deposit, address=at(9))), VENUES.wrapped_native)) == []
    assert list(transfers(_receipt(deposit))) == []


def test_what_a_wrapper_tells_twice_was_wrapped_and_unwrapped_once() -> None:
    """Scroll's emits a `Transfer` from and to nobody beside each `Deposit` and `Withdrawal`."""
    logs = (
        moved(WETH, OPERATOR, ZERO_ADDRESS, 10),
        wrapped(WITHDRAWAL_TOPIC, OPERATOR, 10),
        moved(WETH, ZERO_ADDRESS, OPERATOR, 13),
        wrapped(DEPOSIT_TOPIC, OPERATOR, 13),
        wrapped(DEPOSIT_TOPIC, OPERATOR, 13),
    )
    assert transfer_deltas(_receipt(*logs), {OPERATOR}, VENUES.wrapped_native) == {(OPERATOR, WETH.address): 16}


AAVE_POOL, ATOKEN, TREASURY = at(50), at(51), at(52)
A_WETH = Token(WETH.place, ATOKEN, "aEthWETH", 18)


def test_what_aave_lends_comes_from_where_it_keeps_the_token_and_is_no_leg() -> None:
    """Its pool is asked, its aToken pays and is repaid with the premium, and it mints what is the treasury's own."""
    loan = Loan(Lender.AAVE_V3, fee_ppm=500)
    curve = Swap(Hop(HopKind.CURVE, ATOKEN, False, 0, CurveRoute(Address(USDC.address), 0, 1)), WETH, USDC, 10_000, 20)
    plan = replace(cycle(), legs=(curve, v4(USDC, WETH, 20, 12_000)), loan=loan)
    logs = (
        moved(WETH, ATOKEN, OPERATOR, 10_000),
        moved(WETH, OPERATOR, ATOKEN, 10_000),
        moved(USDC, ATOKEN, OPERATOR, 20),
        moved(USDC, OPERATOR, MANAGER, 20),
        moved(WETH, MANAGER, OPERATOR, 12_000),
        moved(A_WETH, ZERO_ADDRESS, TREASURY, 2),
        moved(WETH, OPERATOR, ATOKEN, 10_005),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS, replace(VENUES, aave_pool=AAVE_POOL))
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10_000, 20), (20, 12_000)]
    assert transfer_deltas(_receipt(*logs), {OPERATOR}) == {(OPERATOR, WETH.address): 1_995}


def test_legs_of_several_routes_through_one_pool_took_their_turns() -> None:
    there, back = cycle().swaps
    more = [replace(swap, amount_in=2 * swap.amount_in, amount_out=2 * swap.amount_out - 5) for swap in (there, back)]
    plan = replace(cycle(), legs=(there, back, *more))
    logs = [
        log
        for one, other in ((there, back), more)
        for log in (
            moved(USDC, POOL.address, OPERATOR, one.amount_out),
            moved(USDC, OPERATOR, POOL.address, other.amount_in),
            moved(WETH, POOL.address, OPERATOR, other.amount_out),
            moved(WETH, OPERATOR, POOL.address, one.amount_in),
        )
    ]
    fills = leg_fills(plan, _receipt(*logs), OURS)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [
        (swap.amount_in, swap.amount_out) for swap in plan.swaps
    ]


def test_transfers_that_do_not_say_whose_turn_it_was_are_shared_as_quoted() -> None:
    """A token that takes a part for itself says so in a transfer of its own."""
    there, back = cycle().swaps
    plan = replace(cycle(), legs=(there, back, there, back))
    whole = [moved(USDC, POOL.address, OPERATOR, units) for units in (30, 40, 31)]
    fills = leg_fills(plan, _receipt(*whole), OURS)
    assert [fill.amount_out for fill in fills] == [50, 0, 51, 0]


def test_each_route_that_is_lent_its_input_has_a_loan_of_its_own() -> None:
    def curve(number: int, units: int) -> Swap:
        hop = Hop(HopKind.CURVE, at(number), False, 0, CurveRoute(Address(USDC.address), 0, 1))
        return Swap(hop, WETH, USDC, units, 2 * units)

    plan = replace(cycle(), legs=(curve(42, 10), v4(USDC, WETH, 20, 12), curve(43, 7), v4(USDC, WETH, 14, 9)))
    logs = [
        log
        for number, lent, middle, earned in ((42, 10, 20, 12), (43, 7, 14, 9))
        for log in (
            moved(WETH, MANAGER, OPERATOR, lent),
            moved(WETH, OPERATOR, at(number), lent),
            moved(USDC, at(number), OPERATOR, middle),
            moved(WETH, MANAGER, OPERATOR, earned),
            moved(USDC, OPERATOR, MANAGER, middle),
            moved(WETH, OPERATOR, MANAGER, lent),
        )
    ]
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 20), (20, 12), (7, 14), (14, 9)]


VAULT, KEEPER, OTHER = at(60), at(61), at(62)
SHARES = Token(WETH.place, VAULT, "wWETH", 18)


def through_the_vault(*, deposits: bool, units: int) -> Swap:
    tokens = (WETH, SHARES) if deposits else (SHARES, WETH)
    return Swap(Hop(HopKind.ERC4626, VAULT, deposits, 0), *tokens, units, units)


def test_what_a_vault_pays_out_of_where_it_keeps_its_asset_is_what_the_leg_brought() -> None:
    """Aave's wrapped tokens have the market's aToken pay whoever redeems: nothing of the asset passes the vault."""
    buying = v4(USDC, SHARES, 20, 9)
    plan = replace(sells_on_chain(), legs=(buying, through_the_vault(deposits=False, units=10)))
    logs = (
        moved(USDC, INVENTORY, OPERATOR, 20),
        moved(SHARES, MANAGER, OPERATOR, 9),
        moved(USDC, OPERATOR, MANAGER, 20),
        moved(SHARES, OPERATOR, ZERO_ADDRESS, 9),
        moved(A_WETH, VAULT, ZERO_ADDRESS, 10),
        moved(WETH, KEEPER, INVENTORY, 10),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(20, 9), (9, 10)]


def test_what_a_vault_has_sent_to_where_it_keeps_its_asset_is_what_the_leg_took() -> None:
    plan = replace(sells_on_chain(), legs=(through_the_vault(deposits=True, units=10), v4(SHARES, USDC, 9, 20)))
    logs = (
        moved(WETH, INVENTORY, OPERATOR, 10),
        moved(WETH, OPERATOR, KEEPER, 10),
        moved(SHARES, ZERO_ADDRESS, OTHER, 3),
        moved(SHARES, ZERO_ADDRESS, OPERATOR, 9),
        moved(USDC, MANAGER, INVENTORY, 20),
        moved(SHARES, OPERATOR, MANAGER, 9),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 9), (9, 20)]


def test_what_a_singleton_moves_for_itself_is_no_fill() -> None:
    """Balancer's vault redeems what its buffer lacks: that it was paid in too is nothing the next leg sold."""
    vault, dai = at(63), Token(WETH.place, at(64), "DAI", 18)
    one, other = (Hop(HopKind.BALANCER_V3, at(n), False, 0, BalancerV3Route(at(64), n == 65)) for n in (65, 66))
    legs = (v4(WETH, SHARES, 10, 9), Swap(one, SHARES, dai, 9, 30), Swap(other, dai, WETH, 30, 11))
    logs = (
        moved(SHARES, MANAGER, OPERATOR, 9),
        moved(SHARES, OPERATOR, vault, 9),
        moved(SHARES, vault, ZERO_ADDRESS, 14),
        moved(dai, VAULT, vault, 45),
        moved(dai, vault, OPERATOR, 30),
        moved(dai, OPERATOR, vault, 30),
        moved(WETH, vault, OPERATOR, 11),
        moved(WETH, OPERATOR, MANAGER, 10),
    )
    fills = leg_fills(replace(cycle(), legs=legs), _receipt(*logs), OURS, replace(VENUES, balancer_vault_v3=vault))
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 9), (9, 30), (30, 11)]


def test_coins_between_two_pools_are_what_the_first_says_it_swapped_for_us() -> None:
    plan = replace(cycle(), legs=(v4(WETH, COINS, 10, 9), v4(COINS, WETH, 9, 11)))

    def swapped(party: Address, coins: int) -> Log:
        pool_id = bytes.fromhex(at(41)[2:]) + bytes(12)
        words = b"".join(word(value % 2**256) for value in (coins, 7, 1, 1, 1, 500))
        return replace(moved(WETH, MANAGER, MANAGER, 1), topics=(SWAP, pool_id, word(int(party, 16))), data=words)

    logs = (
        swapped(at(7), -50),
        swapped(OPERATOR, -8),
        swapped(OPERATOR, 8),
        moved(WETH, MANAGER, OPERATOR, 11),
        moved(WETH, OPERATOR, MANAGER, 10),
    )
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 8), (8, 11)]


def test_what_another_route_unwraps_went_into_no_vault() -> None:
    """Wrapped coins vanish to the zero address, where shares come from."""
    unwrapping = Swap(WRAPPER, WETH, COINS, 7, 7)
    routes = (through_the_vault(deposits=True, units=10), v4(SHARES, WETH, 10, 11)), (unwrapping, v4(COINS, WETH, 7, 8))
    logs = (
        moved(WETH, OPERATOR, VAULT, 10),
        moved(SHARES, ZERO_ADDRESS, OPERATOR, 10),
        moved(WETH, MANAGER, OPERATOR, 11),
        moved(SHARES, OPERATOR, MANAGER, 10),
        wrapped(WITHDRAWAL_TOPIC, OPERATOR, 7),
        moved(WETH, MANAGER, OPERATOR, 8),
    )
    plan = replace(cycle(), legs=(*routes[0], *routes[1]), loan=Loan(Lender.PAIR, at(70), 3000))
    fills = leg_fills(plan, _receipt(*logs), OURS, VENUES)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(10, 10), (10, 11), (7, 7), (7, 8)]
