"""Parameters of a workflow or task as options of the command line, made from its signature."""

import json
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

from tidemill.cli.folders import FolderError, files_of
from tidemill.core.values import Encoding
from tidemill.sdk.definition import Definition
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.file import File
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.signature import Parameter

PREFIX = "param-"  # for a parameter that has the name of an option of ours


class TextType(click.ParamType[Any]):
    """Anything else than files: JSON, @file.json, or the bare text where that fits."""

    def __init__(self, plan: TypePlan) -> None:
        self._plan, self.name = plan, plan.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if value.startswith("@"):
            return self._decoded(_read(value[1:], self.fail), value)
        return value if self._plan.kind is str else self._decoded(value, value)

    def _decoded(self, text: str, shown: str) -> Any:
        reasons = []
        for data in (text, json.dumps(text)):
            try:
                return self._plan.decode_bytes(data.encode(), Encoding.JSON)
            except DoesNotFitError as error:
                reasons.append(str(error))
        return self.fail(f"{shown!r} is no {self._plan.name}: {_clearer(reasons)}")


def _clearer(reasons: Sequence[str]) -> str:
    """Of JSON that is none, what the bare text lacks says more."""
    first, second = reasons
    return second if first.startswith("JSON is malformed") else first


def _read(path: str, fail: Any) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return str(fail(f"cannot read {path}: {error}"))


class ItemsType(click.ParamType[list[Any]]):
    """A list of plain values: one item each time, or all of them as JSON."""

    def __init__(self, kind: Any) -> None:
        self._whole, self._item = TextType(plan_of(kind)), _type_of(get_args(kind)[0])
        self.name = f"{self._item.name} or JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        if isinstance(value, str) and value.lstrip().startswith(("[", "@")):
            return list(self._whole.convert(value, param, ctx))
        return value if isinstance(value, list) else [self._item.convert(value, param, ctx)]


class FilesType(click.ParamType[list[File]]):
    name = "FOLDER or FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[File]:
        try:
            return value if isinstance(value, list) else files_of(Path(value))
        except FolderError as error:
            self.fail(str(error))


class FileType(click.ParamType[File]):
    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> File:
        if isinstance(value, File):
            return value
        if not Path(value).is_file():
            self.fail(f"there is no file {value}")
        return File(value)


def bare(kind: Any) -> Any:
    """A type without `Annotated` and without `| None`."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        members = [each for each in get_args(kind) if each is not type(None)]
        if len(members) == 1:
            return bare(members[0])
    return kind


def is_file(parameter: Parameter) -> bool:
    return bare(parameter.plan.kind) is File


def options_of(definition: Definition[..., Any], taken: Sequence[str]) -> list[click.Option]:
    """One option for each parameter. A File may be left out here: `run` knows where to look for it."""
    return [_option(each, taken) for each in definition.signature.parameters.values()]


def option_name(parameter: str, taken: Sequence[str]) -> str:
    name = parameter.replace("_", "-")
    return f"--{PREFIX}{name}" if name in taken else f"--{name}"


def _option(parameter: Parameter, taken: Sequence[str]) -> click.Option:
    name, kind = option_name(parameter.name, taken), bare(parameter.plan.kind)
    is_required = parameter.is_required and not is_file(parameter)
    text = "" if parameter.is_required else f"[default: {_shown(parameter.default)}]"
    facts: dict[str, Any] = {"required": is_required, "help": text}
    if kind is bool:
        return click.Option([f"{name}/--no-{name[2:]}", parameter.name], **facts)
    many = get_origin(kind) in (list, tuple) and get_args(kind)
    if many and bare(get_args(kind)[0]) is File:
        return click.Option([name, parameter.name], type=FilesType(), multiple=True, **facts)
    return click.Option([name, parameter.name], type=_type_of(kind), multiple=_is_repeated(kind), **facts)


def _type_of(kind: Any) -> click.ParamType[Any]:
    if kind is File:
        return FileType()
    if kind in (int, float):
        return click.INT if kind is int else click.FLOAT
    if get_origin(kind) is Literal and all(isinstance(each, str) for each in get_args(kind)):
        return click.Choice(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return click.Choice(kind)
    if _is_repeated(kind):
        return ItemsType(kind)
    return TextType(plan_of(kind))


def _is_repeated(kind: Any) -> bool:
    """A list of plain values: the option may be given several times."""
    return get_origin(kind) is list and get_args(kind)[0] in (str, int, float)


def _shown(default: Any) -> str:
    return "none" if default is None else str(default.value if isinstance(default, Enum) else default)


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say, by parameter; what was not given is left out."""
    present = {name: value for name, value in given.items() if value is not None and value != ()}
    return {name: _joined(value) if isinstance(value, tuple) else value for name, value in present.items()}


def _joined(many: Sequence[Sequence[Any]]) -> list[Any]:
    """The parts of an option that was given several times."""
    return [item for part in many for item in part]
