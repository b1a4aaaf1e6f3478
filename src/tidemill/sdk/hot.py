"""`ctx.models`: what a task says of the models that it loaded or let go."""

from tidemill.core.sizes import size_bytes
from tidemill.sdk.ports import AttemptPort

NAME_LIMIT = 200


class HotModels:
    """Which models are in this worker's memory. The server then sends it the tasks that require them first.

    Say it as often as you like, and of models that nobody declared too.
    """

    __slots__ = ("_port",)

    def __init__(self, port: AttemptPort) -> None:
        self._port = port

    def mark_hot(self, name: str, *, size: int | str = 0) -> None:
        """The model is in memory.

        Args:
            size: bytes, or such as ``"4GiB"``; 0 where it is not known.
        Raises:
            ValueError: an empty name, one of more than 200 characters, or no size.
        """
        self._port.mark_hot(_checked(name), size_bytes(size))

    def mark_cold(self, name: str) -> None:
        """The model is no longer in memory. Raises ValueError as `mark_hot` does."""
        self._port.mark_cold(_checked(name))


def _checked(name: str) -> str:
    if not name or len(name) > NAME_LIMIT:
        raise ValueError(f"a model's name has 1 to {NAME_LIMIT} characters, not {len(name)}")
    return name
