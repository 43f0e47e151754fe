"""Database access: URLs, engines, sessions, transactions, retries and replicas."""

from colonnade.database._capabilities import Capabilities, capabilities_of, recognise
from colonnade.database._database import DEFAULT_URL, Database
from colonnade.database._doctor import Diagnosis, DriverCheck, diagnose
from colonnade.database._health import Health
from colonnade.database._metadata import ORIGINAL, merged, metadatas, table_models
from colonnade.database.connections._driver_config import Parameter
from colonnade.database.connections._on_loop_close import OnLoopClose
from colonnade.database.connections._urls import DatabaseURL, with_database
from colonnade.database.statements._error_kinds import ErrorKind, error_kind_of
from colonnade.database.statements._impossible_values import CheckedKeySession
from colonnade.database.statements._plans import Bound, Plan, PlannedWork, StatementBatch
from colonnade.database.statements._sessions import SessionContext
from colonnade.database.statements._transactions import IsolationLevel

__all__ = [
    "DEFAULT_URL",
    "ORIGINAL",
    "Bound",
    "Capabilities",
    "CheckedKeySession",
    "Database",
    "DatabaseURL",
    "Diagnosis",
    "DriverCheck",
    "ErrorKind",
    "Health",
    "IsolationLevel",
    "OnLoopClose",
    "Parameter",
    "Plan",
    "PlannedWork",
    "SessionContext",
    "StatementBatch",
    "capabilities_of",
    "diagnose",
    "error_kind_of",
    "merged",
    "metadatas",
    "recognise",
    "table_models",
    "with_database",
]
