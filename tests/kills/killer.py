"""Kills workers, hundreds of them: one process that has imported everything forks each, and ends it with SIGKILL."""

from __future__ import annotations

import asyncio
import os
import pickle
import random
import select
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe

from tests.kills.strace import Strike, Struck, attached, watched
from tests.kills.worker import Scene, work

LEAST_S, MOST_S = 0.002, 0.06
"""How long after the fork a worker is killed that is killed wherever it then is."""
IN_OPENING = 0.3
"""How many of the kills are of that kind; the others come upon one of a worker's steps, or just after it."""
STEPS = 12
_AFTER_STEP_S = 0.004
_STEPS_WITHIN_S = 10.0
_FINISH_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What the killer is asked for: so many kills in this scene; or, with `finish`, one worker that ends by itself.

    Workers are killed at one of their first `steps` steps.
    """

    scene: Scene
    kills: int
    seed: int
    finish: bool = False
    steps: int = STEPS


@dataclass(frozen=True, slots=True)
class Report:
    """How many workers were killed, how many of them at work, and the errors of those that failed."""

    kills: int
    at_work: int
    errors: tuple[str, ...] = ()


@contextmanager
def killer() -> Iterator[Connection]:
    """A killer in a process of its own, which takes `Order`s and gives `Report`s; to be begun before any loop runs."""
    here, there = Pipe()
    child = os.fork()
    if child == 0:
        here.close()
        try:
            _serve(there)
        finally:
            os._exit(0)
    there.close()
    try:
        yield here
    finally:
        here.close()
        os.waitpid(child, 0)


def _serve(line: Connection) -> None:
    while True:
        try:
            order: Order | Strike = pickle.loads(line.recv_bytes())
        except EOFError:
            return
        if isinstance(order, Strike):
            line.send(_strike(order))
            continue
        rng = random.Random(order.seed)
        if order.finish:
            line.send(_finish(order, rng))
            continue
        report = Report(0, 0)
        while report.kills < order.kills and not line.poll():
            report = _added(report, _kill_one(order, rng))
        line.send(report)


def _added(one: Report, other: Report) -> Report:
    return Report(one.kills + other.kills, one.at_work + other.at_work, one.errors + other.errors)


def _kill_one(order: Order, rng: random.Random) -> Report:
    """Fork a worker and kill it: soon after the fork, or upon one of the steps that must not be lost or doubled."""
    worker, said = _fork(order.scene, rng.getrandbits(32), finish=False)
    steps = 0
    if rng.random() < IN_OPENING:
        time.sleep(rng.uniform(LEAST_S, MOST_S))
    else:
        steps = _steps(said, rng.randint(1, order.steps))
        time.sleep(rng.uniform(0, _AFTER_STEP_S))
    os.kill(worker, signal.SIGKILL)
    return _ended(worker, said, at_work=steps > 0)


def _steps(said: int, wanted: int) -> int:
    """Waits until the worker has taken so many steps, or takes no more."""
    deadline = time.monotonic() + _STEPS_WITHIN_S
    steps = 0
    while steps < wanted and (left_s := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([said], [], [], left_s)
        if not readable or not os.read(said, 1):
            break
        steps += 1
    return steps


def _finish(order: Order, rng: random.Random) -> Report:
    worker, said = _fork(order.scene, rng.getrandbits(32), finish=True)
    deadline = time.monotonic() + _FINISH_WITHIN_S
    while os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            os.kill(worker, signal.SIGKILL)
            ended = _ended(worker, said, at_work=True)
            return Report(0, 0, (*ended.errors, f"it did not bring everything home within {_FINISH_WITHIN_S:.0f} s"))
        time.sleep(0.01)
    return Report(0, 0, _ended(worker, said, at_work=True).errors)


def _strike(strike: Strike) -> Struck:
    """A worker that begins once it is traced."""
    held, go = os.pipe()
    worker, said = _fork(strike.scene, strike.seed, finish=False, held=held)
    os.close(held)
    tracer = attached(worker, strike.arguments)
    os.write(go, b".")
    os.close(go)
    survived = watched(worker, said, strike.steps)
    ended = _ended(worker, said, at_work=True)
    tracer.wait()
    return Struck(survived, "".join(ended.errors))


def _fork(scene: Scene, seed: int, *, finish: bool, held: int | None = None) -> tuple[int, int]:
    """The worker, and the end of a pipe from which its words come: a dot for each step, then what it failed of.

    `held` is the end of a pipe from which it must read before it begins.
    """
    said, says = os.pipe()
    worker = os.fork()
    if worker:
        os.close(says)
        return worker, said
    os.close(said)
    if held is not None:
        os.read(held, 1)
    try:
        asyncio.run(work(scene, seed, lambda: _say(says, "."), finish=finish))
    except BaseException:
        _say(says, "!" + traceback.format_exc())
    finally:
        os._exit(0)


def _say(says: int, what: str) -> None:
    os.write(says, what.encode())


def _ended(worker: int, said: int, at_work: bool) -> Report:
    os.waitpid(worker, 0)
    with os.fdopen(said, "rb") as words:
        how = words.read().decode().lstrip(".!")
    return Report(1, int(at_work), (how,) if how else ())
