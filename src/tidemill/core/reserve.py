"""What a worker has left, and what of it an attempt is granted. The sum of what is granted never exceeds what it has.

CPUs are counted in thousandths, so that sums are exact.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.requirements import Capability, Granted, Requirements, suited_gpus

_THOUSANDTHS = 1000


class FreeGpu(Struct):
    vram: int  # bytes left
    total: int
    alone: int = 0  # attempts that have it to themselves: 0, or 1
    shared: int = 0  # attempts on it


class Free(Struct):
    """Changed as attempts come and go. After a worker says hello with less than it had, amounts may be negative."""

    cpus: int  # thousandths
    ram: int
    gpus: dict[str, FreeGpu]

    def copy(self) -> "Free":
        return Free(self.cpus, self.ram, {name: replace(gpu) for name, gpu in self.gpus.items()})

    def take(self, granted: Granted) -> None:
        self._move(granted, 1)

    def give(self, granted: Granted) -> None:
        self._move(granted, -1)

    def _move(self, granted: Granted, sign: int) -> None:
        self.cpus -= sign * thousandths(granted.cpus)
        self.ram -= sign * granted.ram
        for name in granted.gpus:
            if gpu := self.gpus.get(name):
                gpu.vram -= sign * granted.vram
                if granted.is_alone:
                    gpu.alone += sign
                else:
                    gpu.shared += sign


def covers(free: Free, granted: Granted) -> bool:
    """Whether all of a grant is free again."""
    if thousandths(granted.cpus) > free.cpus or granted.ram > free.ram:
        return False
    gpus = [free.gpus.get(name) for name in granted.gpus]
    return all(
        gpu is not None and gpu.vram >= granted.vram and not gpu.alone and not (granted.is_alone and gpu.shared)
        for gpu in gpus
    )


def thousandths(cpus: float) -> int:
    return round(cpus * _THOUSANDTHS)


def free_of(offered: Capability, granted: Iterable[Granted] = ()) -> Free:
    """What a worker has beside what it has granted."""
    has = offered.resources
    free = Free(thousandths(has.cpus), has.ram, {gpu.id: FreeGpu(gpu.vram, gpu.vram) for gpu in has.gpus})
    for each in granted:
        free.take(each)
    return free


def reserve(needs: Requirements, free: Free, offered: Capability) -> Granted | None:
    """What an attempt is given, by the tightest fit; None when something is not free now. ``free`` stays."""
    if thousandths(needs.cpus) > free.cpus or needs.ram > free.ram:
        return None
    if not needs.gpus and not needs.vram:
        return Granted(needs.cpus, needs.ram)
    gpus = _gpus(needs, free, offered)
    if gpus is None:
        return None
    return Granted(needs.cpus, needs.ram, gpus, needs.vram, is_alone=bool(needs.gpus))


def _gpus(needs: Requirements, free: Free, offered: Capability) -> tuple[str, ...] | None:
    suited = [(gpu.id, free.gpus[gpu.id]) for gpu in suited_gpus(needs, offered)]
    if needs.gpus:
        able = [(gpu.total, name) for name, gpu in suited if not (gpu.alone or gpu.shared) and gpu.total >= needs.vram]
        count = needs.gpus
    else:
        able = [(gpu.vram, name) for name, gpu in suited if not gpu.alone and gpu.vram >= needs.vram]
        count = 1
    return tuple(name for _, name in sorted(able)[:count]) if len(able) >= count else None
