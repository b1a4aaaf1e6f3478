"""`Needs`: what a task requires of the worker that runs it, as users write it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.core.requirements import Requirements
from tidemill.core.sizes import size_bytes
from tidemill.core.versions import check_wanted

MOST_GPUS = 1024


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a worker must have for a task; what is not said does not matter.

    CPUs, RAM, GPUs and VRAM are reserved: the server never gives a worker more than it has. With ``gpus=2`` an attempt
    has two GPUs to itself; with ``vram="8GiB"`` alone it has so much of one GPU, which others may share.

    Args:
        cpus: cores; 0.5 is half of one.
        ram: bytes, or such as ``"16GiB"``.
        gpus: a number of whole ones; not said, it is none, or part of one where ``vram`` says how much.
        vram: on each GPU; bytes, or such as ``"8GiB"``.
        tags: of the worker, or of the GPUs.
        software: name to versions, such as ``{"ffmpeg": ">=6,<8"}``; ``""`` takes any.
        type: of the worker.
    Raises:
        ValueError: an amount below zero, VRAM on no GPU, a size or a version that cannot be read; when it is made.
    """

    cpus: float = 0.0
    ram: int | str = 0
    gpus: int | None = None
    vram: int | str = 0
    tags: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    software: Mapping[str, str] = field(default_factory=dict[str, str])
    type: str = ""

    def __post_init__(self) -> None:
        self.requirements()

    def requirements(self) -> Requirements:
        """The same, as a server reads it."""
        if not 0 <= self.cpus <= 1_000_000:
            raise ValueError(f"cpus is a number of cores from 0 up, not {self.cpus!r}")
        gpus, vram = self.gpus or 0, _size("vram", self.vram)
        if gpus != int(gpus) or not 0 <= gpus <= MOST_GPUS:
            raise ValueError(f"gpus is a whole number from 0 to {MOST_GPUS}, not {self.gpus!r}; part of one is vram=…")
        if vram and self.gpus is not None and not gpus:
            raise ValueError(
                "vram is of a GPU, and gpus=0 is none: leave gpus out to have so much of one that is shared"
            )
        return Requirements(
            cpus=float(self.cpus),
            ram=_size("ram", self.ram),
            gpus=int(gpus),
            vram=vram,
            tags=names("tags", self.tags),
            labels=texts("labels", self.labels),
            software={name: _versions(name, wanted) for name, wanted in texts("software", self.software).items()},
            type=self.type,
        )


def _size(name: str, size: int | str) -> int:
    try:
        return size_bytes(size)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _versions(name: str, wanted: str) -> str:
    try:
        return check_wanted(wanted)
    except ValueError as error:
        raise ValueError(f"software {name}: {error}") from None


def names(what: str, given: Sequence[str]) -> tuple[str, ...]:
    """A list of names, sorted. Raises TypeError for a lone text, whose letters nobody means."""
    untyped: object = given
    is_list = isinstance(untyped, Iterable) and not isinstance(untyped, str | bytes | Mapping)
    names_given: list[object] = list(given) if is_list else []
    if not is_list or not all(isinstance(each, str) and each for each in names_given):
        raise TypeError(f"{what} is a list of names, not {given!r}")
    return tuple(sorted(set(given)))


def texts(what: str, given: Mapping[str, str]) -> dict[str, str]:
    """Texts by name. Raises TypeError."""
    untyped: object = given
    if not isinstance(untyped, Mapping) or not all(isinstance(each, str) for pair in untyped.items() for each in pair):
        raise TypeError(f"{what} gives each name a text, not {given!r}")
    return dict(given)
