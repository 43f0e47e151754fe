"""The responses of endpoints, and the fields that they should not contain."""

import ast
import re

from colonnade.lint._context import Context, Endpoint
from colonnade.lint.project._models import Model, ModelField

SECRET = re.compile(
    r"(^|_)(password|passwd|passphrase|secret|secrets|api_key|apikey|private_key|access_token|"
    r"refresh_token|ssn)(_|$)|^hashed_|(^|_)(password|token|key|secret)_hash$"
)
NOT_SECRET = re.compile(
    r"(_at|_id|_url|_set|_count|_expires?|_name|_version|_type|_date|_header|_prefix|_preview|_hint|"
    r"_masked|_required|_enabled|_configured)$|^(has|is|must|masked)_"
)

NO_SECRETS = frozenset(
    {"bool", "builtins.bool", "datetime.datetime", "datetime.date", "datetime.timedelta"}
)
"""Types that hold something about a secret: whether there is one, and since when."""


def is_secret(field: ModelField) -> bool:
    """Whether a field holds a secret, judging by its name, and by what its type can hold."""
    name = field.name
    return (
        SECRET.search(name) is not None
        and NOT_SECRET.search(name) is None
        and field.hint.name not in NO_SECRETS
    )


def response_annotation(endpoint: Endpoint) -> ast.expr | None:
    """The ``response_model`` of an endpoint, else its return annotation."""
    response_model = endpoint.option("response_model")
    if isinstance(response_model, ast.Constant) and response_model.value is None:
        return None
    return response_model if response_model is not None else endpoint.node.returns


def response_schema(context: Context, endpoint: Endpoint) -> Model | None:
    """The model of an endpoint's response, or of the items in it."""
    return context.project.model(context.hint(response_annotation(endpoint)).name)
