"""URLs in any common form are parsed, and an error names the part that is invalid."""

import asyncio
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from colonnade import Database, text
from colonnade.database import DatabaseURL
from colonnade.errors import DatabaseURLError

NEON = "postgresql://u:p@ep-cool-darkness-a1b2c3d4-pooler.us-east-2.aws.neon.tech/db"
NEON_DIRECT = "postgresql://u:p@ep-x.c-8.us-east-1.aws.neon.tech/db"


def parts(url: DatabaseURL) -> tuple[Any, ...]:
    """Return user, password, host, port and database; check that both drivers have the same."""
    names = ("username", "password", "host", "port", "database")
    sync, asynchronous = (
        tuple(getattr(driver.url, name) for name in names)
        for driver in (url.sync, url.asynchronous)
    )
    assert sync == asynchronous
    return sync


@pytest.mark.parametrize(
    "text",
    [
        "postgres://u:p@h:5432/db",
        "postgresql://u:p@h:5432/db",
        "postgresql+asyncpg://u:p@h:5432/db",
        "postgresql+psycopg://u:p@h:5432/db",
        "postgresql+psycopg2://u:p@h:5432/db",
        "POSTGRESQL://u:p@h:5432/db",
        "  'postgresql://u:p@h:5432/db'\n",
        "psql 'postgresql://u:p@h:5432/db'",
        'DATABASE_URL="postgresql://u:p@h:5432/db"',
        "export DATABASE_URL=postgresql://u:p@h:5432/db",
        "postgresql://u:p@h:5432/db?",
        "postgresql://u@h/db?password=p&port=5432",
        "postgresql:///db?host=h&port=5432&user=u&password=p",
        "postgresql://u:p@h:5432/?dbname=db",
    ],
)
def test_every_form_of_one_url_means_the_same(text: str) -> None:
    url = DatabaseURL.parse(text)
    assert parts(url) == ("u", "p", "h", 5432, "db")
    assert url.sync.url.drivername == "postgresql+psycopg"
    assert url.asynchronous.url.drivername == "postgresql+asyncpg"


@pytest.mark.slow
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00%"), min_size=1, max_size=12))
def test_an_escaped_password_is_decoded(password: str) -> None:
    url = DatabaseURL.parse(f"postgresql://u:{quote(password, safe='')}@h/db?sslmode=require")
    assert url.sync.url.password == password
    assert "***" in str(url)
    for shown in (str(url), repr(url), repr(url.sync), repr(Database(url.sync.url))):
        assert f":{password}@" not in shown or password == "***"


@pytest.mark.parametrize("password", ["p@ss", "a/b", "a#b", "a:b", "100%", "p@ss@word", "a?b"])
def test_an_unescaped_password_is_accepted(password: str) -> None:
    url = DatabaseURL.parse(f"postgresql://u:{password}@h:5432/db")
    assert parts(url) == ("u", password, "h", 5432, "db")


