"""A type's plan: how its values are encoded and decoded, made once per type.

Between our own parts a value is msgpack by the table of docs/design/values.md; constants of graphs are JSON.
Nothing is recorded that cannot be read again: a value is encoded, and then decoded as its declared type.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from tidemill.core.bodies import Encoded, LocalFile
from tidemill.core.fit import view_of
from tidemill.core.graph import Schema
from tidemill.core.ids import parse_digest
from tidemill.core.nesting import NESTING_LIMIT, TooDeepError, read_plain
from tidemill.core.run import Adjustment
from tidemill.core.values import Argument, Encoding, FieldPath, Given, GivenList, GivenRecord, Inline
from tidemill.sdk import carriers
from tidemill.sdk.along import Along
from tidemill.sdk.clamps import corrected
from tidemill.sdk.codecs import Codec, Encoders
from tidemill.sdk.directory import Directory, Folder
from tidemill.sdk.directory import to_wire as directory_to_wire
from tidemill.sdk.errors import DoesNotFitError, InvalidInputError
from tidemill.sdk.file import File, Locate, to_upload, to_wire
from tidemill.sdk.forms import form_of, name_of
from tidemill.sdk.misfits import SOME_KEY, NoFormError, unsendable, with_key
from tidemill.sdk.schemas import schema_of
from tidemill.sdk.traits import Trait

_BYTES = (bytes, bytearray, memoryview)
_EXACT = (int, str, float, bool, bytes, type(None))
_PLACE = re.compile(r" - at (?:`key` in )?`\$([^`]*)`$")

_SORTED: Literal["deterministic"] = "deterministic"  # sorts the keys of dicts too
_packer = msgspec.msgpack.Encoder()


class TypePlan:
    """How values of one type are encoded and decoded."""

    def __init__(self, kind: Any, codecs: tuple[Codec[Any, Any], ...] = ()) -> None:
        form = form_of(kind, codecs)
        self.codecs, self._encoders = codecs, form.encoders
        self.kind, self.wire, self.traits = kind, form.wire, form.traits
        self._exact = kind if kind in _EXACT else None
        self._rewrites = bool(self.traits & (Trait.DATES | Trait.KEYS | Trait.ANYTHING | Trait.SETS))
        self._by_steps, self._nests = Trait.KEYS in self.traits, Trait.NESTED in self.traits
        self._unpack = msgspec.msgpack.Decoder(form.wire, dec_hook=carriers.read_custom).decode

    @property
    def may_hold_files(self) -> bool:
        """Encoding may then read local files, and decoded ones may fetch theirs: both block."""
        return Trait.FILES in self.traits

    @functools.cached_property
    def schema(self) -> Schema:
        return schema_of(self.wire)

    @property
    def name(self) -> str:
        return name_of(self.kind)

    @functools.cached_property
    def _json(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.wire, dec_hook=carriers.read_custom)

    def encode(self, value: Any) -> Encoded:
        """Raises DoesNotFitError for a value that is not of this type."""
        if self._exact is not None and type(value) is self._exact:
            return Encoded(_pack(_packer, value))
        files = _Files(self._encoders)
        encoder = msgspec.msgpack.Encoder(enc_hook=files.plain_of)
        data = _pack(encoder, self._plain(value, files) if self._rewrites else value)
        self.decode_bytes(data, Encoding.MSGPACK)
        return Encoded(data, tuple(files.refs), tuple(files.local))

    def plain(self, value: Any) -> Any:
        """A value as plain JSON data, bytes in base64, files by digest. Raises DoesNotFitError."""
        data = self.encode(value).data
        try:
            _refuse_nan(plain := read_plain(data, Encoding.MSGPACK))
            return msgspec.to_builtins(plain)
        except ValueError as error:
            raise DoesNotFitError(str(error)) from None

    def decode(self, argument: Argument, locate: Locate | None = None) -> Any:
        """The value of an argument whose blobs and remote lists have been fetched. Raises DoesNotFitError."""
        if locate is None or not self.may_hold_files:
            return self._decoded(argument)
        with _locating(locate):
            return self._decoded(argument)

    def decode_input(
        self, argument: Argument, locate: Locate | None = None, folder: Folder | None = None
    ) -> tuple[Any, tuple[Adjustment, ...]]:
        """As ``decode``, of what a task takes in: with the numbers that a Clamp corrected, and their corrections.

        Args:
            folder: where a Directory may be laid out.
        """
        token = carriers.laying.set(folder)
        try:
            if Trait.CLAMPED not in self.traits:
                return self.decode(argument, locate), ()
            plain, found = corrected(_plain_of(argument), self.schema)
            with _locating(locate):
                return self.of_plain(plain), found
        finally:
            carriers.laying.reset(token)

    def _decoded(self, argument: Argument) -> Any:
        if isinstance(argument, Given) and not argument.fields and isinstance(argument.value, Inline):
            return self.decode_bytes(argument.value.data, argument.value.encoding)
        return self.of_plain(_plain_of(argument))

    def of_plain(self, plain: Any) -> Any:
        """Plain data, from msgpack or from JSON, as a value; Files in it stay. Raises DoesNotFitError."""
        try:
            return carriers.convert(plain, self.wire)
        except msgspec.ValidationError as error:
            raise self._named(_misfit(error), plain) from error.__cause__

    def _named(self, misfit: DoesNotFitError, plain: Any) -> DoesNotFitError:
        """The misfit with the key of a dict in its path, which msgspec leaves out."""
        path = with_key(misfit.path, plain, self._fault_of) if SOME_KEY in misfit.path else misfit.path
        if path == misfit.path:
            return misfit
        inner = [(path + place.removeprefix(misfit.path), text) for place, text in misfit.violations]
        return DoesNotFitError(misfit.reason, path, inner)

    def _fault_of(self, plain: Any) -> str:
        try:
            carriers.convert(plain, self.wire)
        except msgspec.ValidationError as error:
            return _misfit(error).path
        return ""

    def decode_bytes(self, data: bytes, encoding: Encoding) -> Any:
        """Raises DoesNotFitError."""
        try:
            return self._read(data, encoding)
        except msgspec.ValidationError as error:
            misfit = _misfit(error)
            if SOME_KEY in misfit.path:
                misfit = self._named(misfit, _plain_of(Given(Inline(data, encoding))))
            raise misfit from error.__cause__
        except msgspec.MsgspecError as error:
            raise _misfit(error) from error.__cause__
        except (UnicodeDecodeError, RecursionError, TooDeepError) as error:
            raise unsendable(error, None) from None

    def _read(self, data: bytes, encoding: Encoding) -> Any:
        if self._nests and len(data) > NESTING_LIMIT:
            plain = read_plain(data, encoding)  # for its bound alone, where the type says more than Any
            if self.wire is Any:
                return plain
        if encoding is Encoding.JSON:
            return self._json.decode(data)
        if self._by_steps:
            return carriers.convert(read_plain(data, encoding), self.wire)
        return self._unpack(data)

    def _plain(self, value: Any, files: "_Files") -> Any:
        may_sort = Trait.SETS in self.traits and not self.traits & (Trait.ANYTHING | Trait.MIXED)
        order = _SORTED if may_sort else None
        try:
            plain = msgspec.to_builtins(
                value, builtin_types=_BYTES, str_keys=True, enc_hook=files.plain_of, order=order
            )
            return _Sorting().value(plain, view_of(self.schema), "$") if Trait.MIXED in self.traits else plain
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise unsendable(error, value) from None


@functools.lru_cache(maxsize=4096)
def _shared(kind: Any, codecs: tuple[Codec[Any, Any], ...]) -> TypePlan:
    return TypePlan(kind, codecs)


def plan_of(kind: Any, codecs: tuple[Codec[Any, Any], ...] = ()) -> TypePlan:
    """Raises DefinitionError for a type that has no wire form.

    Args:
        codecs: of classes that may occur inside.
    """
    try:
        hash(kind)
    except TypeError:
        return TypePlan(kind, codecs)
    return _shared(kind, codecs)


def encode_all(values: Mapping[str, Any], plan_for: Callable[[str], TypePlan]) -> dict[str, Encoded]:
    """Values by name. Raises InvalidInputError with each that does not fit."""
    encoded: dict[str, Encoded] = {}
    violations: list[tuple[str, str]] = []
    for name, value in values.items():
        try:
            encoded[name] = plan_for(name).encode(value)
        except DoesNotFitError as error:
            violations += [(f"$.{name}{path[1:]}", text) for path, text in error.violations]
    if violations:
        raise InvalidInputError("", violations)
    return encoded


class _Sorting(Along):
    """Sets in one order, whatever they hold."""

    def array(self, items: list[Any], schema: Schema) -> list[Any]:
        return sorted(items, key=_packer.encode) if schema.get("uniqueItems") else items


@contextlib.contextmanager
def _locating(locate: Locate | None) -> Iterator[None]:
    """Files that are decoded meanwhile find their bytes by it."""
    token = carriers.locating.set(locate)
    try:
        yield
    finally:
        carriers.locating.reset(token)


class _Files:
    """msgspec's ``enc_hook``, which sees each file of a value on its way."""

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self.refs: dict[bytes, None] = {}
        self.local: dict[LocalFile, None] = {}

    def plain_of(self, value: Any) -> Any:
        if isinstance(value, File):
            return self._of_file(value)
        if isinstance(value, Directory):
            return directory_to_wire(value)
        if isinstance(value, PurePath):
            return str(value)
        if hasattr(type(value), "__pydantic_validator__"):
            return value.model_dump(by_alias=True)
        for cls in type(value).__mro__:
            if (encode := self._encoders.get(cls)) is not None:
                return encode(value)
        raise NoFormError(f"a {type(value).__name__} cannot be sent" + _advice(value), value)

    def _of_file(self, file: File) -> Any:
        form = to_wire(file)
        self.refs[parse_digest(file.digest)] = None
        if (local := to_upload(file)) is not None:
            self.local[local] = None
        return form


