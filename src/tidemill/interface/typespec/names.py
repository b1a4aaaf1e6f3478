"""What the names in a spec stand for."""

import keyword
from difflib import get_close_matches
from typing import Any

from tidemill.interface.typespec import marks, syntax
from tidemill.interface.typespec.scalars import BUILT_IN, LIBRARIES
from tidemill.interface.typespec.syntax import Place, SpecError

_TYPES = (syntax.Model, syntax.Enumeration, syntax.Union, syntax.Alias, syntax.Scalar)


class Names:
    """The declared types of one spec, by name. Raises SpecError."""

    def __init__(self, spec: syntax.Spec) -> None:
        self._prefixes = (*((f"{spec.namespace}.",) if spec.namespace else ()), *LIBRARIES)
        self.declared: dict[str, Any] = {}
        for each in spec.declarations:
            self._declare(each)

    def _declare(self, each: syntax.Declaration) -> None:
        if not isinstance(each, _TYPES):
            return
        if each.name in self.declared or each.name in BUILT_IN:
            what = "twice" if each.name in self.declared else "although every spec has it"
            raise SpecError(f"{each.name} is declared {what}", each.place)
        check_identifier(each.name, "a type", each.place)
        self.declared[each.name] = each

    def short(self, name: str) -> str:
        """A name without the namespace it may be written with."""
        for prefix in self._prefixes:
            if name.startswith(prefix):
                return name.removeprefix(prefix)
        return name

    def is_mapping(self, name: str) -> bool:
        """Whether a name, written short, is that of a portmapping."""
        return is_mapping(self.declared.get(name))

    def find(self, kind: syntax.Named) -> Any:
        name = self.short(kind.name)
        if name not in self.declared:
            near = get_close_matches(name, [*self.declared, *BUILT_IN], 1)
            hint = f"did you mean {near[0]}?" if near else f"declare it, or use one of {', '.join(sorted(BUILT_IN))}"
            raise SpecError(f"there is no type {kind.name}; {hint}", kind.place)
        return self.declared[name]

    def member_value(self, member: syntax.Member) -> Any:
        declared = self.find(syntax.Named(member.enum, (), member.place))
        if not isinstance(declared, syntax.Enumeration):
            raise SpecError(f"{member.enum} is no enum", member.place)
        for each in declared.members:
            if each.name == member.name:
                return each.name if each.value is None else each.value
        near = get_close_matches(member.name, [each.name for each in declared.members], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SpecError(f"{member.enum} has no member {member.name}{hint}", member.place)


def is_mapping(declared: Any) -> bool:
    return isinstance(declared, syntax.Model) and marks.has(declared.notes, marks.PORTMAPPING)


def check_identifier(name: str, what: str, place: Place) -> None:
    """Callers write the name in Python."""
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        why = (
            "is a word of Python" if keyword.iskeyword(name) else "is no name: letters, digits and '_', a letter first"
        )
        raise SpecError(f"{name!r} {why}; callers in Python could not write it as the name of {what}", place)
