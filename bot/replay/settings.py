"""The configuration of a recorded run, as its files were, and with what somebody wants to see changed."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.config.errors import ConfigError, Problem
from bot.config.load import BUILT_IN, Loaded, load
from bot.config.model import RunFile
from bot.config.reading import Document, display_name, parsed
from bot.replay.opening import Opening
from chains.networks import load_network


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by key: `execution.tip_gwei` of the run file, `NAME.min_profit` of a strategy's parameters, and
    `NAME.budget.hour_loss` or `NAME.filter.tokens` of its tables."""

    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Settings:
        """Each `KEY=VALUE`, the value as TOML or else as text. Raises `ConfigError`."""
        values: dict[str, Any] = {}
        for text in texts:
            key, equals, value = text.partition("=")
            if not equals or not key.strip() or "." not in key:
                message = "write `--set execution.tip_gwei=2` or `--set dex_arbitrage.min_profit='0.01 ETH'`"
                raise ConfigError([Problem("--set", None, text, message)])
            values[key.strip()] = _value(value.strip())
        return cls(values)


def recorded_config(opening: Opening, settings: Settings) -> Loaded:
    """The run's configuration with `settings` over it. Raises `ConfigError`."""
    run_file = Path(opening.config) if opening.config else None
    reader = _Reader(run_file or BUILT_IN, opening.texts, settings.values)
    loaded = load(run_file, reader.read, lambda name: load_network(name, reader.text))
    unused = settings.values.keys() - reader.used
    if unused:
        names = ", ".join(["execution", "signer", *(strategy.name for strategy in loaded.config.strategies)])
        raise ConfigError(
            Problem("--set", None, key, f"nothing in this run is called so; keys begin with {names}, …")
            for key in sorted(unused)
        )
    return loaded


@dataclass(slots=True)
class _Reader:
    run_file: Path
    texts: Mapping[str, str]
    values: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    def read(self, path: Path, folder: Path | None) -> Document:
        """The file as it was when the run began. Raises `ConfigError`."""
        text = self.texts.get(str(path.resolve()))
        if text is None:
            raise ConfigError([Problem(display_name(path), None, "", "is not in the recording")])
        document = parsed(text, display_name(path), (folder or path.parent).resolve())
        values = copy.deepcopy(dict(document.values))
        for key, value in self.values.items():
            way = _run_way(key) if path == self.run_file else _strategy_way(key, values.get("name") or path.stem)
            if way:
                self.used.add(key)
                _put(values, way, key, value)
        return replace(document, values=values)

    def text(self, path: Path) -> str:
        """A network's file as it was; those that come with Isthmus are of the code, and not recorded."""
        text = self.texts.get(str(path.resolve()))
        return path.read_text(encoding="utf-8") if text is None else text


def _run_way(key: str) -> list[str]:
    """Where in the run file a key leads; empty when it is a strategy's."""
    way = key.split(".")
    return way if way[0] in RunFile.model_fields else []


def _strategy_way(key: str, name: str) -> list[str]:
    """Where in a strategy's file a key leads; empty when it is another's."""
    if not key.startswith(f"{name}."):
        return []
    way = key[len(name) + 1 :].split(".")
    return way if way[0] in ("parameters", "budget", "filter") else ["parameters", *way]


def _put(values: dict[str, Any], way: Sequence[str], key: str, value: Any) -> None:
    for name in way[:-1]:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            message = f"{name} has no keys of its own; a strategy's begin with its name, as in dex_arbitrage.min_profit"
            raise ConfigError([Problem("--set", None, key, message)])
    values[way[-1]] = value


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        return text
