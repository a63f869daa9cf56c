"""Where everything lies in Firestore."""

from typing import Final

JOBS: Final = "ai_jobs"
BATCHES: Final = "ai_batches"
SHARDS: Final = "shards"
LANES: Final = "lanes"
WALLETS: Final = "wallets"
LEDGER: Final = "ledger"
CLASSIFICATIONS: Final = "classifications"
NOTIFICATIONS: Final = "notifications"
WEBHOOKS: Final = "webhooks"
LATENCIES: Final = "latencies"
PREFERENCES: Final = "preferences"
DEVICES: Final = "devices"
DEVICE_TOKENS: Final = "tokens"
TICKS: Final = "ticks"
