"""What every command has in common: an example in its help, `--json`, `--debug`, and errors of one line."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import select
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from bot.cli.errors import CommandFailed, ExitCode, exit_code, explained
from bot.cli.output import emit, silence, speak_anyhow

_INTERRUPTED = 130

Callback = Callable[..., Any]


def command(name: str, *, examples: Sequence[str]) -> Callable[[Callback], click.Command]:
    """Make `callback` a command. A coroutine function is run to its end; a returned `ExitCode` is the exit code.

    The callback receives `as_json`; an exception it raises becomes its line on stderr and its exit code.
    """
    epilog = "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)

    def decorate(callback: Callback) -> click.Command:
        @functools.wraps(callback)
        def guarded(*args: Any, debug: bool, as_json: bool, **kwargs: Any) -> ExitCode:
            try:
                result = callback(*args, as_json=as_json, **kwargs)
                if inspect.iscoroutine(result):
                    result = asyncio.run(result)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except Exception as error:
                if isinstance(error, BrokenPipeError) and _nobody_reads():
                    raise
                if debug:
                    traceback.print_exc()
                raise CommandFailed(explained(error), exit_code(error)) from error
            return result or ExitCode.OK

        json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
        debug_option = click.option("--debug", is_flag=True, help="On an error, print where in the code it happened.")
        wrapped = json_option(debug_option(guarded))
        return click.command(name, _Command, epilog=epilog, context_settings={"max_content_width": 110})(wrapped)

    return decorate


class _Command(click.Command):
    """One whose help is named by every refusal: click does not say whose option it is that lacks its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class Verbs(click.Group):
    """A group whose commands are imported only when they are used, and whose errors are one line.

    `verbs` maps each command to `module:attribute` and the line the group's help shows for it.
    """

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._verbs:
            return None
        module, _, attribute = self._verbs[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._verbs and not args[0].startswith("-"):
            from bot.config.errors import did_you_mean

            raise click.UsageError(f"no command {args[0]!r}; {did_you_mean(args[0], self._verbs)}", ctx)
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line. Standing alone, it ends the process with the command's exit code."""
        words = sys.argv[1:] if args is None else list(args)
        if os.environ.get("NO_COLOR"):
            extra["color"] = False
        speak_anyhow(sys.stdout)
        try:
            try:
                code = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
            except click.exceptions.NoArgsIsHelpError as shown:
                click.echo(shown.format_message(), err=True)
                code = ExitCode.USAGE
            except (click.ClickException, click.Abort, KeyboardInterrupt) as error:
                code = _complain(error, as_json="--json" in words)
        except BrokenPipeError:
            silence(sys.stdout)
            code = ExitCode.ERROR
        if standalone_mode:
            sys.exit(int(code or 0))
        return code


def _nobody_reads() -> bool:
    """Whether what stdout is piped into has ended, such as `head`."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in watched.poll(0))


def _usage(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else "isthmus"
    message = " ".join(error.format_message().split())
    return f"{path}: {message[:1].lower()}{message[1:].rstrip('.')}; `{path} --help` shows how"


def _complain(error: BaseException, *, as_json: bool) -> int:
    """Tell of `error`, one line for each problem, and where it is asked for as an object on stdout too."""
    code, message = _INTERRUPTED, "stopped"
    if isinstance(error, click.UsageError):
        code, message = ExitCode.USAGE, _usage(error)
    elif isinstance(error, click.ClickException):
        code = error.code if isinstance(error, CommandFailed) else ExitCode.ERROR
        message = error.format_message()
    problems = message.splitlines()
    if as_json:
        kind = type(error.__cause__ or error).__name__
        try:
            emit({"error": {"exit_code": int(code), "kind": kind, "problems": problems}})
        except OSError:  # there is no space for it, or nobody who reads it
            silence(sys.stdout)
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    return code
