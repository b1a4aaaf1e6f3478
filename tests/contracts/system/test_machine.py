"""What a machine has: this one, and planted ones with the limits of containers."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.contracts.system import planted_nvml
from tidemill.adapters.system.machine import ThisMachine
from tidemill.assembly.offers import detect_resources, offered
from tidemill.assembly.settings import SettingsError, read_settings, visible_gpus
from tidemill.core.requirements import Capability, Gpu, Resources
from tidemill.sdk.worker import Worker

GIB = 1024**3
DRIVER = "libc.so.6"  # stands for one that is there
PLANTED = (planted_nvml.__name__, DRIVER)
NO_NVML = ("tests.contracts.system.there_is_no_such_module", DRIVER)


def planted(root: Path, **files: str) -> ThisMachine:
    """A machine with these files; `__` stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ThisMachine(root=root, nvml=NO_NVML)


@pytest.mark.feature("D7")
def test_this_machine_has_what_its_process_may_use() -> None:
    found = detect_resources()
    assert 0 < found.cpus <= len(os.sched_getaffinity(0))
    assert 0 < found.ram <= psutil.virtual_memory().total


@pytest.mark.feature("D7")
def test_a_process_that_may_run_on_one_core_has_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from tidemill import detect_resources; print(detect_resources().cpus <= 1)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == "True\n"


@pytest.mark.feature("D7")
def test_the_quota_of_a_cgroup_counts_and_so_does_one_around_it(tmp_path: Path) -> None:
    machine = planted(
        tmp_path,
        proc__self__cgroup="0::/pod/box\n",
        sys__fs__cgroup__pod__box__cpu_dot_max="150000 100000\n",
        sys__fs__cgroup__pod__cpu_dot_max="50000 100000\n",
        sys__fs__cgroup__pod__box__memory_dot_max="max\n",
        sys__fs__cgroup__pod__memory_dot_max=f"{64 * 1024**2}\n",
    )
    found = machine.look().resources
    assert (found.cpus, found.ram) == (0.5, 64 * 1024**2)


@pytest.mark.feature("D7")
def test_cgroups_of_version_1_count_too(tmp_path: Path) -> None:
    found = (
        planted(
            tmp_path,
            proc__self__cgroup="4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
            **{
                "sys__fs__cgroup__cpu,cpuacct__docker__abc__cpu_dot_cfs_quota_us": "25000\n",
                "sys__fs__cgroup__cpu,cpuacct__docker__abc__cpu_dot_cfs_period_us": "100000\n",
                "sys__fs__cgroup__memory__memory_dot_limit_in_bytes": f"{32 * 1024**2}\n",
            },
        )
        .look()
        .resources
    )
    assert (found.cpus, found.ram) == (0.25, 32 * 1024**2)


@pytest.mark.parametrize("quota", ["max 100000", "-1 100000", "100000 0", "", "what"])
def test_a_quota_that_is_none_limits_nothing(tmp_path: Path, quota: str) -> None:
    machine = planted(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__cpu_dot_max=quota)
    assert machine.look().resources.cpus == len(os.sched_getaffinity(0))


@pytest.mark.feature("D7")
def test_gpus_have_an_id_vram_model_and_tags() -> None:
    found = ThisMachine(nvml=PLANTED).look()
    assert found.notes == ()
    assert found.resources.gpus == (
        Gpu("0", 24 * GIB, "NVIDIA A10", ("a10", "cuda", "nvidia", "sm_86")),
        Gpu("1", 80 * GIB, "NVIDIA A100-SXM4-80GB", ("80gb", "a100", "cuda", "nvidia", "sm_80", "sxm4")),
    )


