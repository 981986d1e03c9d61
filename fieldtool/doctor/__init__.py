"""What stands between this computer and a receiver, rung by rung: port, permission, other programs, answer, air."""
