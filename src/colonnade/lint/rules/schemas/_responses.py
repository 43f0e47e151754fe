"""What endpoints answer with, and what should not be in it."""

import ast
import re

from colonnade.lint._context import Context, Endpoint
from colonnade.lint.project._models import Model

SECRET = re.compile(
    r"(^|_)(password|passwd|passphrase|secret|secrets|api_key|apikey|private_key|access_token|"
    r"refresh_token|ssn)(_|$)|^hashed_|(^|_)(password|token|key|secret)_hash$"
)


NOT_SECRET = re.compile(
    r"(_at|_id|_url|_set|_count|_expires?|_name|_version|_type|_date|_header|_prefix|_preview|_hint|"
    r"_masked|_required|_enabled|_configured)$|^(has|is|must|masked)_"
)


def is_secret(name: str) -> bool:
    """Whether a field's name is that of a secret."""
    return SECRET.search(name) is not None and NOT_SECRET.search(name) is None


def response(endpoint: Endpoint) -> ast.expr | None:
    """What an endpoint says it answers with: its ``response_model``, else its annotation."""
    response_model = endpoint.option("response_model")
    if isinstance(response_model, ast.Constant) and response_model.value is None:
        return None
    return response_model if response_model is not None else endpoint.node.returns


def schema_of(context: Context, endpoint: Endpoint) -> Model | None:
    """The schema that an endpoint answers with, one or many of it."""
    return context.project.model(context.hint(response(endpoint)).name)
