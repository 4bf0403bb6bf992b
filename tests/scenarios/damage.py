"""Files that are right but for one place: text at random is seldom more than a YAML error."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=8)
    | st.sampled_from(["1h", "-1h", "0s", "9" * 30 + "d", "1e400", ".inf", "{*row}", "../..", "\0"])
    | st.sampled_from([10**30, -1, 0, 5, "credit", "flights", "income", "home"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in a document: what holds it, and its key or number there."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield document, key
        if isinstance(value, dict | list):
            yield from places(value)


def damaged(document: Any, data: st.DataObject) -> str:
    """The document as YAML, with one value replaced, taken out, or put under another key."""
    broken = copy.deepcopy(document)
    holder, key = data.draw(st.sampled_from(list(places(broken))))
    how = data.draw(st.sampled_from(["replaced", "removed", "renamed"]))
    if how == "replaced" or isinstance(holder, list):
        holder[key] = data.draw(JUNK)
    elif how == "removed":
        del holder[key]
    else:
        holder[data.draw(st.text(max_size=8))] = holder.pop(key)
    return yaml.safe_dump(broken, allow_unicode=True)
