"""Preset tasks: common needs, served by a worker that its operator makes of those that it wants.

```python
presets = preset_worker(HttpCall(), Sleep(), Chat(Endpoint("https://llm.example/v1", key=key)))
```
Their names are ``tidemill.http``, ``tidemill.sleep`` and so on, so workflows use them by name alone. A preset of your
own is any callable object with a ``preset_name``.
"""

from typing import Any, Protocol

from tidemill.sdk.worker import Worker


class Preset(Protocol):
    """A callable object: its parameters are inputs of the task, its fields are its operator's options."""

    @property
    def preset_name(self) -> str:
        """The name of the task, without that of the worker."""
        ...

    @property
    def __call__(self) -> Any: ...


def preset_worker(*presets: Preset, name: str = "tidemill") -> Worker:
    """A worker that serves these presets, each under its ``preset_name``, and nothing else."""
    worker = Worker(name)
    for preset in presets:
        worker.add(preset, name=preset.preset_name)
    return worker
