"""Trying tokens out: an Anvil forked from the node, a probe on it, and everything a token may do to its holder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from bot.safety import judge, probe, questions, trace
from bot.safety.code import code_at, implementation_of, read_code
from bot.safety.judge import Behaviour, Findings
from bot.safety.pools import deepest_pool, named_pool
from bot.safety.probe import OPERATOR, STRANGER, Reply, Venue
from bot.safety.report import Code, Oddity, Standing, TokenReport
from bot.safety.scenario import ALL_SURROUNDINGS, Scenario, Surroundings, Trial
from bot.simulator.fork import PinnedFork
from bot.simulator.overlay import CannotOverlay, Overlay, balance_of_data
from chains.anvil import Anvil
from chains.assets import Address
from chains.blocks import Head
from chains.networks import Network
from chains.pools.pool import Call
from chains.twin.artefacts import own_contract

SIZES_PPM = (10, 1_000, 50_000)
"""What is spent on a token in a trial, in parts of what the pool holds of the base."""

_OPERATOR_WEI = 10**21
_TRACE_GAS = 200_000_000
_PPM = 10**6


@dataclass(frozen=True, slots=True)
class _Subject:
    """A token on the fork, with the pool it is tried in and what both of its sides hold there, in base units."""

    venue: Venue
    token_there: int
    base_there: int

    @property
    def amounts(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(max(1, self.base_there * size // _PPM) for size in SIZES_PPM))


class TokenLab:
    """Measures tokens of `network` on a fork of the node at `rpc_url`. An async context manager."""

    def __init__(self, network: Network, rpc_url: str) -> None:
        self._network = network
        self._fork = PinnedFork(rpc_url)
        self._pinned: str | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._fork.discard()

    async def measure(self, token: Address, head: Head, pool: Address | None = None) -> TokenReport:
        """How `token` behaves as of `head`, in `pool` or else in the pool that holds most of it.

        Raises `ForkFailed`, `AnvilFailed`, `RpcError` when that cannot be found out, `NotAPool`, `MissingTool`.
        """
        async with self._turn:
            await self._stand_on(head)
            return await self._measured(token, head, pool)

    async def _stand_on(self, head: Head) -> None:
        if self._pinned != head.hash:
            self._pinned = None
            await self._fork.pin(head, Overlay(native={OPERATOR: _OPERATOR_WEI}, nonces={OPERATOR: 0}))
            self._pinned = head.hash

    async def _measured(self, token: Address, head: Head, pool: Address | None) -> TokenReport:
        report = TokenReport(self._network.name, token, head.number, head.hash, Standing.UNTESTED)
        anvil, asker = self._fork.anvil, _Asker(self._fork.anvil, token)
        await asker.place()
        said = questions.read(await asker(questions.questions(token, asker.at)))
        findings = Findings()
        if not said.is_token:
            findings.add(Oddity.NOT_A_TOKEN, "it does not tell balances: no ERC-20")
            return _closed(report, findings, measured=True)
        if pool is not None:
            venue: Venue | None = await named_pool(asker, self._network, token, pool)
        else:
            venue = await deepest_pool(asker, self._network, token)
        if venue is None:
            return replace(report, notes=(f"no pool of it with a well-known token on {self._network.name}",))
        subject = await self._subject(asker, venue)
        try:
            await Overlay(tokens={(asker.at, venue.base): subject.base_there}).place(anvil)
        except CannotOverlay as error:
            return replace(report, notes=(str(error),))
        trials = await self._trials(subject, head, subject.amounts)
        seen = judge.behaviour(trials, findings)
        if Oddity.BUY_BLOCKED in findings.lines:
            endowed = await self._trials(subject, head, (None,))
            seen = judge.behaviour(endowed, findings)
        code, callbacks = await self._code(subject, asker, findings)
        _hearsay(said, findings)
        return _closed(
            _described(report, venue, said, seen, code, callbacks=callbacks), findings, measured=seen.measured
        )

    async def _subject(self, asker: _Asker, venue: Venue) -> _Subject:
        held = await asker([Call(at, balance_of_data(venue.pool)) for at in (venue.token, venue.base)])
        return _Subject(venue, held[0].word, held[1].word)

    async def _trials(
        self, subject: _Subject, head: Head, amounts: Iterable[int | None]
    ) -> dict[int, dict[Surroundings, Trial]]:
        """One trial per size and surroundings; a trial without a purchase counts as size 0."""
        scenarios = [
            Scenario(subject.venue, amount, around, head, self._network.block_step_s, subject.token_there)
            for amount in amounts
            for around in ALL_SURROUNDINGS
        ]
        answers = await self._fork.anvil.batch([("eth_simulateV1", (each.request(), "latest")) for each in scenarios])
        made: dict[int, dict[Surroundings, Trial]] = {}
        for scenario, answer in zip(scenarios, answers, strict=True):
            made.setdefault(scenario.amount or 0, {})[scenario.surroundings] = scenario.read(answer)
        return made

    async def _code(self, subject: _Subject, asker: _Asker, findings: Findings) -> tuple[Code, bool]:
        """What the token runs, and whether it calls those who trade it."""
        anvil, token = self._fork.anvil, subject.venue.token
        data = probe.trip(subject.venue, subject.amounts[-1])
        call = {"from": OPERATOR, "to": asker.at, "data": "0x" + data.hex(), "gas": hex(_TRACE_GAS)}
        found = trace.touched(await anvil.rpc("debug_traceCall", call, "latest", {"tracer": "callTracer"}), token)
        parties = frozenset({asker.at, subject.venue.pool, STRANGER, OPERATOR})
        called_back = found.called & parties
        if called_back:
            findings.add(Oddity.CALLBACK, f"a transfer calls {', '.join(sorted(called_back))}, who takes part in it")
        elsewhere = found.called - parties
        if elsewhere & found.balances:
            where = ", ".join(sorted(elsewhere & found.balances))
            findings.add(Oddity.SHARED_BALANCES, f"its balances lie in {where}, where others can move them")
        elif elsewhere:
            findings.add(Oddity.CALLS_OTHERS, f"a transfer calls {', '.join(sorted(elsewhere))}")
        behind = found.delegates | (found.asked - parties) | elsewhere
        await self._explain_delegates(token, found.delegates, findings)
        return await read_code(anvil.rpc, token, behind), bool(called_back)

    async def _explain_delegates(self, token: Address, delegates: frozenset[Address], findings: Findings) -> None:
        rpc = self._fork.anvil.rpc
        implementation = await implementation_of(rpc, token)
        codes = {at: await code_at(rpc, at) for at in (token, *delegates)}
        unexplained = delegates - {implementation} - trace.embedded(delegates, codes)
        if unexplained:
            where = ", ".join(sorted(unexplained))
            findings.add(Oddity.UNKNOWN_PROXY, f"it runs the code at {where}, and how that is replaced is not known")


class _Asker:
    """A probe of its own for one token, and the reads it does."""

    def __init__(self, anvil: Anvil, token: Address) -> None:
        self._anvil = anvil
        self.at = probe.probe_address(token)

    async def place(self) -> None:
        """Put the probe's code on the fork. Raises `MissingTool`."""
        await Overlay(code={self.at: own_contract("TokenProbe", "deployedBytecode")}).place(self._anvil)

    async def __call__(self, calls: Sequence[Call]) -> list[Reply]:
        question = {"from": OPERATOR, "to": self.at, "data": "0x" + probe.ask(calls).hex(), "gas": hex(_TRACE_GAS)}
        return probe.read_replies(bytes.fromhex((await self._anvil.rpc("eth_call", question, "latest"))[2:]))


