"""`isthmus warmup`: compile the market's kernels before they are needed."""

from __future__ import annotations

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.output import emit


@command("warmup", examples=["isthmus warmup", "isthmus warmup --json"])
def warmup(as_json: bool) -> ExitCode:
    """Compile the kernels that search the market, and keep them for every later start.

    They are kept in `var/kernels`, or where ISTHMUS_KERNEL_CACHE says. ISTHMUS_NO_NUMBA=1 runs without a compiler.
    """
    from bot.market.warmup import warm_up

    compiled, seconds, folder = warm_up()
    if as_json:
        emit({"compiled": compiled, "seconds": round(seconds, 3), "folder": str(folder)})
    elif compiled:
        click.echo(f"kernels are ready after {seconds:.1f} s, kept in {folder}")
    else:
        click.echo("kernels run in plain Python: Numba is not installed, or ISTHMUS_NO_NUMBA is 1")
    return ExitCode.OK