@pytest.mark.parametrize(
    ("said", "ids"),
    [(None, ["0", "1"]), ("1", ["1"]), ("GPU-aaaa", ["0"]), ("1,0", ["0", "1"]), ("", []), ("-1", [])],
)
def test_gpus_that_the_process_may_not_see_are_left_out(said: str | None, ids: list[str]) -> None:
    environment = {} if said is None else {"CUDA_VISIBLE_DEVICES": said}
    found = ThisMachine(visible_gpus(environment), nvml=PLANTED).look()
    assert [gpu.id for gpu in found.resources.gpus] == ids


@pytest.mark.feature("D7")
def test_a_machine_without_the_library_or_without_a_gpu_says_so() -> None:
    absent = ThisMachine(nvml=NO_NVML).look()
    assert absent.resources.gpus == ()
    assert absent.notes == ('GPUs are not looked for: pip install "tidemill[gpu]"',)
    driverless = ThisMachine(nvml=("pynvml", "libthere-is-none.so")).look()
    assert driverless.notes == ("GPUs: there is no driver of NVIDIA's (libthere-is-none.so)",)
    real = ThisMachine(visible=[], nvml=("pynvml", DRIVER)).look()  # the real library, whether there is a GPU or not
    assert real.resources.gpus == ()
    assert all("pip install" not in note for note in real.notes)
    assert "pynvml" not in sys.modules, "it is large, and is let go"


def test_nothing_is_looked_for_at_import() -> None:
    code = "import sys, tidemill; tidemill.Worker; print('pynvml' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == "False\n"


# What a process offers -----------------------------------------------------------------------------


@pytest.mark.feature("D7")
def test_settings_stand_over_code_and_code_over_what_is_detected() -> None:
    one = Worker("one", resources={"cpus": 2, "ram": "1GiB"}, software={"ffmpeg": "5", "sox": "14"}, models=["a"])
    two = Worker("two", tags=["fast"], labels={"zone": "a"}, type="gpu", cost=2.0)
    environment = {
        "TIDEMILL_RESOURCES": "cpus=1,gpus=0:24GiB+GPU-x:8GiB",
        "TIDEMILL_SOFTWARE": "ffmpeg=6.1",
        "TIDEMILL_TAGS": "eu",
        "TIDEMILL_LABELS": "zone=b",
        "TIDEMILL_MODELS": "b",
        "TIDEMILL_COST": "0.5",
        "TIDEMILL_WORKER_TYPE": "box",
    }
    offers, labels = offered([one, two], read_settings({}, environment))
    assert offers == Capability(
        type="box",
        tags=("eu", "fast"),
        resources=Resources(1.0, GIB, (Gpu("0", 24 * GIB), Gpu("GPU-x", 8 * GIB))),
        software={"ffmpeg": "6.1", "sox": "14"},
        disk={"a": 0, "b": 0},
        cost_per_s=0.5,
    )
    assert labels == {"zone": "b"}
    nothing_said, _ = offered([Worker("plain")], read_settings({}, {}))
    assert nothing_said.resources == detect_resources()


def test_workers_of_one_process_share_their_queues_and_must_agree_on_a_type() -> None:
    night, plain = Worker("night", queues=["night"], type="a"), Worker("plain", type="b")
    with pytest.raises(SettingsError, match="have several types, a, b: set one"):
        offered([night, plain], read_settings({}, {}))
    set_one = read_settings({"worker_type": "c", "resources": "cpus=1,ram=1GiB,gpus=none"}, {})
    assert offered([night, plain], set_one)[0].queues == ("default", "night")
    assert offered([plain], set_one)[0].queues == ()
    only_night = read_settings({"queues": "night", "worker_type": "c"}, {})
    assert offered([plain], only_night)[0].queues == ("night",)


@pytest.mark.parametrize(
    "text", ["cores=4", "cpus=many", "cpus=-1", "cpus=0", "ram=much", "gpus=2", "gpus=:1GiB", "gpus=0:x", "4", "cpus"]
)
def test_a_setting_of_resources_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"TIDEMILL_RESOURCES is .*expected such as cpus=4,ram=16GiB"):
        read_settings({}, {"TIDEMILL_RESOURCES": text})
