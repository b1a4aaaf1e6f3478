"""A sheet as a Mermaid flowchart; states, maps, loops and arms are subgraphs."""

from collections.abc import Iterator, Mapping

from tidemill.graphs.sheet import Box, Sheet
from tidemill.graphs.words import printable

_SHAPES = {
    "input": ("([", "])"), "output": ("([", "])"), "start": ("([", "])"), "success": ("(((", ")))"),
    "failure": ("(((", ")))"), "constant": ("[/", "/]"), "wait": ("{{", "}}"),
}  # fmt: skip
# What a quoted text may not hold as it is: an entity says it. `#` and `;` make entities.
_ENTITIES = {ord(each): f"#{ord(each)};" for each in '"#;<>&`\\{}[]|'}


def mermaid_of(sheet: Sheet) -> str:
    ids = {box.id: f"n{number}" for number, box in enumerate(sheet.all_boxes())}
    return "\n".join(["flowchart TD", *_lines(sheet, ids, "  ")]) + "\n"


def _lines(sheet: Sheet, ids: Mapping[str, str], indent: str) -> Iterator[str]:
    for box in sheet.boxes:
        name, text = ids[box.id], _text(box)
        if box.inner is not None and box.inner.boxes:
            yield f'{indent}subgraph {name}["{text}"]'
            yield from _lines(box.inner, ids, indent + "  ")
            yield f"{indent}end"
        else:
            left, right = _SHAPES.get(box.kind, ("[", "]"))
            yield f'{indent}{name}{left}"{text}"{right}'
    for line in sheet.lines:
        arrow = "-.->" if line.soft else "-->"
        label = f'|"{_escaped(line.label)}"|' if line.label else ""
        yield f"{indent}{ids[line.source]} {arrow}{label} {ids[line.target]}"


def _text(box: Box) -> str:
    return "<br/>".join(map(_escaped, (box.title, *box.lines)))


def _escaped(text: str) -> str:
    return printable(" ".join(text.split())).translate(_ENTITIES)
