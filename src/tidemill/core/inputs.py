"""The inputs of a task step, filled in for a worker."""

from collections.abc import Mapping

from tidemill.core.fill import Filler
from tidemill.core.graph import TaskNode
from tidemill.core.ids import Path
from tidemill.core.plan import scope_path
from tidemill.core.resolve import Resolver
from tidemill.core.values import Argument


def inputs_of(resolver: Resolver, path: Path, node: TaskNode) -> Mapping[str, Argument]:
    """By parameter; one that the run was not given is left out. Raises InputError when a path leads nowhere."""
    filler, scope = Filler(resolver), scope_path(path)
    filled = {name: filler.fill(resolver.resolve(scope, each)) for name, each in node.inputs.items()}
    return {name: argument for name, argument in filled.items() if argument is not None}
