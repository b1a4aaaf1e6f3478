"""What a worker offers and what a task requires, and whether the one meets the other (docs/design/dispatch.md).

```text
Requirements  of a task, and over them those of a node   ─┐
Capability    of a worker, by its hello                  ─┴─ unmet: what it will never meet, in words
Free          of a worker, now   ── reserve ──► Granted   (core.reserve)
```
"""

from enum import Enum

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from tidemill.core.sizes import size_text
from tidemill.core.versions import check_wanted, meets

DEFAULT_QUEUE = "default"  # of tasks that name none
MOST_CPUS = 1_000_000
MOST_BYTES = 1 << 60


class Requirements(Struct, frozen=True, omit_defaults=True):
    """What a worker must offer; what is not said does not matter. Sizes in bytes.

    With ``gpus`` the attempt has that many GPUs to itself, each with at least ``vram``; with ``vram`` alone it shares
    one GPU, of which so much is its own.
    """

    cpus: float = 0.0
    ram: int = 0
    gpus: int = 0
    vram: int = 0
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)  # name -> versions, such as ">=6,<8"; "" takes any
    models: tuple[str, ...] = ()  # all of them in memory or on disk
    type: str = ""  # of the worker
    queue: str = ""
    max_cost: float | None = None  # per second of the worker
    implementation: str = ""

    @property
    def is_amount(self) -> bool:
        """Whether an attempt takes something that another one then lacks."""
        return bool(self.cpus or self.ram or self.gpus or self.vram)


NOTHING = Requirements()
_deterministic = msgspec.msgpack.Encoder(order="deterministic").encode


def key_of(needs: Requirements | None) -> bytes:
    """The same for the same requirements; b"" for none."""
    return b"" if needs is None or needs == NOTHING else _deterministic(needs)


def narrowed(own: Requirements, wanted: Requirements | None) -> Requirements:
    """A task's requirements under those of a node: what the node says replaces, and what it lists is added."""
    if wanted is None:
        return own
    said = {name: value for name in Requirements.__struct_fields__ if (value := getattr(wanted, name))}
    if wanted.max_cost is not None:
        said["max_cost"] = wanted.max_cost
    for name in ("tags", "models"):
        said[name] = tuple(sorted({*getattr(own, name), *getattr(wanted, name)}))
    for name in ("labels", "software"):
        said[name] = {**getattr(own, name), **getattr(wanted, name)}
    return replace(own, **said)


class Gpu(Struct, frozen=True, omit_defaults=True):
    """One GPU. ``id`` is what makes it visible to a program, such as its index or UUID."""

    id: str
    vram: int  # bytes
    model: str = ""
    tags: tuple[str, ...] = ()


class Resources(Struct, frozen=True, omit_defaults=True):
    """What a machine, or the part of it that a worker may use, has. Sizes in bytes; 0 is unknown or none."""

    cpus: float = 0.0
    ram: int = 0
    gpus: tuple[Gpu, ...] = ()


class Capability(Struct, frozen=True, omit_defaults=True):
    """What a worker says of itself, beside its labels."""

    type: str = ""
    tags: tuple[str, ...] = ()
    resources: Resources = Resources()
    software: dict[str, str] = field(default_factory=dict)  # name -> version
    hot: dict[str, int] = field(default_factory=dict)  # models in memory -> bytes, 0 where not known
    disk: dict[str, int] = field(default_factory=dict)  # models on disk
    queues: tuple[str, ...] = ()  # those that it serves; () serves all
    cost_per_s: float = 0.0  # in whatever currency its operator counts


class Granted(Struct, frozen=True, omit_defaults=True):
    """What an attempt has of its worker, from its lease to its end. ``vram``: bytes on each of ``gpus``."""

    cpus: float = 0.0
    ram: int = 0
    gpus: tuple[str, ...] = ()  # ids
    vram: int = 0
    is_alone: bool = False  # nobody else is on its GPUs


class Lack(Enum):
    """What kind of requirement is not met; in the order of how hard it is to change."""

    QUEUE = "queue"
    TAG = "tag"
    LABEL = "label"
    TYPE = "type"
    IMPLEMENTATION = "implementation"
    SOFTWARE = "software"
    MODEL = "model"
    COST = "cost"
    CPUS = "cpus"
    RAM = "ram"
    GPUS = "gpus"
    VRAM = "vram"


class Unmet(Struct, frozen=True):
    """One requirement that a worker does not meet: ``text`` says it of the worker, ``change`` is what would do."""

    lack: Lack
    what: str  # the tag, label, model, ... or the amount
    text: str
    change: str


def unmet(needs: Requirements, offered: Capability, labels: dict[str, str]) -> tuple[Unmet, ...]:
    """What a worker does not meet, however idle it is."""
    if needs == NOTHING and not offered.queues:
        return ()
    return (*_places(needs, offered, labels), *_contents(needs, offered), *_amounts(needs, offered))


