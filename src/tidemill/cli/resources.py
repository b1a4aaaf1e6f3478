"""What a worker would offer, for people: in `tidemill worker --resources` and `tidemill doctor`."""

from collections.abc import Iterator

from tidemill.core.requirements import Capability, Gpu, Resources
from tidemill.core.sizes import size_text


def outlined(resources: Resources) -> str:
    """In one line: ``8 cores, 31.2 GiB of RAM, 1 GPU (NVIDIA A10, 24 GiB)``."""
    gpus = ", ".join(f"{gpu.model or gpu.id}, {size_text(gpu.vram)}" for gpu in resources.gpus)
    count = len(resources.gpus)
    what = f"{count} GPU{'s' if count > 1 else ''} ({gpus})" if count else "no GPU"
    return f"{resources.cpus:g} cores, {size_text(resources.ram)} of RAM, {what}"


def listed(offers: Capability, labels: dict[str, str]) -> Iterator[tuple[str, str]]:
    """A line each, with what it is about."""
    yield "type", offers.type
    yield "cores", f"{offers.resources.cpus:g}"
    yield "RAM", size_text(offers.resources.ram)
    for gpu in offers.resources.gpus:
        yield f"GPU {gpu.id}", _gpu(gpu)
    yield "tags", ", ".join(offers.tags)
    yield "labels", _pairs(labels)
    yield "software", ", ".join(f"{name} {version}".rstrip() for name, version in offers.software.items())
    hot = [f"{name} (in memory)" for name in offers.hot]
    yield "models", ", ".join([*hot, *(name for name in offers.disk if name not in offers.hot)])
    yield "queues", ", ".join(offers.queues) or "all"
    yield "cost", f"{offers.cost_per_s:g} a second" if offers.cost_per_s else ""


def _gpu(gpu: Gpu) -> str:
    return " ".join(filter(None, [size_text(gpu.vram), gpu.model, f"({', '.join(gpu.tags)})" if gpu.tags else ""]))


def _pairs(pairs: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs.items())
