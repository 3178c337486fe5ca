"""`python -m bot` is the `isthmus` command."""

from bot.cli import main

if __name__ == "__main__":
    main(prog_name="isthmus")
