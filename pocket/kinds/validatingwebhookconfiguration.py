"""The kind ValidatingWebhookConfiguration: `pocket.api.webhooks` calls what it names."""

from pocket.kinds import webhooks
from pocket.kinds.strategy import Strategy

STRATEGY = Strategy(
    "ValidatingWebhookConfiguration",
    defaults=webhooks.fill_defaults,
    rules=webhooks.rules,
    columns=webhooks.COLUMNS,
)
