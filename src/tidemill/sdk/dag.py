"""Task DAGs: tasks that follow each other, joined by the names of their parameters.

A DAG is built when it is first used. A step whose condition does not hold is skipped, and so is what needs it.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar, cast, overload

from msgspec import NODEFAULT
from msgspec.structs import replace

from tidemill.core.graph import Graph
from tidemill.core.terms import VALUE, Constant
from tidemill.sdk.dag_build import Built, build_dag, plain_dag
from tidemill.sdk.dag_join import AnyStep, links
from tidemill.sdk.declaring import check_name
from tidemill.sdk.definition import Coro, Definition, WithContext
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.expressions import kind_of
from tidemill.sdk.forms import union_of
from tidemill.sdk.kinds import bare
from tidemill.sdk.named import NamedTask
from tidemill.sdk.places import Place
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.signature import Body, Parameter, Signature
from tidemill.sdk.standin import Facts, Standin, TraceError, holds_standins
from tidemill.sdk.steps import Combined, Step, TaskStep, steps_in
from tidemill.sdk.worker import Worker
from tidemill.sdk.workflow import Workflow

if TYPE_CHECKING:
    from tidemill.sdk.machine import StateMachine

P = ParamSpec("P")
R = TypeVar("R")


class StepDecorator:
    """``@dag.task``: a task, or a function that becomes one of the DAG's worker, as a step."""

    def __init__(self, dag: "Nodes", name: str = "", when: Step[bool] | None = None) -> None:
        self._dag, self._name, self._when = dag, name, when

    @overload
    def __call__(self, task: Definition[..., R], /) -> TaskStep[R]: ...
    @overload
    def __call__(self, body: WithContext[P, Coro[R]], /) -> TaskStep[R]: ...
    @overload
    def __call__(self, body: Callable[P, Coro[R]], /) -> TaskStep[R]: ...
    @overload
    def __call__(self, body: WithContext[P, R], /) -> TaskStep[R]: ...
    @overload
    def __call__(self, body: Callable[P, R], /) -> TaskStep[R]: ...
    @overload
    def __call__(self, *, name: str = ..., when: Step[bool] | None = ...) -> "StepDecorator": ...
    def __call__(self, *tasks: Any, **how: Any) -> object:
        if not tasks:
            return StepDecorator(self._dag, **how)
        (task,) = tasks
        if not isinstance(task, Definition):
            if self._dag.worker is None:
                raise DefinitionError(
                    f"{task!r} is no task yet; put @worker.task below @dag.task, or say whose task it is: "
                    "Dag(…, worker=worker)"
                )
            task = self._dag.worker.task(task)
        return self._dag.step(task, self._name, self._when)


class Nodes:
    """Steps of a DAG. ``worker`` is whose tasks the plain functions under ``@dag.task`` become."""

    kind = "dag"
    name: str

    def __init__(self, inputs: Mapping[str, TypePlan], worker: Worker | None) -> None:
        self.inputs, self.worker = dict(inputs), worker
        self.steps: dict[str, AnyStep] = {}
        self._result: AnyStep | None = None

    @overload
    def add(self, task: Definition[..., R], /, *, name: str = ..., takes: Sequence[str] = ...) -> TaskStep[R]: ...
    @overload
    def add(
        self, task: Definition[..., R], /, *, name: str = ..., when: Step[bool], takes: Sequence[str] = ...
    ) -> TaskStep[R | None]: ...
    def add(
        self,
        task: Definition[..., Any],
        /,
        *,
        name: str = "",
        when: Step[bool] | None = None,
        takes: Sequence[str] = (),
    ) -> Any:
        """Add a task, workflow or machine as a step.

        Args:
            name: of the step, under which it offers its result to those that follow it; that of the task.
            when: a step whose task gives a bool, or several with ``~ & |``. If it does not hold, the step is skipped,
                and so are those that follow it, unless their parameters may be None.
            takes: the parameters of a task that is known by its name alone. Without them it takes what its parents
                give; the first of a DAG, all inputs.
        """
        step = self.step(task, name, when)
        if takes and not isinstance(task, NamedTask):
            raise DefinitionError(f"{step!r} says itself what it takes; takes= is for tasks known by their names")
        step.takes = tuple(takes)
        return step

    @property
    def task(self) -> StepDecorator:
        """``@dag.task`` or ``@dag.task(name=…, when=…)``: add a task where it is declared."""
        return StepDecorator(self)

    def step(self, task: Definition[..., Any], name: str, when: Step[bool] | None) -> AnyStep:
        if not isinstance(task, Definition):
            raise DefinitionError(f"{task!r} is no task; a DAG is made of tasks, workflows and machines")
        name = check_name(name or task.node_name, "step")
        taken = "a step" if name in self.steps else "an input" if name in self.inputs else ""
        if taken or name == VALUE:
            what = f"there is {taken} of the name {name!r}" if taken else f"{VALUE!r} is what the DAG itself gives"
            raise DefinitionError(f"{self.kind} {self.name}: {what}; give this one another, add(task, name=…)")
        if when is not None:
            self.check_condition(when)
        self.changed()
        step = self.steps[name] = TaskStep(self, name, task, when)
        return step

    def gives(self, step: Step[Any], /) -> None:
        """Let the result of this step be that of the DAG. Without it, it is that of the steps that nothing follows."""
        self.check_node(step)
        self.changed()
        self._result = cast("AnyStep", step)

    def results(self) -> list[AnyStep]:
        """The steps whose results the DAG gives."""
        if self._result is not None:
            return [self._result]
        asked = {each for step in self.steps.values() if step.when is not None for each in steps_in(step.when)}
        return [step for step in self.steps.values() if not step.children and step not in asked]

    def check_node(self, step: Step[Any]) -> None:
        """Raises DefinitionError for what is no step of this DAG."""
        if isinstance(step, Combined):
            raise DefinitionError(f"{step!r} is a condition, and no step; it stands in when=")
        if step.dag is not self:
            raise DefinitionError(f"{step!r} is of another DAG")

    def check_condition(self, step: Step[Any]) -> None:
        """Raises DefinitionError for what cannot be a condition."""
        if not isinstance(step, Step):
            raise DefinitionError(f"{self.kind} {self.name}: when= takes a step whose task gives a bool, not {step!r}")
        for each in steps_in(step):
            self.check_node(each)
            result = cast("AnyStep", each).task.signature.result
            if bare(result.kind) is not bool:
                raise DefinitionError(f"{each!r} gives {result.name}; a condition is a step whose task gives a bool")

    def changed(self) -> None:
        """What was built of it so far is out of date."""
        vars(self).pop("parts", None)

    @functools.cached_property
    def parts(self) -> Built:
        if not self.steps:
            raise TraceError(f"{self.kind} {self.name} has no step; add a task")
        return build_dag(self)

    def reference(self, step: Step[Any]) -> Any:
        """What stands for the result of a step outside of the DAG."""
        raise NotImplementedError


