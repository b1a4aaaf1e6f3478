"""What this machine has: cores, RAM, GPUs, less what its limits take away (docs/design/dispatch.md).

| | taken from | limited by |
| --- | --- | --- |
| cores | the processors that this process may run on | the quota of its cgroups, version 1 or 2 |
| RAM | the machine's | the limits of its cgroups |
| GPUs | NVML, by the library `nvidia-ml-py` (the extra `gpu`) | `CUDA_VISIBLE_DEVICES`, which the settings read |
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tidemill.core.requirements import Gpu, Resources
from tidemill.ports.resources import Found

_UNLIMITED = 1 << 60  # cgroups of version 1 say "no limit" by a number that no machine has


class ThisMachine:
    """The Machine port.

    Args:
        visible: the GPUs that this process may use, by index or by how their UUID begins; None: all.
        root: where `proc` and `sys` are.
        nvml: the module that speaks NVML, and the driver's library that tells whether it is worth 18 MiB to import it.
    """

    def __init__(
        self,
        visible: Sequence[str] | None = None,
        root: Path = Path("/"),
        nvml: tuple[str, str] = ("pynvml", "libnvidia-ml.so.1"),
    ) -> None:
        self._visible, self._root = visible, root
        self._nvml, self._driver = nvml

    def look(self) -> Found:
        gpus, note = self._gpus()
        resources = Resources(self._cores(), self._ram(), tuple(gpus))
        return Found(resources, (note,) if note else ())

    def _cores(self) -> float:
        affinity = getattr(os, "sched_getaffinity", None)
        cores = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
        for folder in self._groups("cpu"):
            cores = min(cores, _quota(folder))
        return round(cores, 3)

    def _ram(self) -> int:
        ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        for folder in self._groups("memory"):
            for name in ("memory.max", "memory.limit_in_bytes"):
                limit = _words(folder / name)[:1]
                if limit and limit[0].isdigit() and int(limit[0]) < _UNLIMITED:
                    ram = min(ram, int(limit[0]))
        return ram

    def _groups(self, controller: str) -> Iterator[Path]:
        """Folders of the cgroups around this process, innermost first: each limits what is in it."""
        mounted = self._root / "sys/fs/cgroup"
        for line in _text(self._root / "proc/self/cgroup").splitlines():
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            if not controllers:
                yield from _upwards(mounted, path)
            elif controller in controllers.split(","):
                yield from _upwards(mounted / controllers, path)
                yield from _upwards(mounted / controller, path)

    def _gpus(self) -> tuple[list[Gpu], str]:
        try:
            ctypes.CDLL(self._driver)
        except OSError:
            return [], f"GPUs: there is no driver of NVIDIA's ({self._driver})"
        try:
            nvml = import_module(self._nvml)
        except ImportError:
            return [], 'GPUs are not looked for: pip install "tidemill[gpu]"'
        try:
            return self._seen(nvml)
        finally:
            sys.modules.pop(self._nvml, None)  # what it takes is given back

    def _seen(self, nvml: Any) -> tuple[list[Gpu], str]:
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            return [], f"no GPU that NVML can see: {error}"
        try:
            found = [_gpu_at(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            return [], f"the GPUs cannot be read: {error}"
        finally:
            nvml.nvmlShutdown()
        return [gpu for gpu, names in found if self._may_use(names)], ""

    def _may_use(self, names: tuple[str, str]) -> bool:
        index, uuid = names
        return self._visible is None or any(each == index or uuid.startswith(each) for each in self._visible if each)


def _gpu_at(nvml: Any, index: int) -> tuple[Gpu, tuple[str, str]]:
    """A GPU, and the index and the UUID by which it may be meant."""
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid, model = _as_text(nvml.nvmlDeviceGetUUID(device)), _as_text(nvml.nvmlDeviceGetName(device))
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(device)
    words = {word for word in model.lower().replace("-", " ").split() if any(map(str.isdigit, word))}
    tags = {"nvidia", "cuda", f"sm_{major}{minor}", *words}
    vram = int(nvml.nvmlDeviceGetMemoryInfo(device).total)
    return Gpu(str(index), vram, model, tuple(sorted(tags))), (str(index), uuid)


def _as_text(said: Any) -> str:
    return said.decode() if isinstance(said, bytes) else str(said)


def _upwards(mounted: Path, path: str) -> Iterator[Path]:
    parts = [part for part in path.split("/") if part and part != ".."]
    for count in range(len(parts), -1, -1):
        yield mounted.joinpath(*parts[:count])


def _quota(folder: Path) -> float:
    """Cores that a cgroup may use at once."""
    words = _words(folder / "cpu.max") or [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
    if len(words) != 2 or not all(word.isdigit() for word in words) or words[1] == "0":
        return float("inf")
    return int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
