"""`python -m tidemill.cli.child TARGET FOLDER CHANNEL LIFELINE`: what a worker starts for the tasks that run apart.

Nobody types this. It finds what the worker found, by the same rule, and tells the worker when it cannot.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tidemill.assembly.child import run_child
from tidemill.cli.targets import load_target
from tidemill.sdk.worker import Worker


def main(arguments: Sequence[str]) -> None:
    target, folder, channel, lifeline = arguments

    def load() -> Sequence[Worker]:
        return load_target(target).workers

    run_child(load, Path(folder), int(channel), int(lifeline))


if __name__ == "__main__":
    main(sys.argv[1:])
