"""How a child process finds the tasks that this process serves: by the same rule, from the same words."""

import sys
from collections.abc import Sequence


def child_command(target: str) -> Sequence[str]:
    """Runs `tidemill.cli.child`; the worker adds its folder and what connects the two."""
    return (sys.executable, "-P", "-m", "tidemill.cli.child", target)


def own_target() -> str:
    """The program that runs as a target: its module's name, else its file; "" where it is neither (a prompt)."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    return str(getattr(main, "__file__", None) or "")
