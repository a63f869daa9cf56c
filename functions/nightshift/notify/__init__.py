"""How a user is told of an end outside the app: what the user wishes, and where to."""