def _hearsay(said: questions.Said, findings: Findings) -> None:
    if said.paused:
        findings.add(Oddity.PAUSED, "it says that it is paused")
    if said.blacklisted:
        findings.add(Oddity.BLACKLISTED, "it says that an account nobody has heard of is on its blacklist")
    if said.shares:
        findings.add(Oddity.REBASING, "it keeps shares: balances change when its keeper reports")
    if said.decimals is None:
        findings.add(Oddity.UNKNOWN_DECIMALS, f"it names no decimals between 0 and {questions.MAX_DECIMALS}")


def _described(
    report: TokenReport, venue: Venue, said: questions.Said, seen: Behaviour, code: Code, *, callbacks: bool
) -> TokenReport:
    return replace(
        report,
        pool=venue.pool,
        base=venue.base,
        decimals=said.decimals,
        taxes=seen.taxes,
        rebasing_ppm=seen.rebasing_ppm,
        returns=seen.returns,
        approvals=seen.approvals,
        zero_transfer=seen.zero_transfer,
        pausable=said.pausable,
        blacklist=said.blacklist,
        flash_mintable=said.flash_mintable,
        callbacks=callbacks,
        transfer_gas=seen.transfer_gas,
        code=code,
    )


def _closed(report: TokenReport, findings: Findings, *, measured: bool) -> TokenReport:
    """The report with its standing: refused for anything odd, supported only where something was measured."""
    if findings.lines:
        return replace(
            report,
            standing=Standing.REFUSED,
            oddities=tuple(findings.lines),
            notes=tuple(f"{oddity}: {line}" for oddity, line in findings.lines.items()),
        )
    if not measured:
        return replace(report, notes=("the pool is too shallow to buy one unit of it",))
    return replace(report, standing=Standing.SUPPORTED)
