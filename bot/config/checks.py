"""What a run file and its strategy files must agree on, with each other and with the network's facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from bot.config.errors import KeyPath, Problem, did_you_mean, listed, nearest
from bot.config.model import ExchangeSettings, RunFile, RunSections
from bot.config.reading import Document
from bot.config.strategies import StrategyConfig
from bot.config.tokens import transfer_ends, transfer_of
from bot.market.kinds import kind_of
from bot.mode import Mode
from bot.signer.case import AMOUNT_LIMIT
from bot.signer.policy import TEST_CHAIN_IDS
from bot.signer.sources import Kind
from bot.strategy import InvalidParameter, wei
from chains.assets import Amount, InvalidAmount, Token
from chains.discovery.origins import protocols_of
from chains.discovery.registries import NAMED
from chains.exchanges.books import CURRENCY_DECIMALS
from chains.exchanges.known import ccxt_ids
from chains.networks import Network, network_names
from chains.pools.extension import InvalidFamilyFile, families_with
from chains.relays.destinations import MEMPOOL

TWIN = "twin"

_OUTBIDDING = Decimal(9) / 8
"""What stands in place of a transaction offers so much more at least: nodes ask for it (`bot.ledger.states`)."""

_RESERVED = frozenset({"total", *RunFile.model_fields})
"""What `isthmus budget` calls all strategies together, and where keys of `isthmus replay --set` begin."""


class LiveRefused(ValueError):
    """A live run without everything it must be given; the message says what is missing."""


def require_live_consent(mode: Mode, consent: int | None, sections: RunSections, network: Network) -> None:
    """Let a live run through only with a keystore and an executor, and on a real chain with its chain id repeated.

    The twin makes its own of all three. `consent` is what `--live-on-chain-id` says. Raises `LiveRefused`.
    """
    if mode is not Mode.LIVE or (network.test_chain and sections.network == TWIN):
        return
    chain = f"{network.name} (chain id {network.chain_id})"
    if not network.test_chain and consent is None:
        remedy = f"add --live-on-chain-id {network.chain_id} to trade there, or --mode dry"
        raise LiveRefused(f"{chain} is not a test chain; {remedy}")
    if consent not in (None, network.chain_id):
        raise LiveRefused(f"the network is {chain}, and --live-on-chain-id says {consent}; they must be equal")
    if sections.signer.keystore is None and sections.signer.key is None:
        raise LiveRefused(f"to trade on {chain} name a keystore: `signer.keystore` (`isthmus keys new`), or --mode dry")
    if sections.executor.address is None:
        remedy = "`executor.address` (`isthmus executor deploy`), or --mode dry"
        raise LiveRefused(f"to trade on {chain} name your executor: {remedy}")


def _key(document: Document, file: RunFile, network: Network) -> Iterator[Problem]:
    key = file.signer.key
    if key is not None and file.signer.keystore is not None:
        yield document.problem(("signer", "key"), "signer.keystore names a key too; keep one of the two")
    if key is not None and key.kind is Kind.ENVIRONMENT and not network.test_chain:
        message = f"a key in the environment is for test chains; on {network.name} keep it in a keystore or a device"
        yield document.problem(("signer", "key"), message)


def _further_keys(document: Document, file: RunFile) -> Iterator[Problem]:
    """Operators beside the first, each of them once."""
    signer = file.signer
    if signer.further_keys and signer.first_key is None:
        message = "there is no first key; name it as `keystore` or `key`, or leave this out"
        yield document.problem(("signer", "further_keys"), message)
    if signer.further_keys and signer.key is not None and signer.key.kind is Kind.ENVIRONMENT:
        message = "a key in the environment opens no others with it; keep all of them in keystores or devices"
        yield document.problem(("signer", "further_keys"), message)
    for index, source in enumerate(signer.further_keys):
        if source in (signer.first_key, *signer.further_keys[:index]):
            message = f"{source.place} is named before; name each operator's key once"
            yield document.problem(("signer", "further_keys", index), message)


def _dead_man(document: Document, file: RunFile) -> Iterator[Problem]:
    """A dead man's switch that no proof winds up in time would halt every run."""
    least_s = 2 * file.breakers.prove_every_s
    if file.breakers.dead_man_s and file.breakers.dead_man_s < least_s:
        message = f"shorter than two proofs of the books take; write at least {least_s:g}, or 0 to leave it out"
        yield document.problem(("breakers", "dead_man_s"), message)


