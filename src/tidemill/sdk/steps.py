"""Steps of a task DAG: what `dag.add` gives, how steps are joined, and conditions made of steps.

``a >> b`` and ``b << a`` say that b follows a. Lists stand on either side, and each operator gives its right-hand
operand, so that chains read from left to right.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from tidemill.sdk.definition import Definition
from tidemill.sdk.errors import DefinitionError

if TYPE_CHECKING:
    from tidemill.sdk.dag import Nodes

R_co = TypeVar("R_co", covariant=True)
Steps = TypeVar("Steps", bound="Step[Any] | Sequence[Step[Any]]")


class Step(Generic[R_co]):
    """A task of a DAG under a name of its own, or (of ``~``, ``&`` and ``|``) a condition made of steps."""

    def __init__(self, dag: "Nodes", name: str) -> None:
        self._dag, self._name = dag, name
        self._parents: dict[Step[Any], None] = {}
        self._children: dict[Step[Any], None] = {}

    @property
    def name(self) -> str:
        """Its segment in paths."""
        return self._name

    @property
    def dag(self) -> "Nodes":
        return self._dag

    @property
    def parents(self) -> "tuple[Step[Any], ...]":
        """The steps that it follows, in the order in which they were said."""
        return tuple(self._parents)

    @property
    def children(self) -> "tuple[Step[Any], ...]":
        """The steps that follow it."""
        return tuple(self._children)

    @property
    def output(self) -> R_co:
        """Its result in the latest visit of the DAG, for transitions, ends and states of the machine."""
        return cast("R_co", self._dag.reference(self))

    def add_parents(self, parents: "Step[Any] | Iterable[Step[Any]]", /) -> None:
        """Let it follow one step, or several. An edge that is there already is the same edge."""
        for parent in _listed(parents):
            self._dag.check_node(self)
            self._dag.check_node(parent)
            self._parents[parent] = None
            parent._children[self] = None  # noqa: SLF001  # of its own kind
        self._dag.changed()

    def add_children(self, children: "Step[Any] | Iterable[Step[Any]]", /) -> None:
        """Let one step, or several, follow it."""
        for child in _listed(children):
            child.add_parents(self)

    def __rshift__(self, children: Steps) -> Steps:
        self.add_children(children)
        return children

    def __lshift__(self, parents: Steps) -> Steps:
        self.add_parents(parents)
        return parents

    def __rrshift__(self, parents: "Sequence[Step[Any]]") -> "Step[R_co]":
        self.add_parents(parents)
        return self

    def __rlshift__(self, children: "Sequence[Step[Any]]") -> "Step[R_co]":
        self.add_children(children)
        return self

    def __invert__(self: "Step[bool]") -> "Step[bool]":
        return Combined("not", (_condition(self),))

    def __and__(self: "Step[bool]", other: "Step[bool]") -> "Step[bool]":
        return Combined("and", (_condition(self), _condition(other)))

    def __or__(self: "Step[bool]", other: "Step[bool]") -> "Step[bool]":
        return Combined("or", (_condition(self), _condition(other)))

    def __bool__(self) -> NoReturn:
        raise DefinitionError(f"{self!r} has no value here; use & | ~ for and, or, not, and when= for if")

    def __repr__(self) -> str:
        follows = f" after {', '.join(each.name for each in self._parents)}" if self._parents else ""
        return f"<step {self._dag.name}/{self._name}{follows}>"


class TaskStep(Step[R_co]):
    """A step that runs a task. Called, it calls the task.

    It does not say the types of parameters, since a list of steps would have no common type then.
    """

    def __init__(self, dag: "Nodes", name: str, task: Definition[..., R_co], when: Step[bool] | None) -> None:
        super().__init__(dag, name)
        self.task, self.when = task, when
        self.takes: tuple[str, ...] = ()  # parameters of a task that is known by its name alone
        self.__doc__ = task.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> R_co:
        return self.task(*args, **kwargs)


class Combined(Step[bool]):
    """A condition over steps that give a bool."""

    def __init__(self, word: str, parts: tuple[Step[bool], ...]) -> None:
        super().__init__(parts[0].dag, word)
        self.parts = parts

    def __repr__(self) -> str:
        texts = [repr(each) if isinstance(each, Combined) else each.name for each in self.parts]
        return f"not {texts[0]}" if self.name == "not" else f"({f' {self.name} '.join(texts)})"


def _listed(steps: "Step[Any] | Iterable[Step[Any]]") -> "list[Step[Any]]":
    found: list[Any] = [steps] if isinstance(steps, Step) else list(steps)
    strange = [each for each in found if not isinstance(each, Step)]
    if strange:
        raise DefinitionError(f"{strange[0]!r} is no step; add it first, as in step = dag.add(task)")
    return found


def _condition(step: Step[Any]) -> Step[bool]:
    step.dag.check_condition(step)
    return step


def steps_in(condition: Step[bool]) -> "list[Step[bool]]":
    """The steps that a condition is made of."""
    if not isinstance(condition, Combined):
        return [condition]
    return list(dict.fromkeys(each for part in condition.parts for each in steps_in(part)))
