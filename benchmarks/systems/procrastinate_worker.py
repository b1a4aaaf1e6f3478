"""procrastinate's worker process: `python -m benchmarks.systems.procrastinate_worker DATABASE`."""

import asyncio
import sys

from procrastinate import App, PsycopgConnector


def app_on(url: str) -> App:
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="noop")
    async def noop(x: int) -> int:
        return x

    return app


async def main(url: str) -> None:
    app = app_on(url)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await app.run_worker_async(concurrency=100, wait=True, install_signal_handlers=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
