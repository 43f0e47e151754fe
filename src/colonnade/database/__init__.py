"""Where it lives: URLs, engines, sessions and transactions."""

from colonnade.database._database import DEFAULT_URL, Database, IsolationLevel
from colonnade.database._direct import DirectConnection, NotDirect, Prepared
from colonnade.database._doctor import Diagnosis, Way, diagnose
from colonnade.database._sessions import SessionContext
from colonnade.database._targets import Parameter
from colonnade.database._urls import DatabaseURL

__all__ = [
    "DEFAULT_URL",
    "Database",
    "DatabaseURL",
    "Diagnosis",
    "DirectConnection",
    "IsolationLevel",
    "NotDirect",
    "Parameter",
    "Prepared",
    "SessionContext",
    "Way",
    "diagnose",
]
