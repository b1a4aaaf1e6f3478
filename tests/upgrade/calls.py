"""Submit one of each and print what came of it: `python -m tests.upgrade.calls URL`, with the code of any version."""

import json
import sys

from tests.upgrade import yard
from tidemill import Client


def main(url: str) -> None:
    with Client(url) as client:
        runs = {
            "quick": client.submit(yard.quick, 1),
            "slow": client.submit(yard.slow, 2),
            "mapped": client.submit(yard.mapped, [1, 2, 3]),
            "chained": client.submit(yard.chained, 3),
            "large": client.submit(yard.grow, 100_000),
        }
        found = {name: run.result() for name, run in runs.items()}
        found["large"] = len(str(found["large"]))
        bad = client.submit(yard.bad, 4)
        try:
            bad.result()
        except Exception as error:  # noqa: BLE001  # versions have names of their own for it
            found["bad"] = type(error).__name__
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
