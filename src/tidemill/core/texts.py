"""Texts of users on their way to others."""


def sendable(text: str) -> str:
    """What UTF-8 can carry: half characters, as in names of files that are no UTF-8, become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
