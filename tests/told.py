"""What the bot tells, kept line by line."""


class Told(list[str]):
    """The engine's output, as a list."""

    def line(self, text: str) -> None:
        self.append(text)
