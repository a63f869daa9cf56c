"""The operator's commands, `./nightshift COMMAND`: run from a checkout, never deployed."""
