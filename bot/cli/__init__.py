"""The command line: `isthmus VERB …`. Each verb's module is imported only when that verb is used."""

from __future__ import annotations

import click

from bot.cli.command import Verbs

_VERBS = {
    "run": ("bot.cli.run:run", "Find, simulate, sign, submit and book trades."),
    "init": ("bot.cli.init:init", "Write a first configuration."),
    "config": ("bot.cli.config:config", "Check, show and describe configurations."),
    "doctor": ("bot.cli.doctor:doctor", "Check tools, node, keys, database, clock, exchanges and ports."),
    "networks": ("bot.cli.networks:networks", "List networks, and hold their facts against a node."),
    "twin": ("bot.cli.twin:twin", "Build and run the local twin of mainnet."),
    "relays": ("bot.cli.relays:relays", "List the relays that transactions can go to, and try them."),
    "executor": ("bot.cli.executor:executor", "Deploy, verify and sweep the contract that settles plans."),
    "keys": ("bot.cli.keys:keys", "Make, import, list, rotate and check keys."),
    "warmup": ("bot.cli.warmup:warmup", "Compile the market's kernels before they are needed."),
    "quote": ("bot.cli.quote:quote", "Quote exactly from a snapshot, without any node."),
    "scan": ("bot.cli.scan:scan", "Say what could be gained in snapshots, and bound it."),
    "route": ("bot.cli.route:route", "Route an order through a snapshot at its best execution."),
    "snapshot": ("bot.cli.snapshot:snapshot", "Take a snapshot of pools, or import recorded ones."),
    "discover": ("bot.cli.discover:discover", "Find a network's pools, and keep them."),
    "pools": ("bot.cli.pools:pools", "List, show and explain the pools of a snapshot or of a node."),
    "tokens": ("bot.cli.tokens:tokens", "Measure tokens before they are held."),
    "exactness": ("bot.cli.exactness:exactness", "Hold every pool family against the real contracts' answers."),
    "halt": ("bot.cli.halt:halt", "Let nothing be signed any more."),
    "flatten": ("bot.cli.halt:flatten", "Take back what is open, then halt."),
    "resume": ("bot.cli.resume:resume", "Let what was halted trade again."),
    "budget": ("bot.cli.budget:budget", "Show and change what may be risked."),
    "why": ("bot.cli.why:why", "Say of one decision why it was made, and what became of it."),
    "simulate": ("bot.cli.simulate:simulate", "Run a plan or a transaction on a fork, and explain it."),
    "replay": ("bot.cli.replay:replay", "Run a recorded run again, as it was or as it would have been."),
    "compare": (
        "bot.cli.compare:compare",
        "Compare what two recorded runs decided.",
    ),
    "ledger": ("bot.cli.ledger:ledger", "Verify, back up and restore the ledger."),
    "orders": ("bot.cli.orders:orders", "List exchange orders, and settle those that nobody knows of."),
    "reconcile": ("bot.cli.reconcile:reconcile", "Prove that the ledger equals the chain and the exchanges."),
}

_EXAMPLES = """\b
Examples:
  isthmus run              trade on the local twin until Ctrl-C
  isthmus run --for 60s    the same, and end by itself
  isthmus run --help       what else a run can be told"""


@click.group(
    cls=Verbs,
    verbs=_VERBS,
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="isthmus", prog_name="isthmus")
def main() -> None:
    """Isthmus: one price graph of exchanges, and a risk-checked road to them."""
