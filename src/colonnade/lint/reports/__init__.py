"""Report formats: text, JSON, GitHub Actions and SARIF."""

from colonnade.lint.reports._github import as_github
from colonnade.lint.reports._json import as_json
from colonnade.lint.reports._sarif import as_sarif
from colonnade.lint.reports._text import Texts, as_text, masked

__all__ = ["Texts", "as_github", "as_json", "as_sarif", "as_text", "masked"]
