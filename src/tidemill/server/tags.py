"""Tags of runs, as requests give them."""

from collections.abc import Mapping

MOST_TAGS = 64
TAG_LIMIT = 256


def wrong_tags(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Place and reason, should they be too many or too long."""
    sizes = [len(text) for pair in tags.items() for text in pair]
    if sizes and (len(tags) > MOST_TAGS or max(sizes) > TAG_LIMIT):
        return [("$.tags", f"are at most {MOST_TAGS}, of at most {TAG_LIMIT} characters each")]
    return []
