"""Terms of a graph: inputs, which say where a value comes from, and conditions over them.

```text
Input       ref | const | list | record
Condition   compare | true | present | has | contains | not | all | any
```
"""

from enum import Enum
from typing import Any

from msgspec import Struct

VALUE = "value"  # the port of an output that is not a NamedTuple


class Ref(Struct, frozen=True, tag="ref", omit_defaults=True):
    """An output port of a node, or (node "") an input of the graph; ``fields`` leads into the value."""

    node: str = ""
    port: str = VALUE
    fields: tuple[str | int, ...] = ()


class Constant(Struct, frozen=True, tag="const"):
    value: Any  # plain JSON, by the table of values


class ListExpr(Struct, frozen=True, tag="list"):
    items: tuple["Input", ...]


class RecordExpr(Struct, frozen=True, tag="record"):
    fields: dict[str, "Input"]


Input = Ref | Constant | ListExpr | RecordExpr


# Conditions ----------------------------------------------------------------------------------------


class Comparison(Enum):
    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


class Size(Struct, frozen=True, tag="size"):
    """The length of a list, record or text."""

    of: Input


class StatusOf(Struct, frozen=True, tag="status"):
    """The status of a node, or of a state's latest visit: `success`, one that its task set, `failure`, `timeout`."""

    of: str


class Calculation(Enum):
    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    DIVIDED = "/"
    MODULO = "%"


class Calc(Struct, frozen=True, tag="calc"):
    """Numbers; ``+`` joins texts and lists too."""

    op: Calculation
    left: "Operand"
    right: "Operand"


Operand = Ref | Constant | ListExpr | RecordExpr | Size | StatusOf | Calc


class Compare(Struct, frozen=True, tag="compare"):
    op: Comparison
    left: Operand
    right: Operand


class IsTrue(Struct, frozen=True, tag="true"):
    of: Ref


class Present(Struct, frozen=True, tag="present"):
    """The value is not null."""

    of: Ref


class Has(Struct, frozen=True, tag="has"):
    """The place exists, and its value is not null."""

    of: Ref


class Contains(Struct, frozen=True, tag="contains"):
    """A list has the item, a record the key, a text the part."""

    item: Operand
    within: Operand


class Not(Struct, frozen=True, tag="not"):
    of: "Condition"


class AllOf(Struct, frozen=True, tag="all"):
    of: tuple["Condition", ...]


class AnyOf(Struct, frozen=True, tag="any"):
    of: tuple["Condition", ...]


Condition = Compare | IsTrue | Present | Has | Contains | Not | AllOf | AnyOf
