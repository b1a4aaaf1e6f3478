"""Recorded results that stand for later calls: one key per version of a task and input."""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from tidemill.core.chunks import pick, plain
from tidemill.core.errors import InputError
from tidemill.core.graph import TaskNode
from tidemill.core.ground import Ground
from tidemill.core.ids import Path
from tidemill.core.inputs import inputs_of
from tidemill.core.retry import LONGEST_S
from tidemill.core.rows import Cached
from tidemill.core.rules import CacheRule
from tidemill.core.values import Argument, Blob, Given, GivenList, GivenRecord, Inline, Streamed, Value

_sorted = msgspec.msgpack.Encoder(order="deterministic").encode


class _NoKeyError(Exception):
    """An input that cannot be told apart cheaply."""


def find(ground: Ground, path: Path, node: TaskNode) -> Cached | None:
    """A result that stands for the step at ``path``."""
    rule = _rule(ground, node)
    key = _key(ground, path, node, rule) if rule else None
    found = ground.draft.cached_result(key) if key else None
    return found if found is not None and found.expires_at > ground.draft.at else None


def keep(ground: Ground, path: Path, node: TaskNode, status: str, outputs: Mapping[str, Value]) -> None:
    """Let a result stand for later calls, if its task says so."""
    rule = _rule(ground, node)
    if rule is None or any(isinstance(value, Streamed) for value in outputs.values()):
        return
    if (key := _key(ground, path, node, rule)) is not None:
        at = ground.draft.at
        expires_at = at + int(min(rule.lifetime_s, LONGEST_S) * 1_000_000)
        ground.draft.put_cached(Cached(key, ground.id, path, status, dict(outputs), at, expires_at))


def _rule(ground: Ground, node: TaskNode) -> CacheRule | None:
    definition = ground.draft.catalog.find(node.task, node.schema)
    return node.options.cache or (definition.options.cache if definition else None)


def _key(ground: Ground, path: Path, node: TaskNode, rule: CacheRule) -> bytes | None:
    definition = ground.draft.catalog.find(node.task, node.schema)
    if definition is None:
        return None
    try:
        inputs: dict[str, object] = {name: _told(each) for name, each in inputs_of(ground.resolver, path, node).items()}
    except (InputError, _NoKeyError):
        return None
    parameters = definition.inputs.get("properties", {})
    defaults = {name: ["value", each["default"]] for name, each in parameters.items() if "default" in each}
    return blake2b(_sorted([node.task, definition.digest, rule.version, defaults | inputs]), digest_size=32).digest()


def _told(argument: Argument) -> object:
    """An input in one form, however it came. Raises _NoKeyError."""
    match argument:
        case Given(value=Inline(data=data, encoding=encoding), fields=fields):
            return ["value", pick(plain(data, encoding), fields)]
        case Given(value=Blob(digest=digest, encoding=encoding), fields=fields):
            return ["blob", digest, encoding.value, fields]
        case GivenList(items=items):
            return ["list", [_told(item) for item in items]]
        case GivenRecord(fields=parts):
            return ["record", {name: _told(part) for name, part in parts.items()}]
        case _:
            raise _NoKeyError
