"""The composition root: the only module that names adapters, and puts them together as the settings say."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ticketctl.errors import ConfigError, TicketctlError
from ticketctl.event_loops import Loop, LoopPolicy, get_loop_policy
from ticketctl.postgres import migrations
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import Connections, Engines
from ticketctl.postgres.error_mapping import ErrorMappingConnections, map_database_errors
from ticketctl.postgres.pools import POOLS, PoolStrategy, get_pool
from ticketctl.postgres.revision import REVISION
from ticketctl.postgres.store import PostgresStore
from ticketctl.processing.pipeline import Pipeline
from ticketctl.settings import Settings
from ticketctl.tickets import operations
from ticketctl.tickets.protocols import Operations, Outbox, Sender, TicketQueue, TicketStore

if TYPE_CHECKING:
    from ticketctl.ai.budget import Budget
    from ticketctl.postgres.credentials import Credentials
    from ticketctl.postgres.embedded import EmbeddedServer
    from ticketctl.queues.sqs import SqsQueue
    from ticketctl.tickets.review import ReviewService

Compose = Callable[[], AbstractAsyncContextManager[Pipeline]]


def explain_unsafe_pair(pool: PoolStrategy, policy: LoopPolicy) -> str | None:
    """Why this pair cannot survive warm starts, or None."""
    if policy.persistent or not pool.outlives_loop:
        return None
    return (
        f"the pool {pool.name} keeps connections that belong to an event loop, and the loop policy {policy.name} "
        "ends that loop: the next one cannot use them. See: ticketctl simulate-warm-starts"
    )


def address_of(settings: Settings) -> Address:
    """The database that the settings name. Raises ConfigError."""
    if settings.database_url is None:
        raise ConfigError(
            "no database is named",
            hint="set TICKETCTL_DATABASE_URL to a postgresql:// URL; ticketctl db url prints a local one",
        )
    return Address.parse(settings.database_url)


def worker_loop(settings: Settings, budget: "Budget") -> Loop[Pipeline]:
    """The loop of an execution environment, with the pipeline that each of its event loops gets."""
    return Loop(get_loop_policy(settings.loop), resources(settings, budget))


def resources(settings: Settings, budget: "Budget | None" = None) -> Compose:
    """What is bound to an event loop, as a context manager to be entered once per loop.

    What is not bound to one is made here, once: the engine's strategy and how providers are made.

    Raises:
        ConfigError: A setting is wrong, or the taxonomy is.
        ProviderError: The budget has a limit, but a model has no price.
    """
    from ticketctl.ai.providers.factory import ProviderFactory, load_taxonomy

    one_loop = get_loop_policy(settings.loop).persistent
    engines = Engines(address_of(settings), get_pool(settings.pool), settings, one_loop=one_loop)
    taxonomy = load_taxonomy(settings)
    providers = ProviderFactory(settings, taxonomy, budget=budget)
    providers.require_prices()

    @asynccontextmanager
    async def compose() -> AsyncIterator[Pipeline]:
        async with engines.open_connections() as connections, providers.open_provider() as provider:
            yield Pipeline(store=PostgresStore(connections), provider=provider, router=taxonomy)

    return compose


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is there: settings that name it, and whether it is the embedded one."""

    settings: Settings
    embedded: bool


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """The database that the settings name, else the embedded server's, which runs meanwhile.

    Raises:
        ConfigError: There is none, and the embedded server cannot be had.
        DatabaseError: The embedded server does not start.
    """
    if settings.database_url is not None:
        yield Database(settings, embedded=False)
        return
    with embedded_server(settings).use() as url:
        yield Database(replace(settings, database_url=url), embedded=True)


def embedded_server(settings: Settings) -> "EmbeddedServer":
    """The embedded server, not yet started. Raises ConfigError where it is not installed."""
    from ticketctl.postgres.embedded import EmbeddedServer

    return EmbeddedServer(settings.home_folder)


@asynccontextmanager
async def open_store(database: Database) -> AsyncIterator[TicketStore]:
    """A store for one command, its tables up to date; every failure of the database is a DatabaseError.

    Raises:
        StaleSchemaError: The tables are of another version, and the database is not the embedded one.
    """
    async with open_connections(database.settings) as connections:
        await _bring_up_to_date(connections, database)
        yield PostgresStore(connections)


@dataclass(frozen=True, slots=True)
class OperatorResources:
    """What who runs the system works with, bound to one event loop; each of its calls fails by itself.

    `sender` is the queue elsewhere, None where the queue is a table.
    """

    store: TicketStore
    operations: Operations
    outbox: Outbox
    queue: TicketQueue
    sender: Sender | None

    async def flush(self, ticket_id: int | None = None) -> int:
        """Send what the outbox holds, of one ticket or of all, to the queue elsewhere, if there is one.

        Raises:
            QueueError: It did not take all; what it did not take stays.
        """
        return (
            0
            if self.sender is None
            else await operations.flush(self.outbox, self.sender, ticket_id=ticket_id)
        )

    async def try_flush(self, ticket_id: int | None = None) -> TicketctlError | None:
        """The same for who must not fail with it: answers why not all was sent. What stays is sent later."""
        try:
            await self.flush(ticket_id)
        except TicketctlError as error:
            return error
        return None