def _certificate(document: Document, file: RunFile) -> Iterator[Problem]:
    """Who finds the optimum is the certificate's process."""
    if file.certificate.plan_within_ms and not file.certificate.enabled:
        message = "nothing is planned by a certificate that is off; write `enabled = true`, or leave this out"
        yield document.problem(("certificate", "plan_within_ms"), message)


def agreement(
    document: Document, file: RunFile, strategies: Sequence[tuple[Document, StrategyConfig]], network: Network
) -> Iterator[Problem]:
    """Every disagreement, each at the line where it is easiest to mend."""
    yield from _test_chain(document, network)
    yield from _key(document, file, network)
    yield from _further_keys(document, file)
    yield from _dead_man(document, file)
    yield from _certificate(document, file)
    yield from _node(document, file)
    yield from _tips(document, file, network)
    yield from _own_tip(document, file)
    yield from _most_fee(document, file)
    yield from _pools(document, file, [strategy for _, strategy in strategies], network)
    yield from _exchanges(document, file, network)
    yield from _transfers(document, file, network)
    yield from _relays(document, file, network)
    yield from _executor(document, file, network)
    yield from _strategy_names(document, file, strategies)
    for strategy_document, strategy in strategies:
        yield from _strategy(strategy_document, strategy, file, network)


def _test_chain(document: Document, network: Network) -> Iterator[Problem]:
    """A real chain that a network file calls a test chain would be traded on without consent."""
    if network.test_chain and network.chain_id not in TEST_CHAIN_IDS:
        known = " and ".join(map(str, sorted(TEST_CHAIN_IDS)))
        what = f"{network.name} calls chain id {network.chain_id} a test chain, but only {known} are"
        message = f"{what}; write `test_chain = false` there"
        yield document.problem(("network",), message)


def _tips(document: Document, file: RunFile, network: Network) -> Iterator[Problem]:
    """A signer that signs no tip the network's nodes take would refuse everything, and one no higher, every NOOP."""
    least_gwei = Decimal(network.gas.least_tip_wei) / 10**9
    needed_gwei = least_gwei * _OUTBIDDING
    if file.signer.max_tip_gwei < needed_gwei or file.signer.max_fee_gwei < needed_gwei:
        key = "max_tip_gwei" if file.signer.max_tip_gwei < needed_gwei else "max_fee_gwei"
        why = f"{network.name} takes no tip below {least_gwei:g} gwei, and a NOOP offers an eighth more"
        yield document.problem(("signer", key), f"{why}; write at least `{key} = {needed_gwei.normalize():f}`")


def _own_tip(document: Document, file: RunFile) -> Iterator[Problem]:
    """A tip that the signer does not sign would have it refuse everything; a NOOP must find room above it."""
    tip, most = file.execution.tip_gwei, file.signer.max_tip_gwei
    needed = tip * _OUTBIDDING
    if needed <= most:
        return
    if "tip_gwei" in document.values.get("execution", {}):
        message = f"a NOOP offers an eighth more, above signer.max_tip_gwei ({most:f}); lower it, or raise that"
        yield document.problem(("execution", "tip_gwei"), message)
    else:
        message = (
            f"a NOOP offers an eighth more than execution.tip_gwei ({tip:f}); write at least {needed.normalize():f}"
        )
        yield document.problem(("signer", "max_tip_gwei"), message)


def _most_fee(document: Document, file: RunFile) -> Iterator[Problem]:
    """No policy can be made of a tip above the fee that it is a part of."""
    fee, tip = file.signer.max_fee_gwei, file.signer.max_tip_gwei
    if tip <= fee:
        return
    if "max_fee_gwei" in document.values.get("signer", {}):
        message = f"{fee:f} is less than signer.max_tip_gwei ({tip:f}), which is a part of it; raise it, or lower that"
        yield document.problem(("signer", "max_fee_gwei"), message)
    else:
        message = f"{tip:f} is more than signer.max_fee_gwei ({fee:f}), of which it is a part; lower it, or raise that"
        yield document.problem(("signer", "max_tip_gwei"), message)


