"""Hypothesis strategies for plans: any the types allow, not only sensible ones."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from bot.plan import Order, Plan, Side, Swap
from chains.assets import Address, Token, address
from tests.chains.hops import hops

amounts = st.integers(0, 2**128)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _address(number: int) -> Address:
    return address(f"0x{number:040x}")


addresses = st.integers(1, 2**160 - 1).map(_address)
tokens = st.builds(Token, place=texts, address=addresses, symbol=texts, decimals=st.integers(0, 36))
swaps = st.builds(Swap, hop=hops, token_in=tokens, token_out=tokens, amount_in=amounts, amount_out=amounts)
prices = st.builds(lambda digits, places: Decimal(digits).scaleb(-places), st.integers(1, 10**15), st.integers(0, 12))
orders = st.builds(
    Order,
    exchange=texts,
    symbol=texts,
    side=st.sampled_from(Side),
    base=tokens,
    quote=tokens,
    amount=amounts,
    limit_price=prices,
    expected_quote=amounts,
)
plans = st.builds(
    Plan,
    strategy=texts,
    network=texts,
    legs=st.lists(swaps | orders, max_size=5).map(tuple),
    atomic=st.booleans(),
    expected_profit_wei=st.integers(-(2**128), 2**128),
    min_profit_wei=st.integers(-(2**128), 2**128),
    gas_estimate=amounts,
    block_number=amounts,
    block_hash=texts,
    deadline_block=amounts,
    deadline_s=amounts,
    note=texts,
)
