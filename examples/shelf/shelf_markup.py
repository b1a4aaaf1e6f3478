"""The words of HTML and XML-like markup, without its tags."""

import re
from html.parser import HTMLParser

_SILENT = frozenset({"script", "style", "template", "noscript", "iframe", "object"})
_INLINE = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins"}
    | {"kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup"}
    | {"time", "tspan", "tt", "u", "var", "wbr"}
)


def words_of_markup(source: str) -> str:
    """Give the text a reader would see, a block per element that is not inline; broken markup is fine."""
    reader = _Words()
    reader.feed(_without_traps(source))
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.parts).split("\n\n")]
    kept = [line for line in lines if line]
    # A page's title and its first heading are often the same words.
    return "\n\n".join(line for at, line in enumerate(kept) if at == 0 or line != kept[at - 1])


def _without_traps(source: str) -> str:
    """Drop comments, declarations and endless tags, on which the parser takes quadratic time when they do not close."""
    source = re.sub(r"<!--.*?(?:-->|\Z)", " ", source, flags=re.DOTALL)
    source = re.sub(r"<[!?][^>]*(?:>|\Z)", " ", source)
    end = source.rfind(">")
    cut = source.find("<", end + 1)
    return source if cut < 0 else source[:cut] + source[cut:].replace("<", " ")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag not in _INLINE:
            self.parts.append("\n\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _INLINE:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag not in _INLINE:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)
