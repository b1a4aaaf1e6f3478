"""A task that a workflow knows by name alone."""

from typing import Any, NoReturn

from msgspec import NODEFAULT

from tidemill.core.graph import TaskNode
from tidemill.core.terms import VALUE, Input
from tidemill.sdk.declaring import check_name
from tidemill.sdk.definition import Task
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.forms import fields_of, is_named_tuple
from tidemill.sdk.plans import plan_of
from tidemill.sdk.signature import Body, Parameter, Signature
from tidemill.sdk.stubs import StubCalledError


class _AnyParameters(dict[str, Parameter]):
    """Whatever is given by name is a parameter."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Parameter:
        return Parameter(name, plan_of(Any), NODEFAULT, by_position=False)


class NamedTask(Task[..., Any]):
    """Its node carries no schema, so the server checks the edges against what was announced under the name."""

    def __init__(self, name: str, gives: Any) -> None:
        namespace, dot, short = name.partition(".")
        if not dot:
            raise DefinitionError(f"{name!r} is no name of a task; write namespace.name")
        check_name(namespace, "worker")
        check_name(short, "task")
        super().__init__(name, self._unknown, lambda *_: _signature_of(gives), {})
        self.expected = ""
        self.read_early()

    def node_of(self, inputs: dict[str, Input]) -> TaskNode:
        outputs = {port: plan.schema for port, plan in self.signature.outputs.items()}
        return TaskNode(task=self.name, inputs=inputs, outputs=outputs, schema="", takes={}, options=self.node_options)

    def run_here(self, bound: dict[str, Any]) -> NoReturn:
        raise StubCalledError(self.name)

    def _unknown(self, **_: Any) -> NoReturn:
        raise StubCalledError(self.name)


def _signature_of(gives: Any) -> Signature:
    result = plan_of(gives)
    if not is_named_tuple(gives):
        return Signature(_AnyParameters(), {VALUE: result}, result, Body.SYNC)
    outputs = {name: plan_of(kind) for name, kind in fields_of(gives).items()}
    return Signature(_AnyParameters(), outputs, result, Body.SYNC, tuple_type=gives)
