"""Where messages arrive on this computer: a mail server, and one that speaks Firebase Cloud Messaging's HTTP v1."""
