"""Every hop and every loan there can be, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from chains.assets import ZERO_ADDRESS, address
from chains.hops import BalancerV2Route, BalancerV3Route, CurveRoute, Hop, HopKind, UniswapV4Route
from chains.loans import Lender, Loan

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
uint256 = st.integers(0, 2**256 - 1)

_fees = st.integers(0, 2**24 - 1)
_indices = st.integers(0, 255)
_stable = st.builds(CurveRoute, addresses, _indices, _indices, st.booleans())
_crypto = st.builds(CurveRoute, addresses, _indices, _indices)
_routes = {
    HopKind.UNISWAP_V4: (st.booleans(), st.builds(UniswapV4Route, addresses, st.integers(0, 2**24 - 1), addresses)),
    HopKind.CURVE: (st.just(False), _stable),
    HopKind.CURVE_CRYPTO: (st.just(False), _crypto),
    HopKind.BALANCER_V2: (st.just(False), st.builds(BalancerV2Route, addresses, st.integers(0, 2**96 - 1))),
    HopKind.BALANCER_V3: (st.just(False), st.builds(BalancerV3Route, addresses)),
}


def _of(kind: HopKind) -> st.SearchStrategy[Hop]:
    direction, route = _routes.get(kind, (st.booleans(), st.none()))
    return st.builds(Hop, st.just(kind), addresses, direction, _fees, route)


_buffers = st.builds(
    Hop,
    st.just(HopKind.BALANCER_V3),
    addresses,
    st.booleans(),
    _fees,
    st.builds(BalancerV3Route, addresses, st.just(True)),
)

hops = st.one_of(*map(_of, HopKind), _buffers)

loans = st.one_of(
    st.sampled_from([Loan(Lender.UNISWAP_V4), Loan(Lender.BALANCER_V3)]),
    st.builds(Loan, st.sampled_from([Lender.BALANCER_V2, Lender.AAVE_V3]), st.just(ZERO_ADDRESS), _fees),
    st.builds(
        Loan,
        st.sampled_from([Lender.PAIR, Lender.POOL]),
        addresses.filter(lambda it: it != ZERO_ADDRESS),
        _fees,
        st.booleans(),
    ),
)
