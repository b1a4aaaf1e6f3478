"""What a worker says of itself, as users write it beside its name; settings of the process go over it."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from msgspec import Struct, field

from tidemill.core.requirements import Gpu
from tidemill.core.sizes import size_bytes
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.needs import names, texts


class GpuOffer(TypedDict):
    id: str  # what makes it visible to a program: its index or UUID
    vram: int | str  # bytes, or such as "24GiB"
    model: NotRequired[str]
    tags: NotRequired[Sequence[str]]


class ResourceOffers(TypedDict, total=False):
    """What is said here stands for what would be detected."""

    cpus: float
    ram: int | str  # bytes, or such as "32GiB"
    gpus: Sequence[GpuOffer]


class WorkerOffers(TypedDict, total=False):
    type: str  # one word for what kind of worker it is
    tags: Sequence[str]
    labels: Mapping[str, str]
    resources: ResourceOffers
    software: Mapping[str, str]  # name -> version
    models: Sequence[str]  # that lie on the disk of its machine
    queues: Sequence[str]  # the only ones that it serves; "default" is that of tasks that name none
    cost: float  # per second; what `max_cost` of a task is held against


class Offers(Struct, frozen=True):
    """The same, checked; None where nothing was said."""

    type: str = ""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    cpus: float | None = None
    ram: int | None = None
    gpus: tuple[Gpu, ...] | None = None
    software: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    cost: float | None = None


def offers_of(worker: str, given: WorkerOffers) -> Offers:
    """Raises DefinitionError: of a word that there is not, or a value that cannot be."""
    strange = given.keys() - WorkerOffers.__annotations__.keys()
    if strange:
        known = ", ".join(WorkerOffers.__annotations__)
        raise DefinitionError(f"worker {worker}: there is no option {min(strange)!r}; the options are {known}")
    try:
        return _offers(given)
    except (TypeError, ValueError, KeyError) as error:
        raise DefinitionError(f"worker {worker}: {_told(error)}") from None


def _offers(given: WorkerOffers) -> Offers:
    resources, cost = given.get("resources", {}), given.get("cost")
    strange = set(resources) - set(ResourceOffers.__annotations__)
    if strange:
        raise ValueError(f"there is no resource {min(strange)!r}; there are cpus, ram and gpus")
    cpus, ram, gpus = resources.get("cpus"), resources.get("ram"), resources.get("gpus")
    if cpus is not None and not 0 < cpus <= 1_000_000:
        raise ValueError(f"cpus is a number of cores above 0, not {cpus!r}")
    if cost is not None and not 0 <= cost < 1e12:
        raise ValueError(f"cost is a price per second from 0 up, not {cost!r}")
    return Offers(
        type=given.get("type", ""),
        tags=names("tags", given.get("tags", ())),
        labels=texts("labels", given.get("labels", {})),
        cpus=None if cpus is None else float(cpus),
        ram=None if ram is None else size_bytes(ram),
        gpus=None if gpus is None else tuple(map(_gpu, gpus)),
        software=texts("software", given.get("software", {})),
        models=names("models", given.get("models", ())),
        queues=names("queues", given.get("queues", ())),
        cost=None if cost is None else float(cost),
    )


def _gpu(given: GpuOffer) -> Gpu:
    tags = names("tags of a GPU", given.get("tags", ()))
    return Gpu(str(given["id"]), size_bytes(given["vram"]), given.get("model", ""), tags)


def _told(error: Any) -> str:
    return f"a GPU lacks {error}" if isinstance(error, KeyError) else str(error)
