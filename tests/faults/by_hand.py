"""The proxy from the command line, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import sys

import aiohttp

from tests.faults.fault import ELSEWHERE, Fault, InvalidFault, Kind
from tests.faults.geth import GethPool
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams

_POOL_PAUSE_S = 1.0


def main(arguments: list[str] | None = None) -> None:
    """`python -m tests.faults.proxy`: exits with 2 for what cannot be used."""
    parser = argparse.ArgumentParser("python -m tests.faults.proxy", description=__doc__)
    parser.add_argument("--upstream", required=True, help="HTTP address of the node; WebSocket on the same port")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; a free one by default")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND[,methods=A|B][,from=S][,for=S][,…]")
    parser.add_argument("--geth", action="store_true", help="hold transactions to geth's pool rules")
    for kind in sorted(ELSEWHERE):
        parser.add_argument(f"--{kind}-upstream", help=f"HTTP address of the node that {kind} answers from")
    options = parser.parse_args(arguments)
    try:
        faults = [Fault.parse(text) for text in options.fault]
    except InvalidFault as error:
        parser.error(str(error))
    given = {kind: getattr(options, f"{kind}_upstream") for kind in ELSEWHERE}
    others = {kind: url for kind, url in given.items() if url}
    for fault in faults:
        if fault.kind in ELSEWHERE and fault.kind not in others:
            parser.error(f"{fault.kind} answers from another node: give its address with --{fault.kind}-upstream")
    try:
        asyncio.run(_serve(Upstreams(options.upstream, others), faults, options.port, geth=options.geth))
    except KeyboardInterrupt:
        sys.exit(0)


async def _serve(upstreams: Upstreams, faults: list[Fault], port: int, *, geth: bool) -> None:
    async with FaultProxy(upstreams, pool=GethPool() if geth else None, port=port) as proxy:
        print(f"{proxy.http_url} and {proxy.ws_url} -> {upstreams.true}", flush=True)
        for fault in faults:
            print(f"  {fault}", flush=True)
        proxy.schedule.plan(*faults)
        told: dict[tuple[Kind, str], int] = {}
        while True:
            await asyncio.sleep(_POOL_PAUSE_S)
            try:
                await proxy.rebroadcast()
            except aiohttp.ClientError as error:
                print(f"the node does not answer: {error}", file=sys.stderr, flush=True)
            if proxy.schedule.struck != told:
                told = dict(proxy.schedule.struck)
                print("; ".join(f"{kind} {method} x{n}" for (kind, method), n in sorted(told.items())), flush=True)