def _pools(
    document: Document, file: RunFile, strategies: Sequence[StrategyConfig], network: Network
) -> Iterator[Problem]:
    """A name that nothing bears would leave out every pool or, among those denied, none."""
    tokens = token_decimals(network)
    for key, names in (("tokens", file.pools.tokens), ("deny_tokens", file.pools.deny_tokens)):
        for index, name in enumerate(names):
            if not name.startswith("0x"):
                yield from _known(document, ("pools", key, index), name, tokens, "token", network)
    try:
        families = families_with(file.families)
    except InvalidFamilyFile:
        families = {}
    for index, name in enumerate(file.pools.families):
        if families and name not in families:
            message = f"unknown family {name!r}; {did_you_mean(name, families)}"
            yield document.problem(("pools", "families", index), message)
    for index, name in enumerate(file.pools.protocols):
        yield from _known(document, ("pools", "protocols", index), name, protocols_of(network), "protocol", network)
    if file.pools.vaults and not file.pools.discover:
        yield document.problem(("pools", "vaults"), "only what is discovered has vaults; write `discover = true` too")
    elif file.pools.vaults and not any(_may_use_vaults(strategy) for strategy in strategies):
        named = " and ".join(f"'{protocol}'" for protocol in NAMED)
        message = f"no strategy may use them; add {named} to a strategy's filter.venues, and its filter.kinds if any"
        yield document.problem(("pools", "vaults"), f"{message}, or leave this out")


def _may_use_vaults(strategy: StrategyConfig) -> bool:
    venues, kinds = strategy.filter.venues, strategy.filter.kinds
    return any((not venues or protocol in venues) and (not kinds or kind_of(protocol) in kinds) for protocol in NAMED)


def _node(document: Document, file: RunFile) -> Iterator[Problem]:
    if file.network == TWIN:
        if file.node.endpoints:
            message = "the twin brings its own node; name the chain of yours in `network`, or leave this out"
            yield document.problem(("node", "endpoints"), message)
        return
    if not file.node.endpoints:
        message = 'missing; off the twin write `endpoints = ["ws://127.0.0.1:8546"]` under [node]'
        yield document.problem(("node", "endpoints"), message)
        return
    places = [str(endpoint.url).rstrip("/") for endpoint in file.node.endpoints]
    for index, place in enumerate(places):
        if place in places[:index]:
            message = "is named before, and would agree with itself; name each endpoint once"
            yield document.problem(("node", "endpoints", index), message)
    if file.execution.agree_above is not None and len(file.node.endpoints) == 1:
        message = "needs two endpoints that can agree; add one to node.endpoints, or leave it out"
        yield document.problem(("execution", "agree_above"), message)


def _exchanges(document: Document, file: RunFile, network: Network) -> Iterator[Problem]:
    names = Counter(exchange.name for exchange in file.exchanges)
    for index, exchange in enumerate(file.exchanges):
        path: KeyPath = ("exchanges", index)
        if names[exchange.name] > 1:
            yield document.problem((*path, "name"), f"two exchanges are called {exchange.name!r}; rename one")
        if exchange.name == network.name:
            message = f"the network is called {exchange.name!r} too, and what lies there would be sought on the chain"
            yield document.problem((*path, "name"), f"{message}; rename one of them")
        if (exchange.api_key is None) != (exchange.api_secret is None):
            absent = "api_key" if exchange.api_key is None else "api_secret"
            yield document.problem((*path, absent), f"missing; write `{absent}` too, or neither to only watch")
        if exchange.api_passphrase is not None and exchange.api_key is None:
            message = "is of no API key; write `api_key` and `api_secret` too, or leave it out to only watch"
            yield document.problem((*path, "api_passphrase"), message)
        called = exchange.ccxt_id or exchange.name
        if called not in ccxt_ids():
            key = "ccxt_id" if exchange.ccxt_id else "name"
            message = f"ccxt has no exchange {called!r}; {_its_id(exchange, called)}"
            yield document.problem((*path, key), message)
        yield from _once(document, (*path, "symbols"), exchange.symbols)
        for place, symbol in enumerate(exchange.symbols):
            for currency in symbol.split(":")[0].split("/"):
                yield from _currency(document, (*path, "symbols", place), exchange.name, currency, network)


def _its_id(exchange: ExchangeSettings, called: str) -> str:
    meant = nearest(called, ccxt_ids())
    if exchange.ccxt_id:
        return f"did you mean {meant!r}?" if meant else "its list is at docs.ccxt.com, under those with WebSockets"
    return f"write its name there as `ccxt_id{f' = {chr(34)}{meant}{chr(34)}' if meant else ''}`"


