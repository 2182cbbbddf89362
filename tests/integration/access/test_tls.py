"""TLS and SCRAM to Postgres and PgBouncer, as the URL configures them."""

import gc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import text

from tests import certificates as certificates_module
from tests.certificates import Certificates
from tests.pgbouncer import installed, pgbouncer
from tests.proxy import tcp_proxy
from tests.secured_server import PASSWORD, Secured
from ticketctl import event_loops
from ticketctl.errors import DatabaseError
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import make_engine
from ticketctl.postgres.revision import REVISION
from ticketctl.runtime import Database, get_revision
from ticketctl.settings import Settings

OURS, NONE = "sslrootcert={authority}", ""
WRONG = "hunter2"

needs_pgbouncer = pytest.mark.skipif(installed() is None, reason="pgbouncer is not installed")


def use(url: str, **chosen: object) -> str | None:
    """Read the revision, as a command does."""
    settings = Settings(database_url=url, **chosen)
    return event_loops.run(get_revision(Database(settings, embedded=False)))


@pytest.mark.parametrize(
    ("mode", "root", "host", "encrypted"),
    [
        ("disable", NONE, "127.0.0.1", False),
        ("allow", NONE, "127.0.0.1", False),
        ("prefer", NONE, "127.0.0.1", True),
        ("require", NONE, "127.0.0.1", True),
        ("require", OURS, "127.0.0.1", True),
        ("verify-ca", OURS, "127.0.0.1", True),
        ("verify-full", OURS, "localhost", True),
    ],
)
async def test_every_mode(secured: Secured, mode: str, root: str, host: str, *, encrypted: bool) -> None:
    query = f"sslmode={mode}&{root.format(authority=secured.certificates.authority)}"
    engine = make_engine(
        Address.parse(secured.url(query.rstrip("&"), host=host, password=PASSWORD)), Settings()
    )
    async with engine.connect() as connection:
        found = await connection.scalar(text("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
    assert found is encrypted


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of an authority that signed no server here."""
    return certificates_module.make(tmp_path_factory.mktemp("stranger")).authority


class TestRefused:
    @pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
    def test_a_certificate_of_an_untrusted_authority_is_refused(
        self, secured: Secured, stranger: Path, mode: str
    ) -> None:
        url = secured.url(f"sslmode={mode}&sslrootcert={stranger}", password=PASSWORD)
        with pytest.raises(DatabaseError, match=r"cannot be trusted: .*certificate verify failed") as raised:
            use(url)
        assert "sslrootcert must name the authority" in str(raised.value.hint)

    def test_a_certificate_for_another_host_is_refused(self, secured: Secured) -> None:
        url = secured.url(secured.verified, host="127.0.0.1", password=PASSWORD)
        with pytest.raises(
            DatabaseError, match=r"cannot be trusted: .*not valid for '127\.0\.0\.1'"
        ) as raised:
            use(url)
        assert "the host by the name in it" in str(raised.value.hint)

    @pytest.mark.parametrize("mode", ["require", "verify-full&sslrootcert=system"])
    def test_a_server_without_tls_is_refused(self, server: str, mode: str) -> None:
        sockets = Path(parse_qs(urlsplit(server).query)["host"][0])
        with tcp_proxy(sockets / ".s.PGSQL.5432") as port:
            url = f"postgresql://postgres@127.0.0.1:{port}/ticketctl"
            with pytest.raises(DatabaseError, match="has no TLS, and its URL demands it") as raised:
                use(f"{url}?sslmode={mode}")
            assert "sslmode=prefer does without" in str(raised.value.hint)
            assert use(f"{url}?sslmode=prefer") is None


@pytest.fixture(scope="module")
def pooler_url(server: str, certificates: Certificates, template: str) -> Iterator[str]:
    """A PgBouncer that requires TLS and passwords."""
    with pgbouncer(
        server,
        files={
            "users": f'"ada" "{PASSWORD}"\n',
            "key": certificates.key.read_text(),
            "certificate": certificates.certificate.read_text(),
        },
        auth_type="scram-sha-256",
        auth_file="{folder}/users",
        client_tls_sslmode="require",
        client_tls_key_file="{folder}/key",
        client_tls_cert_file="{folder}/certificate",
    ) as port:
        yield f"postgresql://ada:{{password}}@localhost:{port}/{template}"


@pytest.fixture
def collected() -> Iterator[None]:
    """A refused TLS connection ends shortly after the loop, so Python warns of its socket."""
    yield
    gc.collect()


@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestWrongPassword:
    def test_of_the_server(self, secured: Secured) -> None:
        with pytest.raises(DatabaseError, match="refused: password authentication failed") as raised:
            use(secured.url(secured.verified, password=WRONG))
        assert raised.value.hint == "are the user and the password right?"
        assert WRONG not in str(raised.value)

    @needs_pgbouncer
    @pytest.mark.parametrize("mode", ["prefer", "require"])
    def test_of_the_pooler(self, pooler_url: str, mode: str) -> None:
        with pytest.raises(DatabaseError, match="refused: ") as raised:
            use(f"{pooler_url.format(password=WRONG)}?sslmode={mode}", pool="pgbouncer")
        assert raised.value.hint == "are the user and the password right?"


@needs_pgbouncer
class TestPooler:
    def test_tls_and_scram(self, pooler_url: str, certificates: Certificates) -> None:
        query = f"?sslmode=verify-full&sslrootcert={certificates.authority}"
        url = pooler_url.format(password=quote(PASSWORD, safe="")) + query
        assert use(url, pool="pgbouncer") == REVISION

    def test_without_tls(self, pooler_url: str) -> None:
        with pytest.raises(DatabaseError, match="refused: SSL required"):
            use(f"{pooler_url.format(password=WRONG)}?sslmode=disable", pool="pgbouncer")
