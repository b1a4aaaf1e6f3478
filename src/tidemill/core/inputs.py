"""The inputs of a task step, filled in for a worker."""

from collections.abc import Mapping

from tidemill.core.fill import Filler
from tidemill.core.graph import TaskNode
from tidemill.core.ids import Path
from tidemill.core.plan import scope_path
from tidemill.core.resolve import Resolver
from tidemill.core.run import EDITED
from tidemill.core.values import Argument, Output, Source


def _edited(resolver: Resolver, path: Path, node: TaskNode) -> dict[str, Source]:
    """Inputs that a fork was given for this step."""
    run = resolver.draft.run(resolver.run)
    if run is None or run.fork is None or path not in run.fork.edited:
        return {}
    place, draft = path + EDITED, resolver.draft
    names = [name for name in node.takes.get("properties", node.inputs) if draft.value(resolver.run, place, name)]
    return {name: Output(place, name) for name in names}


def sources_of(resolver: Resolver, path: Path, node: TaskNode) -> dict[str, Source]:
    """Where each input comes from; what a fork was given for this step stands above the graph. Raises InputError."""
    scope = scope_path(path)
    sources = {name: resolver.resolve(scope, each) for name, each in node.inputs.items()}
    return sources | _edited(resolver, path, node)


def inputs_of(resolver: Resolver, path: Path, node: TaskNode) -> Mapping[str, Argument]:
    """By parameter; one that the run was not given is left out. Raises InputError when a path leads nowhere."""
    filler = Filler(resolver)
    filled = {name: filler.fill(each) for name, each in sources_of(resolver, path, node).items()}
    return {name: argument for name, argument in filled.items() if argument is not None}
