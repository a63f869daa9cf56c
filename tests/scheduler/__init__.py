"""`scheduler/`, over real gRPC: a server of Cloud Scheduler's API, and the Pub/Sub emulator."""