def _transfers(document: Document, file: RunFile, network: Network) -> Iterator[Problem]:
    symbols = ((exchange.name, symbol) for exchange in file.exchanges for symbol in exchange.symbols)
    named = ((name, currency) for name, symbol in symbols for currency in symbol.split(":")[0].split("/"))
    decimals = network.exchange_decimals
    ends = transfer_ends(
        network, (Token(name, code, code, decimals.get(name, CURRENCY_DECIMALS)) for name, code in named)
    )
    for index, transfer in enumerate(file.transfers):
        try:
            transfer_of(transfer, ends, network)
        except ValueError as error:
            yield document.problem(("transfers", index), str(error))


def _relays(document: Document, file: RunFile, network: Network) -> Iterator[Problem]:
    names = Counter(relay.name for relay in file.relays)
    for index, relay in enumerate(file.relays):
        if names[relay.name] > 1 or relay.name == MEMPOOL:
            taken = "the public mempool" if relay.name == MEMPOOL else "another relay"
            yield document.problem(("relays", index, "name"), f"{taken} is called {relay.name!r}; rename it")
        for place, name in enumerate(relay.networks):
            known = {*network_names(), network.name}
            if name not in known:
                message = f"unknown network {name!r}; {did_you_mean(name, known)}"
                yield document.problem(("relays", index, "networks", place), message)
    yield from _destinations(document, ("execution", "send_to"), file.execution.send_to, file, network)


def _destinations(
    document: Document, path: KeyPath, names: Sequence[str], file: RunFile, network: Network
) -> Iterator[Problem]:
    """A transaction that is to go where nobody takes it would not be sent at all."""
    reach = {relay.name: relay.networks for relay in file.relays}
    yield from _once(document, path, names)
    for index, name in enumerate(names):
        if name != MEMPOOL and name not in reach:
            message = f"no relay {name!r} in the run file; {did_you_mean(name, (MEMPOOL, *reach))}"
            yield document.problem((*path, index), message)
        elif name != MEMPOOL and network.name not in reach[name]:
            message = f"relay {name!r} reaches {listed(reach[name])}, not {network.name}; write `{MEMPOOL}`"
            yield document.problem((*path, index), message)


def _currency(document: Document, path: KeyPath, exchange: str, currency: str, network: Network) -> Iterator[Problem]:
    """A currency that stands for no asset of the network would be a book that leads nowhere."""
    member = f"{exchange}:{currency}"
    if network.assets.of(Token(exchange, currency, currency, 0)).symbol == member:
        known = [name for name in asset_names(network) if name != currency]
        hint = did_you_mean(currency, known) if currency not in asset_names(network) else ""
        remedy = f"{hint} Or add {member!r} under" if hint.startswith("did") else f"add {member!r} under"
        yield document.problem(path, f"unknown currency {currency!r}; {remedy} [assets] of the network {network.name}")


def _executor(document: Document, file: RunFile, network: Network) -> Iterator[Problem]:
    tokens = token_decimals(network)
    for index, name in enumerate(file.executor.profit_tokens):
        if not name.startswith("0x"):
            yield from _known(document, ("executor", "profit_tokens", index), name, tokens, "token", network)
    gained = file.executor.profit_tokens
    named = [network.tokens[name].address if name in network.tokens else name for name in gained]
    yield from _once(document, ("executor", "profit_tokens"), gained, named)
    yield from _once(document, ("executor", "inventory_caps"), [cap.unit for cap in file.executor.inventory_caps])
    for index, cap in enumerate(file.executor.inventory_caps):
        path: KeyPath = ("executor", "inventory_caps", index)
        yield from _known(document, path, cap.unit, tokens, "token", network)
        yield from _fits(document, path, cap, tokens)
    pools, priced = len(file.executor.reference_pools), max(len(file.executor.inventory_caps) - 1, 0)
    if pools not in (0, priced):
        message = f"{pools} pools for {priced} inventory tokens beyond the first; name one for each, or none"
        yield document.problem(("executor", "reference_pools"), message)


def _once(
    document: Document, path: KeyPath, names: Sequence[str], meant: Sequence[str] | None = None
) -> Iterator[Problem]:
    """`meant` is what `names` stand for, where two of them may stand for the same."""
    meant = names if meant is None else meant
    for index, name in enumerate(names):
        if meant[index] in meant[:index]:
            yield document.problem((*path, index), f"{name!r} is there twice; remove one")


