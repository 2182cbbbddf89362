"""The metrics that ticketctl records. Names of OpenTelemetry's semantic conventions stand where they have one."""

from ticketctl.telemetry.protocols import Metric

TICKETS = Metric(
    "counter", "ticketctl.tickets", "{ticket}", "Records by outcome: the ticket's new status, or returned."
)
STEP_DURATION = Metric("histogram", "ticketctl.step.duration", "s", "Duration of a step that was not saved.")
TOKENS = Metric(
    "histogram", "gen_ai.client.token.usage", "{token}", "Tokens of a request to the AI provider."
)
COST = Metric(
    "counter", "ticketctl.ai.cost", "{currency}", "What the AI provider cost, in the currency of the prices."
)
QUEUE_AGE = Metric(
    "histogram", "ticketctl.queue.age", "s", "Age of a message when the worker received it, from its sending."
)
QUEUE_DEPTH = Metric(
    "gauge", "ticketctl.queue.depth", "{message}", "Messages that are neither done nor dead letters."
)
OUTBOX_DEPTH = Metric("gauge", "ticketctl.outbox.depth", "{message}", "Messages that are not sent yet.")
STUCK = Metric("gauge", "ticketctl.tickets.stuck", "{ticket}", "Tickets that wait for more than 15 minutes.")
CONNECTIONS_OPENED = Metric(
    "counter", "ticketctl.connections.opened", "{connection}", "Database connections opened."
)
CONNECTIONS_HELD = Metric(
    "up_down_counter", "db.client.connection.count", "{connection}", "Database connections held open."
)
LEFTOVERS = Metric(
    "counter",
    "ticketctl.leftovers",
    "{connection}",
    "Connections still open when the event loop that they are bound to ended.",
)
