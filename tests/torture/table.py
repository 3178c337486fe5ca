"""The tortures, one entry each: what it counts, the goal, and how it is called in its long form and in its short one.

A torture is a module that runs by itself. Its exit code is 0 when all held, 1 when something did not, and 4 when a tool
or a service that it needs is missing; its last line on stdout says what it counted.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.util import find_spec

DEFAULT_SEED = "1"


@dataclass(frozen=True, slots=True)
class Torture:
    """`figure` is what is counted, `goal` what it must come to; `short` are the arguments of about a minute's run."""

    module: str
    figure: str
    goal: str
    arguments: tuple[str, ...] = ()
    short: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.module.rsplit(".", 1)[-1]

    @property
    def there(self) -> bool:
        """Whether the module is in this checkout."""
        return find_spec(self.module) is not None

    def words(self, *, short: bool) -> tuple[str, ...]:
        """What follows `python`."""
        return ("-m", self.module, *(self.short if short else self.arguments))

    def command(self, *, short: bool) -> str:
        """As a person types it."""
        return shlex.join(["python", *self.words(short=short)])

    @property
    def seed(self) -> str:
        """The seed it is called with; every module's own default is the same."""
        return self.arguments[self.arguments.index("--seed") + 1] if "--seed" in self.arguments else DEFAULT_SEED


TORTURES = (
    Torture(
        "tests.torture.matrix",
        "every fault of a node on every method: wrong actions, and blocks until trading goes on after its end",
        "0 wrong, within 2 blocks",
        short=("--layout", "ws + good", "--kind", "lost_reply", "--kind", "stale", "--kind", "lying"),
    ),
    Torture(
        "tests.torture.rpc",
        "random schedules of several faults at once, with reorganisations and restarts among them",
        "0 wrong, within 2 blocks",
        ("--schedules", "500", "--seed", "1"),
        ("--schedules", "20", "--seed", "1"),
    ),
    Torture(
        "tests.torture.drift",
        "pool states followed over random reorganisations, gaps and duplicate heads, against fresh loads",
        "equal to the wei",
        ("--blocks", "10000", "--seed", "1"),
        ("--blocks", "500", "--seed", "1"),
    ),
    Torture(
        "tests.torture.memory",
        "memory of the whole bot over hours of blocks, and tasks that fail unheard",
        "under 1 % an hour, 0 unheard",
        ("--blocks", "1500", "--seed", "1"),
        ("--blocks", "450", "--seed", "1"),
    ),
    Torture(
        "tests.torture.soak",
        "two hours of the whole bot in trouble: memory, failures unheard, money doubled, lost or off",
        "under 5 %, 0 of each",
        ("--minutes", "120", "--seed", "1"),
        ("--minutes", "1", "--seed", "1"),
    ),
    Torture(
        "tests.torture.restart",
        "from kill -9 until the bot decides again, with 10,000 rows and 50 intents in flight",
        "5 s, nothing doubled or lost",
        ("--rows", "10000", "--in-flight", "50", "--seed", "1"),
        ("--rows", "1000", "--in-flight", "10", "--seed", "1"),
    ),
    Torture(
        "benchmarks.bench_discovery",
        "100,000 pools from the database to a ready market; 10,000 found and read from a node 40 ms away",
        "10 s and 2 GB; 60 s",
        short=("--pools", "20000", "--remote", "500"),
    ),
    Torture(
        "tests.torture.simulator",
        "random plans over every family: foreseen in process, simulated on the fork, and mined",
        "equal to the wei",
        ("--plans", "1000", "--seed", "1"),
        ("--plans", "100", "--seed", "1"),
    ),
    Torture(
        "tests.torture.executor",
        "invariants of the executor contract under every actor: 1,000 runs of 100 moves each",
        "0 broken",
        ("--runs", "1000", "--depth", "100"),
        ("--runs", "20", "--depth", "50", "--least", "0"),
    ),
    Torture(
        "tests.torture.symbolic",
        "the executor's entries, proven for all callers and arguments",
        "0 counterexamples",
    ),
    Torture(
        "tests.torture.slither",
        "what slither finds in the executor, against what docs/executor.md explains",
        "0 unexplained",
    ),
    Torture(
        "tests.torture.policy",
        "10,000 fuzzed transactions offered to the signer",
        "0 signed outside its policy",
        ("--offers", "10000", "--seed", "1"),
        ("--short",),
    ),
    Torture(
        "tests.torture.budgets",
        "random histories of spending against the budgets",
        "0 beyond a budget",
        ("--runs", "500", "--steps", "200", "--seed", "1"),
        ("--short",),
    ),
    Torture(
        "tests.torture.killswitch",
        "the kill switch under load: signatures after it was thrown",
        "0",
        ("--trips", "1000", "--seed", "1"),
        ("--short",),
    ),
    Torture(
        "tests.torture.secrets",
        "planted key and passphrase of runs that are killed: artefacts that hold one of them",
        "0",
        ("--kills", "5", "--seed", "1"),
        ("--short",),
    ),
    Torture(
        "tests.torture.kills",
        "kills at random moments among reorganisations, 600 transactions: sent twice, fills lost, wei off",
        "0, 0, 0",
        ("--kills", "1200", "--seed", "1"),
        ("--kills", "50", "--seed", "1"),
    ),
    Torture(
        "tests.torture.exchange",
        "every fault of an exchange on every call about an order, and random ones: orders doubled, fills lost, orders "
        "declared dead without evidence",
        "0, 0, 0",
        ("--schedules", "2000", "--seed", "1"),
        ("--schedules", "100", "--seed", "1"),
    ),
    Torture(
        "tests.torture.order",
        "events of a chain and an exchange in random orders, some twice",
        "one ledger",
        ("--permutations", "2000", "--seed", "1"),
        ("--permutations", "100", "--seed", "1"),
    ),
    Torture(
        "tests.torture.corruption",
        "1,000 flipped bits, 100 cut write-ahead logs and 50 edited rows of the ledger",
        "all that can be seen found, 0 trades begun",
        ("--flips", "1000", "--seed", "1"),
        ("--short",),
    ),
    Torture(
        "tests.torture.durability",
        "a trade ended at every point where the disk or the network is asked",
        "0 lost, 0 sent twice",
        ("--seed", "1"),
        ("--short",),
    ),
    Torture(
        "tests.torture.mutation",
        "faults written into the signer, its policy, the journal, the ledger and the risk rooms that a test notices",
        "85 % in each",
        ("--mutants", "300", "--seed", "2611"),
        ("--short",),
    ),
)
"""In the order they run. A new torture is one more entry."""
