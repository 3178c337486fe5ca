"""Reads on from where it stopped: creation events and registries in, pools that are what they say into the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.discovery.begin import first_block
from bot.discovery.errors import NotAFactory, ScanFailed
from bot.discovery.scanner import RangeScanner, Requests
from bot.discovery.store import PoolStore, Position, Step
from bot.market.multicall import Node as Calls
from bot.market.multicall import ask_together
from chains.assets import Address
from chains.blocks import Head, Log
from chains.discovery.found import Found, MalformedCreation, Origin
from chains.discovery.genuine import genuine
from chains.discovery.layouts import LAYOUTS, announced
from chains.discovery.registries import WRAPPER, Listed, Registry, listed, registries_of, vault, wrapper
from chains.discovery.tokens import asked_token
from chains.networks import Network

REORG_BLOCKS = 64
"""How far below a block that is gone everything is read again."""

_DOING = "discovering pools"
_MANY = 1_000
"""Of a node that gives little at a time, it is told how much more there is to ask: it may take days."""

Progress = Callable[[str, int, int], None]
"""What is being done, how much is done, of how much."""


class DiscoveryNode(Requests, Calls, Protocol):
    """What discovering needs of a node."""

    async def block_by_number(self, number: int) -> Head | None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one advance brought."""

    found: int
    refused: int
    to_block: int


