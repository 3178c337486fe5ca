"""Networks: the shipped facts hold against the real bytecode, and a wrong file is refused with its remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from chains.assets import ZERO_ADDRESS, Asset, Token
from chains.networks import Family, InvalidNetwork, UnknownName, load_network, network_names
from chains.tools import npm_package

MINIMAL = """
chain_id = 5
test_chain = true
block_time_s = 2
finality_blocks = 3
finality_tag = false
logs_bloom = true
gas_model = "eip1559"
native = { symbol = "ETH", decimals = 18 }
wrapped = "WETH"
[tokens]
WETH = { address = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", decimals = 18 }
"""


def test_the_named_networks_all_load_and_mainnet_is_not_a_test_chain():
    networks = {name: load_network(name) for name in network_names()}
    assert set(networks) == {"arbitrum", "avalanche", "base", "bsc", "ethereum", "optimism", "polygon", "twin"}
    assert len({network.chain_id for network in networks.values()}) == len(networks)
    assert (networks["ethereum"].chain_id, networks["ethereum"].test_chain) == (1, False)
    assert (networks["twin"].chain_id, networks["twin"].test_chain) == (31337, True)


def test_the_twin_has_mainnets_contracts_under_its_own_name():
    ethereum, twin = load_network("ethereum"), load_network("twin")
    assert set(twin.factories) == {"uniswap_v2", "sushi_v2", "uniswap_v3"}
    assert all(twin.factories[name] == ethereum.factories[name] for name in twin.factories)
    assert set(twin.contracts.items()) < set(ethereum.contracts.items())
    assert twin.token("USDC") == Token("twin", ethereum.token("USDC").address, "USDC", 6)
    assert twin.wrapped == twin.token("WETH")


def test_factories_derive_known_mainnet_pools():
    network = load_network("ethereum")
    usdc, weth = network.token("USDC").address, network.wrapped.address
    assert network.factory("uniswap_v2").pool(weth, usdc) == "0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc"
    assert network.factory("sushi_v2").pool(usdc, weth) == "0x397FF1542f962076d0BFE58eA045FfA2d347ACa0"
    assert network.factory("uniswap_v3").pool(usdc, weth, 500) == "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"


def test_init_code_hashes_are_those_of_the_published_bytecode():
    network = load_network("ethereum")
    pair = json.loads((npm_package("@uniswap/v2-core") / "build/UniswapV2Pair.json").read_bytes())["bytecode"]
    folder = npm_package("@uniswap/v3-core") / "artifacts/contracts/UniswapV3Pool.sol"
    pool = json.loads((folder / "UniswapV3Pool.json").read_bytes())["bytecode"]
    assert network.factory("uniswap_v2").init_code_hash == keccak(bytes.fromhex(pair.removeprefix("0x")))
    assert network.factory("uniswap_v3").init_code_hash == keccak(bytes.fromhex(pool.removeprefix("0x")))


def test_the_v3_factory_has_one_tick_spacing_per_fee():
    factory = load_network("ethereum").factory("uniswap_v3")
    assert factory.family is Family.CONCENTRATED
    assert dict(factory.tick_spacings) == {100: 1, 500: 10, 3000: 60, 10000: 200}
    assert load_network("ethereum").factory("sushi_v2").fees_ppm == (3000,)


def test_one_asset_joins_the_coin_its_erc20_and_the_exchange_currency():
    network = load_network("twin")
    members = [network.native, network.wrapped, Token("binance", "ETH", "ETH", 8)]
    assert {network.assets.of(token) for token in members} == {Asset("ETH")}
    assert network.native.address == ZERO_ADDRESS
    assert network.assets.of(network.token("USDC")) != network.assets.of(network.token("USDT"))


def test_an_unknown_token_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean 'WETH'"):
        load_network("twin").token("WETHH")


def test_an_unknown_network_is_answered_with_the_nearest_name():
    with pytest.raises(InvalidNetwork, match="did you mean 'ethereum'"):
        load_network("etherium")


def test_a_network_of_ones_own_is_read_from_its_path(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('inherits = "ethereum"\nchain_id = 5\n[contracts]\nmulticall3 = "0x' + "11" * 20 + '"\n')
    network = load_network(path)
    assert (network.name, network.chain_id, network.contract("multicall3")) == ("mine", 5, "0x" + "11" * 20)
    assert network.contract("uniswap_v3_quoter_v2") == load_network("ethereum").contract("uniswap_v3_quoter_v2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chian_id = 5\n" + MINIMAL, "chian_id: unknown key; did you mean 'chain_id'"),
        (MINIMAL.replace("wrapped", "wraped"), "wrapped: is missing|wraped: unknown key"),
        (MINIMAL + "UNI = { adress = '0x00', decimals = 1 }", "tokens.UNI.(address|adress): "),
        (MINIMAL + "UNI = { address = '0x00', decimals = 1 }", "tokens.UNI.address: '0x00' is not a 20-byte hex"),
        (MINIMAL.replace("756Cc2", "756CC2"), "tokens.WETH.address: .* wrong EIP-55 checksum"),
        (MINIMAL.replace("chain_id = 5", "chain_id = -5"), "chain_id: Input should be greater than 0; it is -5"),
        (MINIMAL.replace('"WETH"', '"WBNB"'), "wrapped: 'WBNB' is not under"),
        (MINIMAL + "[assets]\nETH = ['ETH', 'STETH']", "assets.ETH: 'STETH' is neither"),
        (MINIMAL + "[assets]\nETH = ['kraken:ETH']", r"assets.ETH: 'kraken' .* has no \[exchanges.kraken\]"),
        (MINIMAL + "[factories.f]\nfamily = 'concentrated'\naddress = '0x" + "11" * 20 + "'\ninit_code_hash = '0x"
         + "22" * 32 + "'\nfee_ppm = 1", "factories.f: a concentrated factory states `tick_spacings`"),
        (MINIMAL + "= 3", "cannot be read as TOML"),
        (MINIMAL.replace("chain_id = 5", f"chain_id = {'9' * 5_000}"), "cannot be read as TOML: Exceeds the limit"),
        (MINIMAL.replace("chain_id = 5", f"chain_id = {'[' * 3_000}"), "cannot be read as TOML"),
        ("inherits = 'bad.toml'", "no such file"),
        ("without = ['factories.x']\n" + MINIMAL, "without: nothing is inherited"),
        ("inherits = 'ethereum'\nwithout = ['factories.sushi_v4']", "without: .* did you mean 'factories.sushi_v3'"),
        ("inherits = 'ethereum'\nwithout = 3", "without: write a list"),
        (MINIMAL.replace("= 2\n", "= 0\n"), "block_time_s: Input should be greater than 0"),
        (MINIMAL.replace("eip1559", "eip1558"), "gas_model: Input should be 'eip1559', 'legacy'"),
        (MINIMAL + "[factories.f]\nfamily = 'algebra'\naddress = '0x" + "11" * 20 + "'\nproven = true",
         "factories.f: `proven` is about the init code hash"),
        (MINIMAL + "[gas]\nelasticity = 0", "gas.elasticity: Input should be greater"),
        (MINIMAL + "[contracts]\nmulticall3 = { address = 'x', deploy_block = 1 }", "contracts.multicall3: 'x' is not"),
        (MINIMAL + "[gas]\nleast_tip_gwei = inf", "gas.least_tip_gwei.*: Input should be a finite number; it is inf"),
        (MINIMAL + "[contracts]\nmulticall3 = { adress = 'x' }", "contracts.multicall3"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_file_key_and_remedy(tmp_path: Path, text: str, message: str):
    path = tmp_path / "bad_network.toml"
    path.write_text(text)
    with pytest.raises(InvalidNetwork, match=message) as refusal:
        load_network(path)
    assert "\n" not in str(refusal.value)


def test_a_name_that_no_ledger_keeps_is_refused(tmp_path: Path):
    for letters, refused in ((40, "no such file"), (41, "by at most 40 characters; rename it")):
        with pytest.raises(InvalidNetwork, match=refused):
            load_network(tmp_path / f"{'n' * letters}.toml")


def test_inheriting_in_a_circle_is_refused(tmp_path: Path):
    path = tmp_path / "circle.toml"
    path.write_text(f"inherits = '{path}'")
    with pytest.raises(InvalidNetwork, match="circle"):
        load_network(path)