def _advice(value: Any) -> str:
    """For numpy's own numbers and arrays, which come where plain ones are declared."""
    if type(value).__module__ != "numpy":
        return ""
    return " where its type does not say so; annotate it, or use .tolist()" if hasattr(value, "shape") else ""


def _pack(encoder: msgspec.msgpack.Encoder, value: Any) -> bytes:
    try:
        return encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise unsendable(error, value) from None


def _plain_of(argument: Argument) -> Any:
    try:
        return _assembled(argument)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TooDeepError) as error:
        raise unsendable(error, None) from None


def _assembled(argument: Argument) -> Any:
    match argument:
        case Given(value=Inline() as value, fields=fields):
            return _followed(read_plain(value.data, value.encoding), fields)
        case GivenList(items=items):
            return [_assembled(item) for item in items]
        case GivenRecord(fields=parts):
            return {name: _assembled(part) for name, part in parts.items()}
        case _:
            raise DoesNotFitError("a value that lies elsewhere was not fetched")


def _followed(plain: Any, fields: FieldPath) -> Any:
    for place, field in enumerate(fields):
        try:
            plain = plain[field]
        except (LookupError, TypeError):
            raise DoesNotFitError(f"there is no {field!r}", path_text(fields[:place])) from None
    return plain


def path_text(fields: FieldPath) -> str:
    """A field path as a JSON path."""
    return "$" + "".join(f"[{field}]" if isinstance(field, int) else f".{field}" for field in fields)


def _misfit(error: Exception) -> DoesNotFitError:
    """The error with its path, which msgspec adds at the end of the text, a carrier's inner path before it."""
    reason, path = str(error), "$"
    while (found := _PLACE.search(reason)) is not None:
        reason, path = reason[: found.start()], path + found[1]
    inner = error.__cause__
    found_inside = inner.violations if isinstance(inner, carriers.ManyFaultsError) else ()
    return DoesNotFitError(reason, path, [(path + step, text) for step, text in found_inside])


def _refuse_nan(plain: Any) -> None:
    if isinstance(plain, float) and (plain != plain or plain in (float("inf"), float("-inf"))):  # noqa: PLR0124
        raise DoesNotFitError(f"{plain} has no form in JSON")
    for each in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        _refuse_nan(each)
