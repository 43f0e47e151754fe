"""Names of a schema as text of a diagram."""

from html import escape


def markup(text: str) -> str:
    """A text for XML and HTML, which have no control characters."""
    return escape("".join(each if each.isprintable() else "\ufffd" for each in text))