# Each row has a query string, the arguments for psycopg, and those for asyncpg.
TRANSLATIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("?application_name=app", {"application_name": "app"},
     {"server_settings": {"application_name": "app"}}),
    ("?channel_binding=require", {"channel_binding": "require"}, {}),
    ("?connect_timeout=3", {"connect_timeout": 3}, {"timeout": 3.0}),
    ("?timeout=3", {"connect_timeout": 3}, {"timeout": 3.0}),
    ("?command_timeout=7.5", {}, {"command_timeout": 7.5}),
    ("?options=-c%20statement_timeout%3D5000", {"options": "-c statement_timeout=5000"},
     {"server_settings": {"options": "-c statement_timeout=5000"}}),
    ("?statement_timeout=5000", {"options": "-c statement_timeout=5000"},
     {"server_settings": {"options": "-c statement_timeout=5000"}}),
    ("?options=-c%20work_mem%3D8MB&lock_timeout=9",
     {"options": "-c work_mem=8MB -c lock_timeout=9"},
     {"server_settings": {"options": "-c work_mem=8MB -c lock_timeout=9"}}),
    ("?schema=app", {"options": "-c search_path=app"},
     {"server_settings": {"options": "-c search_path=app"}}),
    ("?search_path=a,b%20c", {"options": "-c search_path=a,b\\ c"},
     {"server_settings": {"options": "-c search_path=a,b\\ c"}}),
    ("?keepalives=1&keepalives_idle=30", {"keepalives": 1, "keepalives_idle": 30}, {}),
    ("?gssencmode=disable", {"gssencmode": "disable"}, {}),
    ("?target_session_attrs=read-write", {"target_session_attrs": "read-write"},
     {"target_session_attrs": "read-write"}),
    ("?sslnegotiation=direct&sslmode=require", {"sslnegotiation": "direct", "sslmode": "require"},
     {"direct_tls": True}),
    ("?statement_cache_size=0", {}, {"statement_cache_size": 0}),
    ("?prepared_statement_cache_size=10", {}, {"prepared_statement_cache_size": 10}),
    ("?prepare_threshold=3", {"prepare_threshold": 3}, {}),
    ("?sslmode=disable", {"sslmode": "disable"}, {"ssl": False}),
    ("?sslmode=prefer", {"sslmode": "prefer"}, {"ssl": "prefer"}),
    ("?ssl=false", {"sslmode": "disable"}, {"ssl": False}),
    ("?client_encoding=utf8", {"client_encoding": "utf8"}, {}),
    ("?pgbouncer=true", {"prepare_threshold": None},
     {"statement_cache_size": 0, "prepared_statement_cache_size": 0}),
    ("?pool_mode=transaction", {"prepare_threshold": None}, {"statement_cache_size": 0}),
    ("?host=h1:5432&host=h2:5433", {"host": "h1,h2", "port": "5432,5433"},
     {"host": ["h1", "h2"], "port": [5432, 5433]}),
    ("?host=h1,h2&port=6000", {"host": "h1,h2", "port": "6000,6000"},
     {"host": ["h1", "h2"], "port": [6000, 6000]}),
    ("?host=/run/pg&port=6000", {"host": "/run/pg", "port": "6000"},
     {"host": "/run/pg", "port": 6000}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "psycopg_args", "asyncpg_args"), TRANSLATIONS)
def test_parameters_reach_both_drivers(
    query: str, psycopg_args: dict[str, Any], asyncpg_args: dict[str, Any]
) -> None:
    url = DatabaseURL.parse(f"postgresql://u:p@/db{query}")
    sync = {"connect_timeout": 10, **psycopg_args}
    assert {key: url.sync.connect_args.get(key) for key in sync} == sync
    asynchronous = {"timeout": 10.0, **asyncpg_args}
    assert {key: url.asynchronous.connect_args.get(key) for key in asynchronous} == asynchronous


def test_several_hosts_reach_both_drivers() -> None:
    url = DatabaseURL.parse("postgresql://u:p@h1:5432,h2:5433,[::1]/db")
    assert url.sync.connect_args["host"] == "h1,h2,::1"
    assert url.sync.connect_args["port"] == "5432,5433,5432"
    assert url.asynchronous.connect_args["host"] == ["h1", "h2", "::1"]
    assert str(url) == "postgresql://u:***@h1:5432,h2:5433,::1/db"


def test_an_ipv6_address_and_an_escaped_socket_are_parsed() -> None:
    assert parts(DatabaseURL.parse("postgresql://u:p@[::1]:5433/db"))[2:4] == ("::1", 5433)
    socket = DatabaseURL.parse("postgresql://u:p@%2Frun%2Fpg/db")
    assert socket.sync.connect_args["host"] == "/run/pg"


