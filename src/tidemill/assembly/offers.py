"""What a worker process offers: as detected, under what its code says, under what its settings say."""

from collections.abc import Mapping, Sequence

from tidemill.adapters.system.machine import ThisMachine
from tidemill.assembly.setting_kinds import SettingsError
from tidemill.assembly.settings import Settings, visible_gpus
from tidemill.core.requirements import DEFAULT_QUEUE, Capability, Resources
from tidemill.ports.resources import Found
from tidemill.sdk.offers import Offers, WorkerOffers, offers_of
from tidemill.sdk.worker import Worker


def detect() -> Found:
    """What this machine has, and notes for people."""
    return ThisMachine(visible_gpus()).look()


def detect_resources() -> Resources:
    """Cores, RAM and GPUs that this process may use, with their ids, VRAM, model and tags; sizes in bytes.

    Limits of cgroups (so, of containers) count; GPUs need the extra ``tidemill[gpu]``. Looks when it is called.
    """
    return detect().resources


def offered(workers: Sequence[Worker], settings: Settings) -> tuple[Capability, dict[str, str]]:
    """What a process with these workers says of itself, and its labels. Raises SettingsError."""
    said = [*(worker.offers for worker in workers), _of_settings(settings)]
    types = sorted({each.type for each in said[:-1] if each.type})
    if len(types) > 1 and not settings.worker_type:
        raise SettingsError(f"the workers of this process have several types, {', '.join(types)}: set one for it")
    capability = Capability(
        type=settings.worker_type or (types[0] if types else ""),
        tags=tuple(sorted({tag for each in said for tag in each.tags})),
        resources=_resources(said),
        software=_joined([each.software for each in said]),
        disk={name: 0 for each in said for name in each.models},
        queues=settings.queues or _queues([worker.offers.queues for worker in workers]),
        cost_per_s=next((each.cost for each in reversed(said) if each.cost is not None), 0.0),
    )
    return capability, _joined([each.labels for each in said])


def _of_settings(settings: Settings) -> Offers:
    given = WorkerOffers(
        tags=settings.tags,
        labels=settings.labels,
        resources=settings.resources,
        software=settings.software,
        models=settings.models,
    )
    if settings.cost is not None:
        given["cost"] = settings.cost
    return offers_of("of the settings", given)


def _resources(said: Sequence[Offers]) -> Resources:
    """The last word on each counts; only what nobody says is detected."""
    cpus = next((each.cpus for each in reversed(said) if each.cpus is not None), None)
    ram = next((each.ram for each in reversed(said) if each.ram is not None), None)
    gpus = next((each.gpus for each in reversed(said) if each.gpus is not None), None)
    if cpus is not None and ram is not None and gpus is not None:
        return Resources(cpus, ram, gpus)
    found = detect_resources()
    return Resources(
        found.cpus if cpus is None else cpus,
        found.ram if ram is None else ram,
        found.gpus if gpus is None else gpus,
    )


def _queues(queues: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """One that names no queue has the default one, beside others in its process that name some."""
    if not any(queues):
        return ()
    return tuple(sorted({queue for each in queues for queue in (each or (DEFAULT_QUEUE,))}))


def _joined(many: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {name: value for each in many for name, value in each.items()}
