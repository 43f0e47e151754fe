"""The responses of endpoints, and the fields that they should not contain."""

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
    """Whether a field holds a secret, judging by its name."""
    return SECRET.search(name) is not None and NOT_SECRET.search(name) is None


def response_annotation(endpoint: Endpoint) -> ast.expr | None:
    """The ``response_model`` of an endpoint, else its return annotation."""
    response_model = endpoint.option("response_model")
    if isinstance(response_model, ast.Constant) and response_model.value is None:
        return None
    return response_model if response_model is not None else endpoint.node.returns


def response_schema(context: Context, endpoint: Endpoint) -> Model | None:
    """The model of an endpoint's response, or of the items in it."""
    return context.project.model(context.hint(response_annotation(endpoint)).name)
