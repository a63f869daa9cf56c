"""Messages to people outside the app: e-mail and push, from an outbox."""