class Discovery:
    """Keeps a store up with a chain. `from_block` is where scanning begins; left out, where each contract was made."""

    def __init__(
        self,
        node: DiscoveryNode,
        store: PoolStore,
        network: Network,
        origins: Sequence[Origin],
        *,
        from_block: int | None = None,
        vaults: Sequence[Address] = (),
    ) -> None:
        self._node, self._store, self._network = node, store, network
        self.origins = tuple(origins)
        self._by_address = {origin.address: origin for origin in origins}
        self._from_block = from_block
        self._vaults = tuple(vaults)
        self.tokens = store.tokens_on(network)
        self._named = frozenset(Address(token.address) for token in network.tokens.values())
        self._refused = store.refusals()

    @property
    def topics(self) -> frozenset[bytes]:
        """The first topics of every event that announces a pool."""
        return frozenset().union(*(LAYOUTS[origin.layout].topics for origin in self.origins))

    async def advance(self, head: Head, progress: Progress) -> Outcome:
        """Read everything up to `head`. What was read is kept at every step, so that it can be ended at any time.

        Raises `ScanFailed`, `StoreFailed`, `NodeError`, `LoadFailed`.
        """
        counts: Counter[str] = Counter()
        positions = await self._positions(head)
        begun = min((at.number for at in positions.values()), default=head.number)
        while behind := {origin: at.number for origin, at in positions.items() if at.number < head.number}:
            first = min(behind.values())
            group = [origin for origin, number in behind.items() if number == first]
            stop = min((number for number in behind.values() if number > first), default=head.number)
            topics = frozenset().union(*(LAYOUTS[origin.layout].topics for origin in group))
            scanner = RangeScanner(self._node, topics, head.number, [origin.address for origin in group])
            async for scanned in scanner.scan(first + 1, stop):
                step = await self.understood(scanned.logs, head)
                at = await self._position(scanned.last, head)
                step.progress = {origin.name: at for origin in group}
                self._keep(step, counts)
                left = (head.number - scanned.last) // scanner.span
                doing = f"discovering pools, {scanner.span:,} blocks an answer and {left:,} answers to go"
                progress(doing if left > _MANY else _DOING, scanned.last - begun, head.number - begun + 1)
            positions |= dict.fromkeys(group, Position(stop))
        await self._read_registries(head, counts)
        await self._know_wrapper(head)
        self._judge_origins(head)
        progress(_DOING, 1, 1)
        return Outcome(counts["found"], counts["refused"], head.number)

    async def understood(self, logs: Iterable[Log], head: Head) -> Step:
        """The pools that `logs` announce and that prove genuine as of `head`, their new tokens, and the refusals."""
        step, found = Step(), dict[str, Found]()
        for log in logs:
            origin = self._by_address.get(log.address)
            try:
                pool = announced(origin, log) if origin else None
            except MalformedCreation as error:
                assert origin is not None
                step.refused[log.tx_hash] = origin.name, str(error), log.block_number
                continue
            if pool is not None:
                found.setdefault(pool.venue, pool)
        by_protocol = {origin.protocol: origin for origin in self.origins}
        askings = ((venue, genuine(pool, by_protocol[pool.protocol])) for venue, pool in found.items())
        proven, refused = await ask_together(self._node, askings, head.hash)
        for venue, reason in refused.items():
            step.refused[venue] = by_protocol[found[venue].protocol].name, reason, found[venue].block_number
        await self._take_tokens(step, list(proven.values()), head)
        return step

    def keep(self, step: Step) -> None:
        """Store a step, and learn it."""
        self._store.record(step)
        self.learn(step)

    def learn(self, step: Step) -> None:
        """Know a stored step's tokens and refusals."""
        self.tokens |= {Address(token.address): token for token in step.tokens}
        self._refused |= {subject: reason for subject, (_, reason, _) in step.refused.items()}

    async def _take_tokens(self, step: Step, pools: Sequence[Found], head: Head) -> None:
        """The pools whose tokens can be told, into `step`; and the tokens, those that cannot among the refusals."""
        new = sorted({token for pool in pools for token in pool.tokens} - self.tokens.keys() - self._refused.keys())
        place = self._network.name
        told, refused = await ask_together(self._node, ((at, asked_token(place, at)) for at in new), head.hash)
        step.tokens += told.values()
        step.refused |= {at: ("token", reason, head.number) for at, reason in refused.items()}
        untold, named = self._refused | refused, set[Address]()
        for pool in pools:
            bad = next((token for token in pool.tokens if token in untold), None)
            if bad is None:
                step.pools.append(pool)
                # What the network's file names today it may not name when the pool is read back.
                named |= self._named.intersection(pool.tokens)
            else:
                step.refused[pool.venue] = pool.protocol, untold[bad], pool.block_number
        step.tokens += (self.tokens[at] for at in sorted(named))

    def _keep(self, step: Step, counts: Counter[str]) -> None:
        self.keep(step)
        counts["found"] += len(step.pools)
        counts["refused"] += len(step.refused)

    async def _positions(self, head: Head) -> dict[Origin, Position]:
        """How far each origin is read: again, where the chain has changed since; from its beginning, if it is new.

        Raises `ScanFailed` where it should begin in a block that is not there yet.
        """
        before = (self._from_block or 0) - 1
        if before > head.number:
            raise ScanFailed(
                f"pools are to be looked for from block {before + 1} on, and the chain has come to block "
                f"{head.number}; correct --from-block or pools.from_block"
            )
        kept = self._store.progress()
        seen = {origin: kept[origin.name] for origin in self.origins if origin.name in kept}
        gone = [at for at in seen.values() if at.block_hash and await self._hash_at(at.number) != at.block_hash]
        if gone or any(at.number > head.number for at in seen.values()):
            number = max(0, min(head.number, *(at.number for at in gone or seen.values())) - REORG_BLOCKS)
            self._store.rewind([origin.name for origin in seen], number, number)
            self._refused = self._store.refusals()
            seen = {origin: Position(min(at.number, number)) for origin, at in seen.items()}
        seen = {origin: at if at.number >= before else Position(before) for origin, at in seen.items()}
        for origin in self.origins:
            if origin not in seen:
                try:
                    begin = await self._begin(origin, head)
                except NotAFactory as error:
                    self.keep(Step(refused={origin.address: (origin.name, str(error), head.number)}))
                    continue
                seen[origin] = Position(max(0, begin - 1))
        return seen

    async def _begin(self, origin: Origin, head: Head) -> int:
        """The first block that can announce a pool of `origin`. Raises `NotAFactory`."""
        known = max(origin.first_block, self._from_block or 0)
        return known if 0 < known <= head.number else await first_block(self._node, origin.address, head.number)

    async def _position(self, number: int, head: Head) -> Position:
        """Block `number`, with what tells later whether it is still there, unless it is too deep to go.

        Raises `ScanFailed` where `head` is gone by now: what was read may be of another chain than the block is.
        """
        if number <= head.number - REORG_BLOCKS:
            return Position(number)
        block_hash = await self._hash_at(number)
        if (block_hash if number == head.number else await self._hash_at(head.number)) != head.hash:
            raise ScanFailed(f"the node no longer has block {head.number} as it was when the scan began; scan again")
        return Position(number, block_hash)

    async def _hash_at(self, number: int) -> str:
        found = await self._node.block_by_number(number)
        return found.hash if found else ""

    async def _read_registries(self, head: Head, counts: Counter[str]) -> None:
        """Curve's registries from where they were read to, and the vaults that were named."""
        known = self._store.progress()
        registries, refused = await ask_together(self._node, [("curve", registries_of(self._network))], head.hash)
        read = {registry.name: registry for registry in registries.get("curve", ())}
        askings = ((name, listed(registry, _count(known, name))) for name, registry in read.items())
        lists, wrong = await ask_together(self._node, askings, head.hash)
        step = Step(refused={name: (name, reason, 0) for name, reason in (refused | wrong).items()})
        taken: dict[str, Found] = {}
        for name, each in lists.items():
            taken |= {pool.venue: pool for pool in each.found}
            step.progress[name] = Position(each.count)
        step.refused |= _listed_refusals(read, lists, taken)
        vaults, unlike = await ask_together(self._node, ((at, vault(at)) for at in self._vaults), head.hash)
        step.refused |= {at: ("erc4626", reason, 0) for at, reason in unlike.items()}
        await self._take_tokens(step, [*taken.values(), *vaults.values()], head)
        self._keep(step, counts)

    async def _know_wrapper(self, head: Head) -> None:
        """The network's wrapped coin, which nobody announces or lists."""
        if WRAPPER not in self._store.counted():
            step = Step()
            await self._take_tokens(step, [wrapper(self._network)], head)
            self.keep(step)

    def _judge_origins(self, head: Head) -> None:
        """A factory none of whose pools is one is none itself, and is remembered as that."""
        made = self._store.counted()
        step = Step()
        for origin in self.origins:
            good, bad = made.get(origin.protocol, 0), made.get(origin.name, 0)
            if not good and bad:
                what = f"none of the {bad} pools that {origin.address} announced is one of its own; is it a factory?"
                step.refused[origin.address] = origin.name, what, head.number
        self.keep(step)


def _count(known: Mapping[str, Position], name: str) -> int:
    return known[name].number if name in known else 0


def _listed_refusals(
    read: Mapping[str, Registry], lists: Mapping[str, Listed], taken: Mapping[str, Found]
) -> dict[str, tuple[str, str, int]]:
    """Pools that no registry describes well enough; one that another registry describes is not refused."""
    return {
        at: (read[name].name, reason, 0)
        for name, each in lists.items()
        for at, reason in each.refused.items()
        if at not in taken
    }
