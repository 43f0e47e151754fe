"""Where it lives: URLs, engines, sessions and transactions."""

from colonnade.database._capabilities import Capabilities, capabilities_of, recognise
from colonnade.database._database import DEFAULT_URL, Database
from colonnade.database._doctor import Diagnosis, Way, diagnose
from colonnade.database._health import Health
from colonnade.database._loop_ends import LoopEnd
from colonnade.database._metadata import ORIGINAL, merged, metadatas
from colonnade.database._plans import Bound, Plan, Several
from colonnade.database._sessions import SessionContext
from colonnade.database._targets import Parameter
from colonnade.database._troubles import Trouble, trouble_of
from colonnade.database._units import IsolationLevel
from colonnade.database._urls import DatabaseURL, with_database

__all__ = [
    "DEFAULT_URL",
    "ORIGINAL",
    "Bound",
    "Capabilities",
    "Database",
    "DatabaseURL",
    "Diagnosis",
    "Health",
    "IsolationLevel",
    "LoopEnd",
    "Parameter",
    "Plan",
    "SessionContext",
    "Several",
    "Trouble",
    "Way",
    "capabilities_of",
    "diagnose",
    "merged",
    "metadatas",
    "recognise",
    "trouble_of",
    "with_database",
]