def _places(needs: Requirements, offered: Capability, labels: dict[str, str]) -> list[Unmet]:
    lacks: list[Unmet] = []
    queue = needs.queue or DEFAULT_QUEUE
    if offered.queues and queue not in offered.queues:
        text = f"serves the queues {', '.join(offered.queues)}, not {queue}"
        lacks.append(Unmet(Lack.QUEUE, queue, text, f"serves the queue {queue}"))
    on_gpus = {tag for gpu in offered.resources.gpus for tag in gpu.tags}
    missing = [tag for tag in needs.tags if tag not in offered.tags and tag not in on_gpus]
    lacks += [Unmet(Lack.TAG, tag, f"has no tag {tag}", f"has the tag {tag}") for tag in missing]
    for name, value in needs.labels.items():
        if (mine := labels.get(name)) != value:
            text = f"has no label {name}" if mine is None else f"has the label {name}={mine}, not {value}"
            lacks.append(Unmet(Lack.LABEL, f"{name}={value}", text, f"has the label {name}={value}"))
    if needs.type and needs.type != offered.type:
        text = f"is of type {offered.type}, not {needs.type}" if offered.type else f"has no type, not {needs.type}"
        lacks.append(Unmet(Lack.TYPE, needs.type, text, f"is of type {needs.type}"))
    return lacks


def _contents(needs: Requirements, offered: Capability) -> list[Unmet]:
    lacks: list[Unmet] = []
    for name, wanted in needs.software.items():
        mine = offered.software.get(name)
        if mine is None or not meets(mine, wanted):
            text = f"has no {name}" if mine is None else f"has {name} {mine or 'of no known version'}, not {wanted}"
            lacks.append(Unmet(Lack.SOFTWARE, name, text, f"has {name} {wanted}".rstrip()))
    missing = [name for name in needs.models if name not in offered.hot and name not in offered.disk]
    lacks += [Unmet(Lack.MODEL, each, f"does not have the model {each}", f"has the model {each}") for each in missing]
    if needs.max_cost is not None and offered.cost_per_s > needs.max_cost:
        text = f"costs {offered.cost_per_s:g} a second, more than {needs.max_cost:g}"
        lacks.append(Unmet(Lack.COST, f"{needs.max_cost:g}", text, f"costs {needs.max_cost:g} a second at most"))
    return lacks


def _amounts(needs: Requirements, offered: Capability) -> list[Unmet]:
    lacks, has = [], offered.resources
    if not 0 <= needs.cpus <= has.cpus:  # no number, and less than nothing, is never met
        lacks.append(Unmet(Lack.CPUS, f"{needs.cpus:g}", f"has {has.cpus:g} CPUs", f"has {needs.cpus:g} CPUs"))
    if not 0 <= needs.ram <= has.ram:
        wanted = f"{size_text(needs.ram)} of RAM"
        lacks.append(Unmet(Lack.RAM, wanted, f"has {size_text(has.ram)} of RAM", f"has {wanted}"))
    suited = suited_gpus(needs, offered)
    largest = max((gpu.vram for gpu in suited), default=0)
    count = sum(gpu.vram >= needs.vram for gpu in suited)
    if not 0 <= needs.vram <= largest:
        wanted = f"{size_text(needs.vram)} of VRAM"
        text = f"has at most {size_text(largest)} of VRAM on a GPU" if largest else "has no GPU for it"
        lacks.append(Unmet(Lack.VRAM, wanted, text, f"has a GPU with {wanted}"))
    elif not 0 <= needs.gpus <= count:
        lacks.append(Unmet(Lack.GPUS, str(needs.gpus), f"has {count} such GPUs", f"has {needs.gpus} such GPUs"))
    return lacks


def suited_gpus(needs: Requirements, offered: Capability) -> list[Gpu]:
    """GPUs that have those required tags which their worker has not itself."""
    wanted = set(needs.tags) - set(offered.tags)
    return [gpu for gpu in offered.resources.gpus if wanted <= set(gpu.tags)]


def nonsense_in(needs: Requirements) -> str:
    """What no worker could ever meet, since it makes no sense; "" for nothing."""
    if not 0 <= needs.cpus <= MOST_CPUS:
        return f"cpus is a number of cores from 0 to {MOST_CPUS}, not {needs.cpus:g}"
    if min(needs.ram, needs.gpus, needs.vram) < 0 or max(needs.ram, needs.gpus, needs.vram) > MOST_BYTES:
        return "ram, gpus and vram are numbers from 0 up"
    if needs.max_cost is not None and not needs.max_cost >= 0:
        return f"max_cost is a price per second from 0 up, not {needs.max_cost:g}"
    for name, wanted in needs.software.items():
        try:
            check_wanted(wanted)
        except ValueError as error:
            return f"software {name}: {error}"
    return ""


def fault_of(offered: Capability) -> str:
    """What makes no sense of what a worker says that it has; "" for nothing."""
    has = offered.resources
    sizes = (has.ram, *(gpu.vram for gpu in has.gpus), *offered.hot.values(), *offered.disk.values())
    if not 0 <= has.cpus <= MOST_CPUS:
        return f"its CPUs are {has.cpus:g}; they are a number from 0 to {MOST_CPUS}"
    if any(not 0 <= each <= MOST_BYTES for each in sizes):
        return "one of its sizes is below zero or beyond all measure"
    if not offered.cost_per_s >= 0:
        return f"its cost is {offered.cost_per_s:g} a second; it is a number from 0 up"
    if len({gpu.id for gpu in has.gpus}) < len(has.gpus):
        return "two of its GPUs have one id"
    return ""
