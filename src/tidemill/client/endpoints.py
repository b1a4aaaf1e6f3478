"""`client.endpoints`: tasks and workflows that have paths of their own."""

from collections.abc import Sequence

from tidemill.client.calls import Calls, escaped
from tidemill.wire import hooks


class AsyncEndpoints:
    """What a server answers at ``/w/…``, for those who have HTTP and nothing of ours."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def serve(
        self, path: str, target: str, *, version: str = "", digest: str = "", default: str = ""
    ) -> hooks.EndpointView:
        """Serve a task or a published workflow at ``/w/{path}``, or one more version of what is served there.

        Args:
            path: one name, with or without a slash before it.
            version: pins what is the newest now at ``/w/{path}/{version}``; a version never changes.
            digest: pins this one instead: the digest of a task's definition, or of a graph.
            default: the version that the path alone means from now on; ``newest`` is whatever is the newest.
        Raises:
            RefusedError: there is no such target or version.
            AlreadySubmittedError: the path serves something else, or the version is another one.
        """
        spec = hooks.EndpointSpec(target, version, digest, default)
        return await self._calls.put(_path(path), spec, hooks.EndpointView)

    async def list(self) -> Sequence[hooks.EndpointView]:
        """By name."""
        return (await self._calls.get("/endpoints", hooks.EndpointList)).endpoints

    async def get(self, path: str) -> hooks.EndpointView:
        """Raises NotFoundError."""
        return await self._calls.get(_path(path), hooks.EndpointView)

    async def remove(self, path: str, *, version: str = "") -> None:
        """Serve it, or one version of it, no more. Raises NotFoundError."""
        await self._calls.delete(_path(path) + (f"/versions/{escaped(version)}" if version else ""))


def _path(path: str) -> str:
    return f"/endpoints/{escaped(path.removeprefix('/').removeprefix('w/'))}"
