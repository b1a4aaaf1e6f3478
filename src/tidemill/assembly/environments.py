"""The environments of workers that bring their own dependencies."""

from tidemill.adapters.environments.uv_environments import UvEnvironments
from tidemill.adapters.system.faults import faults_of
from tidemill.assembly.settings import Settings, variables_in
from tidemill.ports.environments import Environments


def open_environments(settings: Settings) -> Environments:
    return UvEnvironments(settings.envs or settings.data / "envs", variables_in, faults_of(settings.fault))
