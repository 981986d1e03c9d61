"""What is run on this repository by its developers; not part of what is installed."""
