"""Why there is no twin. Each is one line for a person: what, where, and what to do."""


class TwinUnavailable(RuntimeError):
    """The twin could not be built, kept or started."""


class CorruptSnapshot(TwinUnavailable):
    """A recorded file that cannot be read."""


class WrongBytecode(TwinUnavailable):
    """A runtime whose hash is not that of the contract on mainnet."""


class WrongAddress(TwinUnavailable):
    """A contract did not land where it lies on mainnet."""


def port_taken(what: str, port: int, error: OSError) -> TwinUnavailable:
    """The refusal of a port, in one line."""
    return TwinUnavailable(f"the twin's {what} cannot listen on port {port} ({error.strerror}); choose another, or 0")