@asynccontextmanager
async def open_operator_resources(database: Database) -> AsyncIterator[OperatorResources]:
    """As `open_store`, with everything that is behind it; raises the same, and ConfigError."""
    settings, address = database.settings, address_of(database.settings)
    async with Engines(address, POOLS["dispose"], settings).open_connections() as connections:
        with map_database_errors(address):
            await _bring_up_to_date(connections, database)
        yield _operator_resources(ErrorMappingConnections(connections, address), settings, _sqs(settings))


def api_resources(
    settings: Settings, *, one_loop: bool, pool: str | None = None
) -> "Callable[[], AbstractAsyncContextManager[OperatorResources]]":
    """What the API holds of an event loop, as `resources` is for the worker; the tables are taken as they are.

    `one_loop`: it is entered once in the life of the process. Else it may be entered for every request, and the
    pool says what stays in between: the settings' own, unless another is named.

    Raises:
        ConfigError: A setting is wrong.
    """
    address, elsewhere = address_of(settings), _sqs(settings)
    engines = Engines(address, get_pool(pool or settings.pool), settings, one_loop=one_loop)

    @asynccontextmanager
    async def compose() -> AsyncIterator[OperatorResources]:
        async with engines.open_connections() as connections:
            yield _operator_resources(ErrorMappingConnections(connections, address), settings, elsewhere)

    return compose


def _operator_resources(
    telling: ErrorMappingConnections, settings: Settings, elsewhere: "SqsQueue | None"
) -> OperatorResources:
    from ticketctl.postgres.operations import PostgresOperations
    from ticketctl.postgres.outbox import PostgresOutbox
    from ticketctl.queues.embedded import PostgresQueue

    return OperatorResources(
        store=PostgresStore(telling),
        operations=PostgresOperations(telling),
        outbox=PostgresOutbox(telling),
        queue=elsewhere or PostgresQueue(telling, settings),
        sender=elsewhere,
    )


def _sqs(settings: Settings) -> "SqsQueue | None":
    if settings.queue_url is None:
        return None
    from ticketctl.queues.sqs import SqsQueue

    return SqsQueue(settings.queue_url, settings)


@asynccontextmanager
async def open_review_service(database: Database) -> AsyncIterator["ReviewService"]:
    """As `open_store`, for a person who reviews tickets; raises the same, and ConfigError for the taxonomy."""
    from ticketctl.ai.providers.factory import load_taxonomy
    from ticketctl.ai.taxonomy.schema import SENTIMENTS
    from ticketctl.postgres.reviews import PostgresReviews
    from ticketctl.tickets.review import ReviewService

    taxonomy = load_taxonomy(database.settings)
    async with open_connections(database.settings) as connections:
        await _bring_up_to_date(connections, database)
        yield ReviewService(
            tickets=PostgresStore(connections),
            reviews=PostgresReviews(connections),
            router=taxonomy,
            allowed={
                "category": [category.name for category in taxonomy.categories],
                "priority": [priority.name for priority in taxonomy.priorities],
                "sentiment": SENTIMENTS,
                "team": [team.name for team in taxonomy.teams],
            },
        )


async def login(database: Database) -> "Credentials":
    """What logs in to the database now, beside the URL without its password. Raises ConfigError, DatabaseError."""
    from ticketctl.postgres.credentials import Credentials, make_credential_cache

    address = address_of(database.settings)
    logins = make_credential_cache(address, database.settings)
    return Credentials(None, address.password or "") if logins is None else await logins.current()


async def prepare(database: Database) -> None:
    """Make sure of the tables, for work that goes on over other connections; raises as `open_store`."""
    async with open_connections(database.settings) as connections:
        await _bring_up_to_date(connections, database)


async def current_revision(database: Database) -> str | None:
    """The revision of the tables, None where there are none. Raises DatabaseError."""
    async with open_connections(database.settings) as connections, connections.acquire() as connection:
        return await migrations.get_revision(connection)


async def upgrade(database: Database) -> str | None:
    """Bring the tables up to date, and answer their revision.

    Raises:
        DatabaseError: They cannot be; StaleSchemaError where they are newer than this program.
    """
    address = address_of(database.settings)
    revision = await current_revision(database)
    if revision is not None and revision > REVISION:
        migrations.require_current(revision, address)
    with map_database_errors(address):
        await migrations.migrate(address, database.settings)
    return await current_revision(database)


@asynccontextmanager
async def open_connections(settings: Settings) -> AsyncIterator[Connections]:
    """The database for one command, over one connection; every failure of it is a DatabaseError."""
    address = address_of(settings)
    with map_database_errors(address):
        async with Engines(address, POOLS["dispose"], settings).open_connections() as connections:
            yield connections


async def _bring_up_to_date(connections: Connections, database: Database) -> None:
    address = address_of(database.settings)
    async with connections.acquire() as connection:
        revision = await migrations.get_revision(connection)
    if database.embedded and (revision is None or revision < REVISION):
        await migrations.migrate(address, database.settings)
    else:
        migrations.require_current(revision, address)
