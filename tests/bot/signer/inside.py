"""What a signature may be at most: its bytes, decoded by others, against every bound of the policy."""

from __future__ import annotations

from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from bot.signer.protocol import Signed
from chains import executor
from chains.assets import address
from tests.bot.signer.making import CYCLE, OPERATOR, POLICY


def assert_inside_policy(signed: Signed) -> None:
    """The raw bytes, decoded by others, break no bound of the policy."""
    assert Account.recover_transaction(signed.raw) == OPERATOR
    transaction = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    caps = POLICY.caps
    assert (transaction["type"], transaction["chainId"], transaction["value"]) == (2, POLICY.chain_id, 0)
    assert address("0x" + transaction["to"].hex()) in POLICY.targets
    assert transaction["gas"] <= caps.max_gas_limit
    assert transaction["maxPriorityFeePerGas"] <= min(transaction["maxFeePerGas"], caps.max_tip_wei)
    assert transaction["maxFeePerGas"] <= caps.max_fee_wei
    call = executor.decode(bytes(transaction["data"]))
    assert POLICY.pools is not None
    assert all(hop.pool in POLICY.pools for hop in call.hops)
    if isinstance(call, executor.CycleCall):
        assert call.token in POLICY.profit_marks
        assert call.min_gain >= POLICY.strategies[CYCLE.strategy].min_profit_wei
    else:
        assert call.amount_in <= POLICY.inventory_caps[call.token_in]
        assert call.token_out in POLICY.inventory_caps