class DagBody(Workflow[..., Any]):
    """The workflow that the steps of a DAG make."""

    kind = "dag"

    def __init__(self, name: str, nodes: Nodes) -> None:
        super().__init__(name, _no_function, _no_signature, {})
        self.__doc__ = ""
        self._nodes = nodes

    @property
    def used(self) -> tuple[Definition[..., Any], ...]:  # type: ignore[override]  # it is made of steps
        return self._nodes.parts.used

    @property
    def graph(self) -> Graph:
        graph = self._nodes.parts.graph
        return replace(graph, outputs={VALUE: graph.outputs[VALUE]}, types={VALUE: graph.types[VALUE]})

    @property
    def signature(self) -> Signature:
        parameters = {name: Parameter(name, plan, NODEFAULT) for name, plan in self._nodes.inputs.items()}
        result = self._nodes.parts.result
        return Signature(parameters, {VALUE: result}, result, Body.SYNC)

    def run_here(self, bound: dict[str, Any]) -> Any:
        return plain_dag(self._nodes, bound)[VALUE]


class Dag(Nodes, DagBody):
    """A DAG of its own: submitted, called and nested like a workflow.

    Args:
        worker: whose tasks the plain functions under ``@dag.task`` become.
        inputs: the types of what it takes, by name: ``Dag("publish", draft=Draft, copies=int)``.
        doc: what it is for.
    """

    def __init__(self, name: str, /, *, worker: Worker | None = None, doc: str = "", **inputs: Any) -> None:
        for part in name.split("."):
            check_name(part, "dag")
        DagBody.__init__(self, name, self)
        Nodes.__init__(self, {param: plan_of(kind) for param, kind in inputs.items()}, worker)
        self.__doc__ = doc

    def changed(self) -> None:
        super().changed()
        for name in ("compiled", "built"):
            vars(self).pop(name, None)

    def reference(self, step: Step[Any]) -> NoReturn:
        raise DefinitionError(
            f"{step!r}.output is for machines; the steps of a DAG of its own join by name, and its result is that of "
            "dag.gives(step)"
        )


class DagState(Nodes, Place):
    """A state of a machine whose body is a DAG; made by ``machine.dag``."""

    def __init__(self, machine: "StateMachine", name: str, inputs: Mapping[str, Any], worker: Worker | None) -> None:
        Place.__init__(self, machine, name)
        self._given = {param: _parameter(machine, param, value) for param, value in inputs.items()}
        Nodes.__init__(self, {param: each.plan for param, each in self._given.items()}, worker)
        self._body = DagBody(f"{machine.name}.{name}", self)

    @property
    def body(self) -> Workflow[..., Any]:
        return self._body

    @property
    def graph(self) -> Graph:
        return self.parts.graph

    @property
    def given(self) -> Mapping[str, Parameter]:
        return self._given

    @property
    def output(self) -> Any:
        """Its latest result: that of its last step; of several, a dict by their names."""
        return self._reference(VALUE, self.parts.result)

    def changed(self) -> None:
        super().changed()
        self.machine.changed()

    def reference(self, step: Step[Any]) -> Any:
        self.check_node(step)
        found = cast("AnyStep", step)
        result = found.task.signature.result
        if links(self)[found].may_be_skipped:
            result = plan_of(union_of([result.kind, type(None)]))
        return self._reference(step.name, result)

    def visit_here(self, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        from tidemill.sdk.plain import with_status  # noqa: PLC0415  # brings asyncio, which no declaration needs

        outputs: dict[str, Any] = {}

        def run() -> Any:
            outputs.update(plain_dag(self, values))
            return outputs[VALUE]

        return outputs, with_status(run)[1]


def _parameter(machine: "StateMachine", name: str, value: Any) -> Parameter:
    plan = plan_of(kind_of(value))
    if not holds_standins(value):
        value = Standin(Facts(Constant(plan.plain(value)), plan, machine.scene))
    return Parameter(name, plan, value)


def _no_function() -> NoReturn:
    raise DefinitionError("a DAG has no function of its own")


def _no_signature(_: Callable[..., Any], __: Mapping[str, Any]) -> NoReturn:
    raise DefinitionError("a DAG has no function of its own")
