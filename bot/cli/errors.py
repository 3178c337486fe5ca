"""How a command ends: which exit code an exception means, and the one line that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

import click


class ExitCode(IntEnum):
    """What the process tells its caller."""

    OK = 0
    ERROR = 1
    USAGE = 2
    REFUSED = 3
    ENVIRONMENT = 4
    TIMEOUT = 5


MEANINGS: Mapping[str, ExitCode] = MappingProxyType(
    {
        "bot.config.errors.ConfigError": ExitCode.USAGE,
        "bot.config.checks.LiveRefused": ExitCode.USAGE,
        "bot.config.values.UnreadableSecret": ExitCode.USAGE,
        "bot.config.strategies.UnknownStrategy": ExitCode.USAGE,
        "bot.strategy.InvalidParameter": ExitCode.USAGE,
        "bot.strategy.StrategyFailed": ExitCode.ERROR,
        "bot.signer.keystore.KeystoreError": ExitCode.USAGE,
        "chains.networks.reader.InvalidNetwork": ExitCode.USAGE,
        "chains.networks.network.UnknownName": ExitCode.USAGE,
        "chains.assets.InvalidAddress": ExitCode.USAGE,
        "chains.assets.InvalidAmount": ExitCode.USAGE,
        "chains.exchanges.troubles.ExchangeMisconfigured": ExitCode.USAGE,
        "chains.node.errors.NodeError": ExitCode.ENVIRONMENT,
        "chains.relays.identity.InvalidIdentity": ExitCode.USAGE,
        "bot.market.warmup.WarmupFailed": ExitCode.ENVIRONMENT,
        "chains.twin.errors.TwinUnavailable": ExitCode.ENVIRONMENT,
        "bot.simulator.fork.ForkFailed": ExitCode.ENVIRONMENT,
        "bot.simulator.subject.UnknownSubject": ExitCode.USAGE,
        "bot.safety.pools.NotAPool": ExitCode.USAGE,
        "bot.market.multicall.LoadFailed": ExitCode.ENVIRONMENT,
        "bot.discovery.errors.DiscoveryError": ExitCode.ENVIRONMENT,
        "bot.drift.codebook.UnreadableCodeBook": ExitCode.ENVIRONMENT,
        "bot.opening.NoPools": ExitCode.ENVIRONMENT,
        "bot.execution.fees.UnpricedGas": ExitCode.USAGE,
        "bot.dashboard.app.DashboardUnavailable": ExitCode.ENVIRONMENT,
        "bot.signer.account.NoAccount": ExitCode.USAGE,
        "bot.signer.awaking.SignerError": ExitCode.ENVIRONMENT,
        "bot.signer.switch.SwitchUnwritten": ExitCode.ENVIRONMENT,
        "bot.signer.sources.InvalidSource": ExitCode.USAGE,
        "bot.signer.remote.DeviceError": ExitCode.ENVIRONMENT,
        "bot.signer.grants.InvalidGrant": ExitCode.USAGE,
        "bot.signer.limits.InvalidChange": ExitCode.USAGE,
        "bot.signer.looking.Unanswered": ExitCode.ENVIRONMENT,
        "bot.signer.journal.JournalError": ExitCode.ENVIRONMENT,
        "bot.signer.policy.InvalidPolicy": ExitCode.ENVIRONMENT,
        "bot.execution.deployment.DeploymentFailed": ExitCode.ERROR,
        "bot.execution.references.NoReference": ExitCode.ERROR,
        "bot.execution.deployment.VerificationFailed": ExitCode.ERROR,
        "bot.ledger.reconcile.UnknownPlace": ExitCode.USAGE,
        "chains.pools.registry.UnknownFamily": ExitCode.USAGE,
        "chains.pools.extension.InvalidFamilyFile": ExitCode.USAGE,
        "chains.snapshot.errors.SnapshotError": ExitCode.USAGE,
        "bot.snapshot.taking.NoSuchBlock": ExitCode.USAGE,
        "bot.snapshot.taking.UnknownPool": ExitCode.USAGE,
        "bot.ledger.errors.LedgerError": ExitCode.ENVIRONMENT,
        "bot.replay.opening.NotRecorded": ExitCode.USAGE,
        "bot.replay.tape.NoTape": ExitCode.ENVIRONMENT,
        "chains.tools.MissingTool": ExitCode.ENVIRONMENT,
        "chains.anvil.AnvilFailed": ExitCode.ENVIRONMENT,
        "chains.anvil.RpcError": ExitCode.ENVIRONMENT,
        "builtins.TimeoutError": ExitCode.TIMEOUT,
        "builtins.OSError": ExitCode.ENVIRONMENT,
    }
)
"""Exit codes by exception class, its bases included. By name, so that looking one up imports nothing."""

_REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        errno.EADDRINUSE: "the port is taken; choose another, or 0 for any free one",
        errno.ENOSPC: "the disk is full; free some space and start again, nothing was lost",
        errno.EDQUOT: "your share of the disk is used up; free some space and start again, nothing was lost",
        errno.EIO: "the disk failed; check it before you start again",
        errno.EMFILE: "too many files are open; allow more, such as with `ulimit -n 4096`, and start again",
        errno.EACCES: "permission denied; change its owner or mode, or name another path",
        errno.ENOENT: "there is no such file or folder; name one that exists, or another path",
        errno.EEXIST: "there is something of that name already; name another path",
        errno.ENOTDIR: "a part of that path is a file; name another path",
        errno.EISDIR: "it is a folder; name a file",
        errno.EROFS: "the disk is read-only; name another path",
        errno.ECONNREFUSED: "nothing answers there; is it running, and is the address right?",
    }
)


class CommandFailed(click.ClickException):
    """A command that ends with `code`; each line of `message` is one thing that is wrong."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def exit_code(error: BaseException) -> ExitCode:
    """The code of the nearest class of `error` that has one."""
    meaning = _meaning(error)
    return ExitCode.ERROR if meaning is None else meaning


def explained(error: BaseException) -> str:
    """What went wrong and what to do, in one line for each problem."""
    if isinstance(error, OSError) and error.errno is not None and error.errno in _REMEDIES:
        where = f"{error.filename}: " if error.filename else f"{_detail(error)}: " if error.strerror else ""
        return f"{where}{_REMEDIES[error.errno]}"
    if isinstance(error, TimeoutError) and not str(error):
        return "it took too long; try again, or give it more time"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and _meaning(error) is not None:
        return "\n".join(lines)
    what = f"{type(error).__name__}: {' '.join(lines)}" if lines else type(error).__name__
    return f"{what}; run again with --debug to see where"


def _meaning(error: BaseException) -> ExitCode | None:
    """None for an exception that nobody expected: a bug."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((MEANINGS[name] for name in names if name in MEANINGS), None)


def _detail(error: OSError) -> str:
    return (error.strerror or "").partition("]")[2].strip() or str(error.strerror)
