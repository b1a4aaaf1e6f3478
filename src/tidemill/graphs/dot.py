"""A sheet in the language of Graphviz; what holds others is a cluster, and lines end at its border."""

from collections.abc import Iterator

from tidemill.graphs.sheet import Box, Sheet
from tidemill.graphs.words import printable

_SHAPES = {
    "input": "oval", "output": "oval", "start": "oval", "success": "doublecircle", "failure": "doublecircle",
    "constant": "note", "wait": "hexagon",
}  # fmt: skip


def dot_of(sheet: Sheet, title: str) -> str:
    head = ("  compound=true", '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11]')
    return "\n".join([f"digraph {_quoted(title)} {{", *head, *_lines(sheet, "  "), "}"]) + "\n"


def _lines(sheet: Sheet, indent: str) -> Iterator[str]:
    boxes = {box.id: box for box in sheet.boxes}
    for box in sheet.boxes:
        if _holds(box):
            yield f"{indent}subgraph {_quoted('cluster ' + box.id)} {{"
            yield f"{indent}  label={_label(box)}"
            yield from _lines(box.inner or Sheet(), indent + "  ")
            yield f"{indent}}}"
        else:
            yield f"{indent}{_quoted(box.id)} [label={_label(box)}, shape={_SHAPES.get(box.kind, 'box')}]"
    for line in sheet.lines:
        source, target = boxes[line.source], boxes[line.target]
        said = [f"label={_quoted(line.label)}"] if line.label else []
        said += ["style=dashed"] if line.soft else []
        said += [f"ltail={_quoted('cluster ' + source.id)}"] if _holds(source) else []
        said += [f"lhead={_quoted('cluster ' + target.id)}"] if _holds(target) else []
        yield f"{indent}{_quoted(_leaf(source))} -> {_quoted(_leaf(target))}" + (
            f" [{', '.join(said)}]" if said else ""
        )


def _holds(box: Box) -> bool:
    return box.inner is not None and bool(box.inner.boxes)


def _leaf(box: Box) -> str:
    while box.inner is not None and box.inner.boxes:
        box = box.inner.boxes[0]
    return box.id


def _label(box: Box) -> str:
    return _quoted("\n".join((box.title, *box.lines)))


def _quoted(text: str) -> str:
    text = "\n".join(map(printable, text.split("\n")))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
