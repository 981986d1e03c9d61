"""What can be done with a meter, as bytes: commands, and the guarded session that carries them to the lock."""
