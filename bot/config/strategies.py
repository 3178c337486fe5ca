"""A strategy's file: which strategy, its parameters, what it may risk, and where it may look."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PlainSerializer

from bot.config.budgets import BudgetSettings
from bot.config.errors import did_you_mean
from bot.config.relays import DestinationName
from bot.config.section import Many, Section
from bot.config.values import TokenName
from chains.assets import Amount
from chains.printing import one_line

if TYPE_CHECKING:
    from bot.strategy import Strategy


class UnknownStrategy(ValueError):
    """A reference that leads to no strategy class; the message says how to write one."""


class FilterSettings(Section):
    """Where the strategy may look. Left out: everywhere."""

    tokens: Annotated[tuple[TokenName, ...], Field(strict=False, examples=[["WETH", "USDC"]]), Many] = ()
    """Only these tokens, by symbol or address; empty means every token."""

    venues: Annotated[tuple[str, ...], Field(strict=False, examples=[["uniswap_v3", "binance"]]), Many] = ()
    """Only these exchanges, and these protocols by their names in the network's file; what `pools.vaults` names is
    `erc4626` or `aave_v3`. Empty means every venue."""

    kinds: Annotated[
        tuple[Literal["pool", "book", "wrap", "vault", "lending", "transfer"], ...],
        Field(strict=False, examples=[["pool", "book"]]),
        Many,
    ] = ()
    """Only these kinds of venue; a lending vault is a `vault`, a coin's wrapper a `wrap`. Empty means every kind."""


_STRATEGY = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z_][A-Za-z0-9_.]*|[^:]+\.py):[A-Za-z_][A-Za-z0-9_]*$",
        examples=["strategies.dex_arbitrage:DexArbitrage"],
    ),
]
_NAME = Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$", examples=["dex_arbitrage"])]


class StrategyFile(Section):
    """A strategy's TOML as it is written."""

    strategy: _STRATEGY
    """`module:Class`, or `file.py:Class` for a file beside this one."""

    name: _NAME = None
    """What it is called in the ledger, the summary and the dashboard; the file's own name when left out."""

    send_to: Annotated[
        tuple[DestinationName, ...] | None, Field(strict=False, min_length=1, examples=[["flashbots"]]), Many
    ] = None
    """Where its transactions go, instead of what `execution.send_to` of the run file says."""

    parameters: Annotated[dict[str, Any], Field(default_factory=dict)]
    """The strategy's own parameters: the annotated attributes of its class."""

    budget: BudgetSettings
    filter: FilterSettings = FilterSettings()


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Amount) else value for key, value in parameters.items()}


class StrategyConfig(Section):
    """One strategy of a run, checked: `parameters` have the types its class annotates."""

    source: Path
    name: str
    strategy: str
    parameters: Annotated[dict[str, Any], PlainSerializer(_plain)]
    budget: BudgetSettings
    filter: FilterSettings
    send_to: tuple[str, ...] | None = None

    def create(self) -> Strategy:
        """The strategy itself, with its parameters. Raises `UnknownStrategy`."""
        kind = strategy_class(self.strategy, self.source.parent)
        try:
            with redirect_stdout(sys.stderr):
                made = kind(self.name, self.parameters)
        except (Exception, SystemExit) as error:  # as where it is imported
            what = f"{self.source}: {kind.__name__} cannot be made ({_told(error)})"
            raise UnknownStrategy(f"{what}; mend its __init__") from error
        if getattr(made, "name", None) != self.name:
            raise UnknownStrategy(f"{self.source}: the __init__ of {kind.__name__} {_TO_BASE}")
        return made


_TO_BASE = "does not hand on what it gets; write `super().__init__(name, parameters)` there"


def strategy_class(reference: str, folder: Path) -> type[Strategy]:
    """The class that `module:Class` or `file.py:Class` names; files are looked for in `folder`.

    Raises `UnknownStrategy`.
    """
    from bot.strategy import Strategy

    place, _, class_name = reference.rpartition(":")
    if not place:
        raise UnknownStrategy(f"{reference!r} names no class; write 'module:Class' or 'file.py:Class'")
    if place.endswith(".py") and not (folder / place).is_file():
        raise UnknownStrategy(f"no such file: {folder / place}; write 'module:Class' or 'file.py:Class'")
    try:
        with redirect_stdout(sys.stderr):
            module = _from_file(folder / place) if place.endswith(".py") else importlib.import_module(place)
    except (Exception, SystemExit) as error:  # its author's code: whatever it raises is theirs to read
        name = error.name if isinstance(error, ImportError) else None
        absent = name is not None and f"{place}.".startswith(f"{name}.")
        remedy = "write 'module:Class' or 'file.py:Class'" if absent else "mend it there"
        if name and place.endswith(".py") and ((folder / place).parent / f"{name}.py").is_file():
            remedy = f"files beside it cannot be imported: move what it needs into it, or install {name} as a package"
        raise UnknownStrategy(f"cannot import {place!r} ({_told(error)}); {remedy}") from error
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    }
    if class_name not in found:
        remedy = did_you_mean(class_name, found) if found else "write a subclass of bot.strategy.Strategy there"
        raise UnknownStrategy(f"no strategy {class_name!r} in {place!r}; {remedy}")
    strategy = found[class_name]
    if inspect.isabstract(strategy):
        raise UnknownStrategy(f"{class_name} in {place!r} has no on_market; write what it plans there")
    try:
        strategy.parameters()
    except Exception as error:  # annotations are evaluated here, and may name anything
        raise UnknownStrategy(f"{class_name} in {place!r} has an annotation that is no type ({error})") from error
    try:
        inspect.signature(strategy).bind(class_name, {})
    except TypeError as error:
        remedy = "write `def __init__(self, name, parameters=None)`, and `super().__init__(name, parameters)` in it"
        raise UnknownStrategy(f"{class_name} in {place!r} cannot be made ({error}); {remedy}") from error
    return strategy


def _told(error: BaseException) -> str:
    """What an author's code raised, and in which line; a syntax error says that by itself."""
    what = one_line(f"{type(error).__name__}: {error}")
    if isinstance(error, SyntaxError | ModuleNotFoundError):
        return what
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{what}, {Path(where.filename).name}, line {where.lineno}"


def _from_file(path: Path) -> ModuleType:
    """Import a strategy by its path, under a name of its own."""
    name = f"isthmus_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "it ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
