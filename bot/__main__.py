"""`python -m bot` is the `isthmus` command."""

import sys


def start() -> None:
    """Run the command line; who stops it before it can hear that, or as it ends, is told no more than so much."""
    try:
        from bot.cli import main

        main(prog_name="isthmus")
    except KeyboardInterrupt:
        sys.stderr.write("error: stopped\n")
        sys.exit(130)


if __name__ == "__main__":
    start()