def _fits(document: Document, path: KeyPath, amount: Amount, decimals: Mapping[str, int]) -> Iterator[Problem]:
    if amount.unit in decimals:
        try:
            units = amount.units(decimals[amount.unit])
        except InvalidAmount as error:
            yield document.problem(path, f"{error}; write fewer digits")
        else:
            if not 0 < units < AMOUNT_LIMIT:
                message = f"the contract keeps no cap of {amount}; write one above 0 and below 2^128 base units"
                yield document.problem(path, message)


def _strategy_names(
    document: Document, file: RunFile, strategies: Sequence[tuple[Document, StrategyConfig]]
) -> Iterator[Problem]:
    name_of = {strategy.source: strategy.name for _, strategy in strategies}
    seen: set[str] = set()
    for index, source in enumerate(file.strategies):
        name = name_of.get(source)
        if name in seen:
            message = f"another strategy is called {name!r} too; give one file another `name`"
            yield document.problem(("strategies", index), message)
        if name in _RESERVED:
            message = f"{name!r} means something else on the command line; give the file another `name`"
            yield document.problem(("strategies", index), message)
        seen |= {name} if name else set()


def _strategy(document: Document, strategy: StrategyConfig, file: RunFile, network: Network) -> Iterator[Problem]:
    yield from _budget(document, strategy)
    for key, value in strategy.parameters.items():
        if isinstance(value, Amount):
            units = {*asset_names(network), *token_decimals(network)}
            yield from _known(document, ("parameters", key), value.unit, units, "token", network)
            if key.endswith("_profit") and value.unit in units:
                yield from _in_ether(document, ("parameters", key), value)
    yield from _exchange_parameters(document, strategy, file)
    yield from _destinations(document, ("send_to",), strategy.send_to or (), file, network)
    for index, name in enumerate(strategy.filter.tokens):
        if not name.startswith("0x"):
            path: KeyPath = ("filter", "tokens", index)
            yield from _known(document, path, name, token_decimals(network), "token", network)
    venues = (*network.factories, *protocols_of(network), *(exchange.name for exchange in file.exchanges))
    for index, name in enumerate(strategy.filter.venues):
        if name not in venues:
            message = f"unknown venue {name!r}; {did_you_mean(name, venues)}"
            yield document.problem(("filter", "venues", index), message)


def _budget(document: Document, strategy: StrategyConfig) -> Iterator[Problem]:
    limits = strategy.budget
    for smaller, larger in (("per_trade", "capital"), ("hour_loss", "day_loss")):
        low, high = getattr(limits, smaller), getattr(limits, larger)
        if low.value > high.value:
            message = f"{low} is more than budget.{larger} ({high}); lower it or raise budget.{larger}"
            yield document.problem(("budget", smaller), message)


def _in_ether(document: Document, path: KeyPath, amount: Amount) -> Iterator[Problem]:
    """By convention a parameter that ends in `_profit` is counted as budgets are: in ETH at the opening prices."""
    try:
        wei(amount)
    except (InvalidParameter, InvalidAmount) as error:
        yield document.problem(path, str(error))


def _exchange_parameters(document: Document, strategy: StrategyConfig, file: RunFile) -> Iterator[Problem]:
    """By convention a parameter `exchange` names a configured exchange, and `symbols` are among its books."""
    exchanges = {exchange.name: exchange for exchange in file.exchanges}
    name = strategy.parameters.get("exchange")
    if isinstance(name, str) and name not in exchanges:
        message = f"no exchange {name!r} in the run file; {did_you_mean(name, exchanges)}"
        yield document.problem(("parameters", "exchange"), message)
        return
    books = exchanges[name].symbols if isinstance(name, str) else ()
    symbols = strategy.parameters.get("symbols")
    for index, symbol in enumerate(symbols if isinstance(symbols, list | tuple) and books else ()):
        if symbol not in books:
            message = f"{name} does not watch {symbol!r}; it watches {listed(books)}"
            yield document.problem(("parameters", "symbols", index), message)


def _known(
    document: Document, path: KeyPath, name: str, known: Iterable[str], what: str, network: Network
) -> Iterator[Problem]:
    words = set(known)
    if name not in words:
        yield document.problem(path, f"unknown {what} {name!r} on {network.name}; {did_you_mean(name, words)}")


def token_decimals(network: Network) -> dict[str, int]:
    """Decimals of each token the network file names, by symbol."""
    return {symbol: token.decimals for symbol, token in network.tokens.items()}


def asset_names(network: Network) -> tuple[str, ...]:
    """What the network's tokens stand for, such as ETH and BTC."""
    return tuple(dict.fromkeys(network.assets.of(token).symbol for token in network.tokens.values()))
