"""The four families of errors, by what a caller can do about them."""


class TidemillError(Exception):
    """Any error of ours."""


class InputError(TidemillError):
    """Fix the input: the same call fails again."""


class ConflictError(TidemillError):
    """Reload and decide again: the world has moved on."""


class UnavailableError(TidemillError):
    """Wait and retry: the same call may succeed later."""


class InternalError(TidemillError):
    """Stop and report: this should not have happened."""
