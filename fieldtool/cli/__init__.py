"""The command line: thin commands over the services of this package."""
