"""`client.hooks`: addresses for webhooks of somebody else's."""

from collections.abc import Mapping, Sequence

from tidemill.client.calls import Calls, escaped
from tidemill.wire import hooks


class AsyncHooks:
    """Hooks of a server: each webhook that comes to ``/hooks/NAME``, rightly signed, starts a run or sends a signal."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def add(  # noqa: PLR0913  # the fields of a hook
        self,
        name: str,
        target: str = "",
        *,
        signal: str = "",
        key: str = "",
        payload: str = "$",
        inputs: Mapping[str, str] | None = None,
        scheme: str = "standard",
        secrets: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        header: str = "",
        id_header: str = "",
        id_field: str = "",
        tolerance_s: int = 300,
    ) -> hooks.HookView:
        """Register one, or change the one of this name.

        Args:
            target: the name of a task or of a published workflow, of which a run is started; or
            signal: the name of a signal, for whoever waits for it with the ``key``. That and the ``payload`` are places
                in the body.
            inputs: its parameters, each with a place in the body: ``$.data.id``, ``$.items[0]``; ``$`` is all of it.
            scheme: ``standard`` (Standard Webhooks), ``github``, ``stripe``, or ``token``: ``header`` holds the secret.
            secrets: any of them may have signed. Without any it keeps those that it has; a new one gets one, as
                ``secret`` of the answer, and nobody sees it again.
            tags: of the runs.
            id_header: the header, and ``id_field`` the place in the body, that tells a repetition where the scheme does
                not: one id is one run.
            tolerance_s: how far the time of a signature may be from now.
        Raises:
            RefusedError: with each value that is wrong.
        """
        spec = hooks.HookSpec(
            target=target,
            inputs=dict(inputs or {}),
            scheme=scheme,
            secrets=tuple(secrets),
            tags=dict(tags or {}),
            header=header,
            id_header=id_header,
            id_field=id_field,
            tolerance_s=tolerance_s,
            signal=signal,
            key=key,
            payload=payload,
        )
        return await self._calls.put(_path(name), spec, hooks.HookView)

    async def list(self) -> Sequence[hooks.HookView]:
        """By name."""
        return (await self._calls.get("/hooks", hooks.HookList)).hooks

    async def get(self, name: str) -> hooks.HookView:
        """Raises NotFoundError."""
        return await self._calls.get(_path(name), hooks.HookView)

    async def remove(self, name: str) -> None:
        """What comes to it is answered by 404. Raises NotFoundError."""
        await self._calls.delete(_path(name))


def _path(name: str) -> str:
    return f"/hooks/{escaped(name)}"
