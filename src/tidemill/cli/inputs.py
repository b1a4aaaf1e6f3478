"""Parameters of a workflow or task as options of the command line, made from its signature."""

import json
import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

from tidemill.cli.folders import FolderError, files_of
from tidemill.core.values import Encoding
from tidemill.sdk.definition import Definition
from tidemill.sdk.directory import Directory
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
        return self.fail(f"{shown!r} is no {self._plan.name}: {_clearer(text, reasons)}")


def _clearer(text: str, reasons: Sequence[str]) -> str:
    """Of what is no JSON and does not begin like it, what the bare text lacks says more."""
    as_json, as_bare_text = reasons
    return as_json if _is_json(text) or text.lstrip()[:1] in ("{", "[", '"') else as_bare_text


def _read(path: str, fail: Any) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return str(fail(f"cannot read {path}: {error}"))


class ItemsType(click.ParamType[list[Any]]):
    """Several values of one type: one of them each time, or all of them as JSON."""

    def __init__(self, kind: Any) -> None:
        self._whole, self._item = TextType(plan_of(kind)), _type_of(bare(get_args(kind)[0]))
        self._is_text = bare(get_args(kind)[0]) is str
        self.name = f"{self._item.name} or JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        if isinstance(value, list):
            return value
        if value.startswith("@"):
            return list(self._whole.convert(value, param, ctx))
        if not value.lstrip().startswith("[") or (self._is_text and not _is_json(value)):
            return [self._item.convert(value, param, ctx)]
        try:
            return list(self._whole.convert(value, param, ctx))
        except click.BadParameter:
            if not isinstance(self._item, ItemsType):
                raise
            return [self._item.convert(value, param, ctx)]  # a list of lists: this is one of those inside


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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


class DirectoryType(click.ParamType[Directory]):
    name = "FOLDER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Directory:
        if isinstance(value, Directory):
            return value
        if not Path(value).is_dir():
            self.fail(f"there is no folder {value}")
        return Directory(value)


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
        return _repeated(name, parameter, FilesType(), list, facts)
    if (container := _container_of(kind)) is not None:
        return _repeated(name, parameter, ItemsType(kind), container, facts)
    return click.Option([name, parameter.name], type=_type_of(kind), **facts)


def _repeated(
    name: str, parameter: Parameter, kind: click.ParamType[Any], container: Callable[..., Any], facts: Mapping[str, Any]
) -> click.Option:
    """An option that may be given several times; its value is all parts in one, None when there are none."""

    def joined(_ctx: click.Context, _param: click.Parameter, parts: Sequence[Sequence[Any]]) -> Any:
        return container(item for part in parts for item in part) if parts else None

    return click.Option([name, parameter.name], type=kind, multiple=True, callback=joined, **facts)


def _type_of(kind: Any) -> click.ParamType[Any]:
    if kind is Directory:
        return DirectoryType()
    if kind is File:
        return FileType()
    if kind in (int, float):
        return click.INT if kind is int else click.FLOAT
    if get_origin(kind) is Literal and all(isinstance(each, str) for each in get_args(kind)):
        return click.Choice(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return click.Choice(kind)
    if _container_of(kind) is not None:
        return ItemsType(kind)
    return TextType(plan_of(kind))


def _container_of(kind: Any) -> Callable[..., Any] | None:
    """What makes the value of a type with many items of one type; None for other types."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple if arguments[1:] == (...,) else None
    return _CONTAINERS.get(origin)


_CONTAINERS: dict[Any, Callable[..., Any]] = {list: list, Sequence: list, set: set, frozenset: frozenset}


def _shown(default: Any) -> str:
    return "none" if default is None else str(default.value if isinstance(default, Enum) else default)


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say, by parameter; what was not given is left out."""
    return {name: value for name, value in given.items() if value is not None}
