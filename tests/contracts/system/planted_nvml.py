"""An NVML with two GPUs, as the library of that name has it; for a machine that has none."""

# ruff: noqa: N802

from types import SimpleNamespace

GIB = 1024**3
GPUS = [
    ("GPU-aaaa-0000", "NVIDIA A10", 24 * GIB, (8, 6)),
    ("GPU-bbbb-1111", "NVIDIA A100-SXM4-80GB", 80 * GIB, (8, 0)),
]
state = SimpleNamespace(is_open=False)


class NVMLError(Exception):
    pass


def nvmlInit() -> None:
    state.is_open = True


def nvmlShutdown() -> None:
    assert state.is_open
    state.is_open = False


def nvmlDeviceGetCount() -> int:
    assert state.is_open
    return len(GPUS)


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    return index


def nvmlDeviceGetUUID(handle: int) -> bytes:
    return GPUS[handle][0].encode()  # older versions of the library give bytes


def nvmlDeviceGetName(handle: int) -> str:
    return GPUS[handle][1]


def nvmlDeviceGetMemoryInfo(handle: int) -> SimpleNamespace:
    return SimpleNamespace(total=GPUS[handle][2])


def nvmlDeviceGetCudaComputeCapability(handle: int) -> tuple[int, int]:
    return GPUS[handle][3]
