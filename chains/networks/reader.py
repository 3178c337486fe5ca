"""Reads a network's TOML strictly: an unknown key, a wrong address or a dangling name is refused with its remedy."""

from __future__ import annotations

import difflib
import reprlib
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from chains.assets import ZERO_ADDRESS, Address, Asset, Assets, InvalidAddress, Token, address
from chains.networks.document import TABLES, ContractTable, FactoryTable, GasTable, NetworkDocument
from chains.networks.factory import Factory, Family, clone_code_hash
from chains.networks.gas import ArbitrumData, BaseFeeRule, GasModel, OpStackData
from chains.networks.network import Network

_FOLDER = Path(__file__).parent
_GWEI = 10**9
_STEADY = BaseFeeRule(steady=True)


_LONGEST_NAME = 40
"""Ledgers keep no more of it."""


class InvalidNetwork(ValueError):
    """A network file that is missing or wrong; the message names file, key and remedy."""


def network_names() -> tuple[str, ...]:
    """The networks that come with Isthmus."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


Read = Callable[[Path], str]
"""The text of the file at a path. Raises `OSError`, `ValueError`."""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def load_network(name_or_path: str | Path, read: Read = _text) -> Network:
    """A network by its name, or read from the path of a `.toml` file. Raises `InvalidNetwork`."""
    path = _locate(name_or_path)
    if len(path.stem) > _LONGEST_NAME:
        raise InvalidNetwork(
            f"{path}: a network is called as its file is, by at most {_LONGEST_NAME} characters; rename it"
        )
    document, sources = _inherited(path, (), read)
    try:
        facts = NetworkDocument.model_validate(document)
    except ValidationError as error:
        raise InvalidNetwork(f"{path}: {_explained(error)}") from None
    return _Builder(path, facts, tuple(file for file in sources if file.parent != _FOLDER)).network()


def _locate(name_or_path: str | Path, heir: Path | None = None) -> Path:
    """The file; what an `heir` inherits lies beside it, unless its path is absolute."""
    text = str(name_or_path)
    if text.endswith(".toml"):
        return heir.parent / text if heir is not None else Path(text)
    if text not in network_names():
        near = difflib.get_close_matches(text, network_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose {', '.join(network_names())}, or give a .toml file"
        raise InvalidNetwork(f"no network is called {text!r}; {hint}")
    return _FOLDER / f"{text}.toml"


def _inherited(path: Path, heirs: tuple[Path, ...], read: Read) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """The file's keys over those of the network it inherits; tables are merged, everything else replaced. And all the
    files read.
    """
    if path in heirs:
        raise InvalidNetwork(f"{path}: inherits: goes round in a circle; remove one `inherits`")
    try:
        document = tomllib.loads(read(path))
    except FileNotFoundError:
        known = ", ".join(network_names())
        raise InvalidNetwork(f"{path}: no such file; name a network ({known}) or a .toml file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidNetwork(f"{path}: cannot be read as TOML: {error}") from None
    parent, without = document.pop("inherits", None), document.pop("without", [])
    if parent is None:
        if without:
            raise InvalidNetwork(f"{path}: without: nothing is inherited; add `inherits`, or remove it")
        return document, (path,)
    if not isinstance(parent, str):
        raise InvalidNetwork(f"{path}: inherits: write the name of a network, such as 'ethereum'")
    base, sources = _inherited(_locate(parent, path), (*heirs, path), read)
    return _merged(_without(path, base, without), document), (path, *sources)


def _without(path: Path, base: dict[str, Any], names: object) -> dict[str, Any]:
    """`base` less the entries that do not hold in the file at `path`, each written as `table.name`."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidNetwork(f"{path}: without: write a list of inherited entries, such as ['factories.sushi_v2']")
    for name in names:
        table, _, entry = name.partition(".")
        known = base.get(table)
        if not isinstance(known, dict) or entry not in known:
            every = [f"{at}.{key}" for at, keys in base.items() if isinstance(keys, dict) for key in keys]
            near = difflib.get_close_matches(name, every, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "remove it"
            raise InvalidNetwork(f"{path}: without: {name!r} is not inherited; {hint}")
        base[table] = {key: value for key, value in known.items() if key != entry}
    return base


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both_tables else value
    return result


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{key}: is missing; add it"
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        near = difflib.get_close_matches(name, _keys_beside(first["loc"]), n=1)
        return f"{key}: unknown key; " + (f"did you mean {near[0]!r}?" if near else "remove it")
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" + (f"; it is {reprlib.repr(first['input'])}" if first["type"] != "value_error" else "")


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    if len(location) == 1:
        return [*NetworkDocument.model_fields, "inherits", "without"]
    return list(TABLES[str(location[0])].model_fields)


def _gas_model(name: str, gas: GasTable) -> GasModel:
    """The model called `name`, with the file's constants in place of the usual ones."""
    usual = BaseFeeRule(elasticity=6, denominator=250) if name == "op_stack" else BaseFeeRule()
    rule = BaseFeeRule(gas.elasticity or usual.elasticity, gas.denominator or usual.denominator)
    least_tip_wei = int(Decimal(str(gas.least_tip_gwei)) * _GWEI)
    match name:
        case "op_stack":
            return GasModel(name, rule, least_tip_wei, data=OpStackData())
        case "arbitrum":
            return GasModel(name, _STEADY, least_tip_wei, tips_paid=False, data=ArbitrumData())
        case "legacy" | "avalanche":
            return GasModel(name, _STEADY, least_tip_wei)
    return GasModel(name, rule, least_tip_wei)


def _address_in(contract: str | ContractTable) -> str:
    return contract if isinstance(contract, str) else contract.address


class _Builder:
    """Turns checked keys into the types of the ground floor; every message names the file."""

    def __init__(self, path: Path, facts: NetworkDocument, sources: tuple[Path, ...]) -> None:
        self._path = path
        self._sources = sources
        self._facts = facts
        self._place = path.stem
        self._native = Token(self._place, ZERO_ADDRESS, facts.native.symbol, facts.native.decimals)
        self._tokens = {
            symbol: Token(self._place, self._address(f"tokens.{symbol}.address", token.address), symbol, token.decimals)
            for symbol, token in facts.tokens.items()
        }

    def network(self) -> Network:
        facts = self._facts
        if facts.wrapped not in self._tokens:
            raise self._wrong("wrapped", f"{facts.wrapped!r} is not under [tokens]; add it there")
        return Network(
            name=self._place,
            chain_id=facts.chain_id,
            test_chain=facts.test_chain,
            block_time_s=facts.block_time_s,
            finality_blocks=facts.finality_blocks,
            finality_tag=facts.finality_tag,
            logs_bloom=facts.logs_bloom,
            gas=_gas_model(facts.gas_model, facts.gas),
            native=self._native,
            wrapped=self._tokens[facts.wrapped],
            factories=MappingProxyType({name: self._factory(name, it) for name, it in facts.factories.items()}),
            contracts=MappingProxyType(
                {name: self._address(f"contracts.{name}", _address_in(it)) for name, it in facts.contracts.items()}
            ),
            tokens=MappingProxyType(self._tokens),
            assets=Assets(
                {
                    Asset(symbol): [self._member(f"assets.{symbol}", name) for name in members]
                    for symbol, members in facts.assets.items()
                }
            ),
            deployed=MappingProxyType(
                {name: it.deploy_block for name, it in facts.contracts.items() if isinstance(it, ContractTable)}
            ),
            exchange_decimals=MappingProxyType({name: it.decimals for name, it in facts.exchanges.items()}),
            sources=self._sources,
        )

    def _factory(self, name: str, facts: FactoryTable) -> Factory:
        key = f"factories.{name}"
        spacings = facts.tick_spacings or ({} if facts.fee_ppm is None else {str(facts.fee_ppm): 0})
        wrong = [fee for fee in spacings if not fee.isdecimal()]
        if wrong:
            raise self._wrong(f"{key}.tick_spacings.{wrong[0]}", "write the fee in ppm, such as 3000")
        return Factory(
            protocol=name,
            family=Family(facts.family),
            address=self._address(f"{key}.address", facts.address),
            init_code_hash=self._init_code_hash(key, facts),
            tick_spacings=MappingProxyType({int(fee): spacing for fee, spacing in spacings.items()}),
            creator=None if facts.deployer is None else self._address(f"{key}.deployer", facts.deployer),
            spacings=tuple(facts.spacings or ()),
            deploy_block=facts.deploy_block,
            proven=facts.proven,
        )

    def _init_code_hash(self, key: str, facts: FactoryTable) -> bytes:
        if facts.implementation is not None:
            return clone_code_hash(self._address(f"{key}.implementation", facts.implementation))
        return bytes.fromhex((facts.init_code_hash or "0x")[2:])

    def _member(self, key: str, name: str) -> Token:
        exchange, separator, currency = name.partition(":")
        if separator:
            if exchange not in self._facts.exchanges:
                raise self._wrong(key, f"{exchange!r} in {name!r} has no [exchanges.{exchange}]; add it")
            return Token(exchange, currency, currency, self._facts.exchanges[exchange].decimals)
        if name == self._native.symbol:
            return self._native
        if name not in self._tokens:
            raise self._wrong(key, f"{name!r} is neither under [tokens] nor `exchange:CURRENCY`")
        return self._tokens[name]

    def _address(self, key: str, text: str) -> Address:
        try:
            return address(text)
        except InvalidAddress as error:
            raise self._wrong(key, str(error)) from None

    def _wrong(self, key: str, remedy: str) -> InvalidNetwork:
        return InvalidNetwork(f"{self._path}: {key}: {remedy}")
