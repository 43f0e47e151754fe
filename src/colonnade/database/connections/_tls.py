"""Translate libpq's TLS parameters into the ``SSLContext`` that asyncpg takes.

What each mode verifies: https://www.postgresql.org/docs/current/libpq-ssl.html
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.errors import DatabaseURLError

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_BOOLEANS = {"true": "require", "1": "require", "on": "require", "false": "disable"}
_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_USERS_ROOT = Path("~/.postgresql/root.crt")


def read(
    parameters: Mapping[str, str], *, direct: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the TLS arguments of psycopg and those of asyncpg.

    Args:
        parameters: The TLS parameters of a URL.
        direct: Whether TLS starts without negotiation (``sslnegotiation=direct``).

    Raises:
        DatabaseURLError: The mode is unknown, or a file cannot be read.
    """
    parameters = dict(parameters)
    mode = parameters.pop("ssl", None)
    mode = parameters.pop("sslmode", _BOOLEANS.get(mode or "", mode))
    if mode is None and not parameters and not direct:
        return {}, {}
    mode = mode or "prefer"
    if mode not in _MODES:
        raise DatabaseURLError(f"sslmode={mode} is not one of {', '.join(_MODES)}.")
    root = _root_certificates(mode, parameters.get("sslrootcert"))
    if root is not None:
        parameters["sslrootcert"] = root
    sync = {"sslmode": mode, **parameters}
    if mode == "disable":
        return sync, {"ssl": False}
    if mode in ("allow", "prefer") and not parameters:
        return sync, {"ssl": mode}
    return sync, {"ssl": _context(mode, parameters)}


def _root_certificates(mode: str, root: str | None) -> str | None:
    """Return the file of trusted root certificates, if the server's certificate is verified.

    For ``system``, and when neither the URL nor the user's home directory has a file, it is the
    system's file: psycopg's bundled OpenSSL does not know where that is.
    """
    if root not in (None, "system"):
        return root
    wanted = root == "system" or mode in ("verify-ca", "verify-full")
    if not wanted or (root is None and _USERS_ROOT.expanduser().exists()):
        return None
    paths = ssl.get_default_verify_paths()
    return paths.cafile or root


def _context(mode: str, parameters: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    root = parameters.get("sslrootcert")
    context.check_hostname = mode == "verify-full"
    # With root certificates, "require" verifies as "verify-ca" does; without, nothing.
    verified = mode in ("verify-ca", "verify-full") or (mode == "require" and root is not None)
    context.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
    try:
        if root is not None and root != "system":
            context = _trusting_only(root, context)
        if "sslcert" in parameters:
            context.load_cert_chain(
                parameters["sslcert"], parameters.get("sslkey"), parameters.get("sslpassword")
            )
        if "sslcrl" in parameters:
            context.load_verify_locations(cafile=parameters["sslcrl"])
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(
            name for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl") if name in parameters
        )
        raise DatabaseURLError(f"Could not read a TLS file ({names}): {error}.") from None
    for name, attribute in (
        ("ssl_min_protocol_version", "minimum_version"),
        ("ssl_max_protocol_version", "maximum_version"),
    ):
        if name in parameters:
            if parameters[name] not in _VERSIONS:
                raise DatabaseURLError(
                    f"{name}={parameters[name]} is not one of {', '.join(_VERSIONS)}."
                )
            setattr(context, attribute, _VERSIONS[parameters[name]])
    return context


def _trusting_only(root: str, settings: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context that trusts only one file of certificates, and not the system's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.check_hostname
    context.verify_mode = settings.verify_mode
    context.load_verify_locations(cafile=root)
    return context
