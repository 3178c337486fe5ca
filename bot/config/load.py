"""Loads a run: the run file, the strategy files it names, and what they must agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.config.checks import agreement
from bot.config.errors import ConfigError, Problem
from bot.config.model import LedgerSettings, RunConfig, RunFile, RunSections
from bot.config.parameters import checked
from bot.config.reading import Document, display_name, read_document, validated
from bot.config.section import Section
from bot.config.strategies import StrategyConfig, StrategyFile, UnknownStrategy, strategy_class
from chains.networks import InvalidNetwork, Network, load_network
from chains.pools.extension import InvalidFamilyFile, families_with
from chains.tools import ROOT

DEFAULT_FILE = Path("isthmus.toml")
BUILT_IN = Path(__file__).resolve().parent.parent / "templates" / "twin.toml"
"""The run on the twin that needs no file of one's own; `isthmus init` writes it down."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked configuration and the network it names."""

    config: RunConfig
    network: Network


Read = Callable[[Path, Path | None], Document]
"""Reads the file at a path, its own paths counting from a folder if not from where it lies. Raises `ConfigError`."""

NetworkOf = Callable[[str], Network]
"""The network of a name, or of the path of a `.toml` file. Raises `InvalidNetwork`."""


def load(path: Path | None = None, read: Read = read_document, network_of: NetworkOf = load_network) -> Loaded:
    """The configuration in `path`, or the built-in one of the twin. Raises `ConfigError` with all its problems."""
    document = read(path or BUILT_IN, None if path else ROOT)
    # A table that is absent still has defaults that must be resolved against the file's folder.
    file = validated(document, RunFile, {"ledger": {}, "pools": {}, **document.values})
    network, problems = _network(document, file, network_of)
    strategies: list[tuple[Document, StrategyConfig]] = []
    for index, strategy_path in enumerate(file.strategies):
        try:
            strategies.append(load_strategy(strategy_path, read))
        except ConfigError as error:
            problems += _located(error, document, index, strategy_path)
    problems += _families(document, file)
    if network is not None:
        problems += agreement(document, file, strategies, network)
    if problems or network is None:
        raise ConfigError(problems)
    sections = {name: getattr(file, name) for name in RunSections.model_fields}
    configs = tuple(strategy for _, strategy in strategies)
    return Loaded(RunConfig(source=path.resolve() if path else None, strategies=configs, **sections), network)


class _Ledger(Section):
    ledger: LedgerSettings


def ledger_folder(path: Path | None = None) -> Path:
    """`ledger.folder` of the run file in `path`, whatever else is wrong in it or in the files it names.

    Who halts does not wait until a strategy that is being written can be imported. Raises `ConfigError`.
    """
    document = read_document(path or BUILT_IN, None if path else ROOT)
    return validated(document, _Ledger, {"ledger": document.values.get("ledger", {})}).ledger.folder


def load_strategy(path: Path, read: Read = read_document) -> tuple[Document, StrategyConfig]:
    """A strategy file, its parameters checked against its class. Raises `ConfigError`."""
    document = read(path, None)
    file = validated(document, StrategyFile)
    try:
        strategy = strategy_class(file.strategy, document.folder)
    except UnknownStrategy as error:
        raise ConfigError([document.problem(("strategy",), str(error))]) from None
    kinds = strategy.parameters()
    defaults = {name: getattr(strategy, name) for name in kinds if hasattr(strategy, name)}
    parameters, complaints = checked(file.parameters, kinds, defaults)
    if complaints:
        raise ConfigError(document.problem(("parameters", name), message) for name, message in complaints)
    config = StrategyConfig(
        source=path,
        name=file.name or path.stem,
        strategy=file.strategy,
        parameters=parameters,
        budget=file.budget,
        filter=file.filter,
        send_to=file.send_to,
    )
    return document, config


def _network(document: Document, file: RunFile, network_of: NetworkOf) -> tuple[Network | None, list[Problem]]:
    name = file.network
    try:
        return network_of(str(document.folder / name) if name.endswith(".toml") else name), []
    except InvalidNetwork as error:
        return None, [document.problem(("network",), str(error))]


def _families(document: Document, file: RunFile) -> Iterator[Problem]:
    """What is wrong with the files that add pool families."""
    for index in range(len(file.families)):
        try:
            families_with(file.families[: index + 1])
        except InvalidFamilyFile as error:
            yield document.problem(("families", index), str(error))
            return


def _located(error: ConfigError, document: Document, index: int, path: Path) -> Sequence[Problem]:
    """A strategy file that is not there is a problem of the line that names it."""
    if path.is_file():
        return error.problems
    message = f"no such file: {display_name(path)}; `isthmus init` writes one to start from"
    return [document.problem(("strategies", index), message)]
