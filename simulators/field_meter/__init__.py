"""A simulated meter that checks for itself who may set it up: the lock that the tool's certificates are the key to."""