def test_neons_pooled_and_direct_hosts_are_distinguished() -> None:
    pooled = DatabaseURL.parse(f"{NEON}?sslmode=require&channel_binding=require")
    direct = DatabaseURL.parse(NEON_DIRECT)
    assert (pooled.neon, pooled.pooled) == (True, True)
    assert (direct.neon, direct.pooled) == (True, False)
    # Neon's pooler supports prepared statements, so they stay on.
    assert "statement_cache_size" not in pooled.asynchronous.connect_args
    context = pooled.asynchronous.connect_args["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert pooled.sync.connect_args["sslmode"] == "require"


def test_a_setting_that_neons_pooler_ignores_is_dropped_with_a_reason() -> None:
    url = DatabaseURL.parse(f"{NEON}?statement_timeout=5000")
    assert "options" not in url.sync.connect_args
    (parameter,) = url.parameters
    assert parameter.name == "statement_timeout"
    assert (parameter.sync, parameter.asynchronous) == (None, None)
    assert "SET LOCAL" in parameter.why
    direct = DatabaseURL.parse(f"{NEON_DIRECT}?statement_timeout=5000")
    assert direct.sync.connect_args["options"] == "-c statement_timeout=5000"


@pytest.mark.parametrize(
    ("mode", "verify", "hostname"),
    [
        ("require", ssl.CERT_NONE, False),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("verify-full", ssl.CERT_REQUIRED, True),
    ],
)
def test_sslmode_becomes_an_ssl_context_that_verifies_as_libpq_does(
    mode: str, verify: ssl.VerifyMode, hostname: bool
) -> None:
    url = DatabaseURL.parse(f"postgresql://h/db?sslmode={mode}")
    context = url.asynchronous.connect_args["ssl"]
    assert (context.verify_mode, context.check_hostname) == (verify, hostname)


def test_require_with_a_ca_verifies_the_certificate(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    url = DatabaseURL.parse(f"postgresql://h/db?sslmode=require&sslrootcert={tmp_path / 'ca.pem'}")
    context = url.asynchronous.connect_args["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
    assert len(context.get_ca_certs()) == 1  # it trusts no other CA


@pytest.mark.parametrize(
    ("text", "database", "memory", "shown"),
    [
        ("sqlite:///tasks.db", "tasks.db", False, "sqlite:///tasks.db"),
        ("sqlite+aiosqlite:///tasks.db", "tasks.db", False, "sqlite:///tasks.db"),
        ("sqlite:////var/tasks.db", "/var/tasks.db", False, "sqlite:////var/tasks.db"),
        ("sqlite:///a%20b.db", "a b.db", False, "sqlite:///a b.db"),
        ("sqlite://", None, True, "sqlite://"),
        ("sqlite:///", None, True, "sqlite://"),
        ("sqlite:///:memory:", None, True, "sqlite://"),
        ("sqlite+aiosqlite:///:memory:", None, True, "sqlite://"),
        ("sqlite:///file::memory:?cache=shared&uri=true", None, True, "sqlite://"),
        ("sqlite:///file:x?mode=memory&cache=shared&uri=true", None, True, "sqlite://"),
        ("sqlite:///file:x.db?mode=ro&uri=true", "file:x.db", False, "sqlite:///file:x.db?mode=ro"),
        ("sqlite:///x.db?mode=ro", "file:x.db", False, "sqlite:///x.db?mode=ro"),
    ],
)
def test_sqlite_urls_are_parsed(text: str, database: str | None, memory: bool, shown: str) -> None:
    url = DatabaseURL.parse(text)
    assert (url.backend, url.memory, str(url)) == ("sqlite", memory, shown)
    assert url.sync.url.drivername == "sqlite+pysqlite"
    assert url.asynchronous.url.drivername == "sqlite+aiosqlite"
    if memory:
        assert dict(url.sync.url.query) == {"vfs": "memdb", "uri": "true"}
        assert url.sync.url.database == url.asynchronous.url.database
        assert DatabaseURL.parse(text).sync.url.database != url.sync.url.database
    else:
        assert url.sync.url.database == database


def test_sqlite_parameters_reach_the_driver(tmp_path: Path) -> None:
    url = DatabaseURL.parse("sqlite:///x.db?timeout=2.5&cache=shared&check_same_thread=false")
    assert url.sync.connect_args["timeout"] == 2.5
    assert [parameter.name for parameter in url.parameters if parameter.sync is None] == [
        "cache",
        "check_same_thread",
    ]


INVALID: list[tuple[str, str]] = [
    ("", "Not a database URL"),
    ("tasks.db", "Not a database URL"),
    ("host=h dbname=db", "Not a database URL"),
    ("mysql://u:p@h/db", r"does not support mysql:// databases.*(?<!\?)$"),
    ("postgrsql://u:p@h/db", "Did you mean postgresql://"),
    ("postgresql+pymysql://u:p@h/db", "does not use the driver 'pymysql'"),
    ("postgresql://u:secret@h:54x/db", "port is not a number"),
    ("postgresql://u:secret@h:99999/db", "port is not a number"),
    (
        "postgresql://u:secret@h/db?ssl_mode=require",
        "Unknown parameter 'ssl_mode'.*Did you mean sslmode",
    ),
    ("postgresql://u:secret@h/db?sslmode=on", "sslmode=on is not one of disable"),
    ("postgresql://u:secret@h/db?connect_timeout=soon", "connect_timeout=soon must be a number"),
    ("postgresql://u:secret@h/db?statement_cache_size=-1", "statement_cache_size=-1"),
    ("postgresql://u:secret@h/db?target_session_attrs=rw", "target_session_attrs=rw is not one of"),
    ("postgresql://u:secret@h/db?sslmode=verify-full&sslrootcert=/no/file", "sslrootcert"),
    ("postgresql://u:secret@h/db?pool_mode=often", "pool_mode=often"),
    ("postgresql://u:secret@h1,h2/db?port=1,2,3", "2 hosts but 3 ports"),
    ("postgresql://u:secret@h/db?port=x", "port=x"),
    ("postgresql://u:secret@a:b:c/db", "port is not a number"),
    ("postgresql://u:secret@[::1/db", "IPv6 address in brackets"),
    ("sqlite://tasks.db", "sqlite:///tasks.db for a path relative"),
    ("sqlite:///x.db?mod=ro", "Unknown parameter 'mod'"),
    ("sqlite:///x.db?timeout=long", "timeout=long is not a number"),
]


@pytest.mark.parametrize(("text", "message"), INVALID)
def test_an_invalid_url_is_refused_without_showing_the_password(text: str, message: str) -> None:
    with pytest.raises(DatabaseURLError, match=message) as caught:
        Database(text or " ")
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def server(postgresql_server: str) -> tuple[str, str]:
    """The user and the socket directory of the server."""
    info = psycopg.conninfo.conninfo_to_dict(postgresql_server)
    return str(info["user"]), str(info["host"])


SERVER_SETTINGS = [
    ("application_name=from%20here", "application_name", "from here"),
    ("statement_timeout=4321", "statement_timeout", "4321ms"),
    ("options=-c%20statement_timeout%3D4322", "statement_timeout", "4322ms"),
    ("lock_timeout=17", "lock_timeout", "17ms"),
    ("schema=app", "search_path", "app"),
    ("search_path=a,b", "search_path", "a,b"),
    ("timezone=Asia/Tokyo", "TimeZone", "Asia/Tokyo"),
    ("channel_binding=prefer&keepalives_idle=30&gssencmode=disable", "is_superuser", "on"),
    ("target_session_attrs=read-write", "transaction_read_only", "off"),
    ("sslmode=prefer&connect_timeout=3&pgbouncer=true", "is_superuser", "on"),
    ("statement_cache_size=0&prepared_statement_cache_size=0&command_timeout=9",
     "is_superuser", "on"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "setting", "value"), SERVER_SETTINGS)
def test_both_drivers_apply_a_parameter_on_a_real_server(
    server: tuple[str, str], query: str, setting: str, value: str
) -> None:
    user, host = server
    db = Database(f"postgresql://{user}@/postgres?host={host}&{query}")
    statement = text(f"SHOW {setting}")

    with db.engine.connect() as connection:
        assert connection.execute(statement).scalar_one() == value

    async def main() -> None:
        async with db.async_engine.connect() as connection:
            assert (await connection.execute(statement)).scalar_one() == value

    asyncio.run(main())
    db.dispose()


def test_the_direct_url_bypasses_neons_pooler() -> None:
    pooled = DatabaseURL.parse(
        "postgresql://me:p%40ss@ep-a-b-123-pooler.eu-central-1.aws.neon.tech/db?sslmode=require"
    )
    direct = pooled.direct
    for driver in (direct.sync, direct.asynchronous):
        assert driver.url.host == "ep-a-b-123.eu-central-1.aws.neon.tech"
        assert driver.url.password == "p@ss"
    assert (pooled.pooled, direct.pooled) == (True, False)
    assert "-pooler" not in str(direct)
    assert direct.direct is direct
