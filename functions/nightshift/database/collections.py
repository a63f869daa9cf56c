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
BULK_JOBS: Final = "bulk_jobs"
PARTS: Final = "parts"
