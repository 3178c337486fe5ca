from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from bot.signer.policy import InvalidPolicy, SignerPolicy, decode_policy, encode_policy, read_policy
from tests.bot.signer.making import CYCLES, EXECUTOR, POLICY


def test_a_policy_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(encode_policy(POLICY))
    assert read_policy(path) == (POLICY, path.read_bytes())


def test_any_pool_is_said_and_not_forgotten() -> None:
    anywhere = dataclasses.replace(POLICY, pools=None)
    assert decode_policy(encode_policy(anywhere)) == anywhere
    document = json.loads(encode_policy(anywhere))
    del document["pools"]
    with pytest.raises(InvalidPolicy, match="'pools' is missing"):
        decode_policy(json.dumps(document).encode())


@pytest.mark.parametrize("cap", ["max_slippage_ppm", "exchange_loss_ppm", "max_drift_ppm"])
def test_a_cap_may_be_all_there_is(cap: str) -> None:
    policy = dataclasses.replace(POLICY, caps=dataclasses.replace(POLICY.caps, **{cap: 1_000_000}))
    assert decode_policy(encode_policy(policy)) == policy


WRONG: dict[str, tuple[str, Any, str]] = {
    "an unknown key": ("allow_everything", True, "unknown key 'allow_everything'"),
    "an unknown cap": ("caps.max_blobs", "1", "unknown key 'max_blobs'"),
    "a number that is not text": ("caps.max_gas_limit", 5, "not an integer written as a decimal string"),
    "a number with a fraction": ("caps.max_gas_limit", "5.0", "not an integer"),
    "a number with a zero before it": ("caps.max_gas_limit", "05", "not an integer"),
    "a negative cap": ("caps.max_gas_limit", "-1", "max_gas_limit is negative"),
    "a negative age": ("caps.max_verdict_age_s", -1.0, "max_verdict_age_s is negative"),
    "more slippage than there is": ("caps.max_slippage_ppm", "1000001", "exceeds one million"),
    "a tip above the fee": ("caps.max_tip_wei", str(10**18), "max_tip_wei exceeds max_fee_wei"),
    "a negative limit": (f"strategies.{CYCLES}.day_loss_wei", "-1", "day_loss_wei is negative"),
    "a missing limit": (f"strategies.{CYCLES}", {}, "'day_gas_wei' is missing"),
    "chain 0": ("chain_id", "0", "chain_id 0 is out of range"),
    "mainnet called a test chain": ("chain_id", "1", "chain 1 is not among the test chains"),
    "a test chain called real": ("test_chain", False, "chain 31337 is a test chain"),
    "a lower-case operator": ("operator", POLICY.operator.lower(), "write " + POLICY.operator),
    "an operator that is no address": ("operator", "0x12", "not a 20-byte hex address"),
    "a short code hash": (f"targets.{EXECUTOR}.code_hash", "0x12", "code_hash is not 32 bytes of hex"),
    "a target that is no address": ("targets.everyone", {}, "not a 20-byte hex address"),
    "a selector of three bytes": ("selectors", ["0x123456"], "not 4 bytes of hex"),
    "a negative mark": (f"profit_marks.{EXECUTOR}", "-1", "is negative"),
    "a negative inventory cap": (f"inventory_caps.{EXECUTOR}", "-1", "is negative"),
    "a coin worth nothing": ("native_mark", "0/1", "native_mark is not above zero"),
    "a mark that is no fraction": ("native_mark", "1", "not a fraction in lowest terms"),
    "a mark that could be shorter": ("native_mark", "2/10000", "not a fraction in lowest terms"),
    "a mark of nothing": ("native_mark", "1/0", "not a fraction in lowest terms"),
    "pools that are no list": ("pools", "any", "not a list"),
    "a truth that is a number": ("test_chain", 1, "not true or false"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_policy_is_refused_with_the_field_named(name: str, tmp_path: Path) -> None:
    where, value, message = WRONG[name]
    document = json.loads(encode_policy(POLICY))
    *parents, last = where.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[last] = value
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidPolicy) as refused:
        read_policy(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(SignerPolicy)])
def test_no_field_has_a_default(field: str) -> None:
    document = json.loads(encode_policy(POLICY))
    del document[field]
    with pytest.raises(InvalidPolicy, match=f"'{field}' is missing"):
        decode_policy(json.dumps(document).encode())


def test_a_missing_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match=r"cannot read policy .*none\.json: No such file"):
        read_policy(tmp_path / "none.json")
