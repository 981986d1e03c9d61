"""Actions with a meter: links to it, the guarded session, what is checked before and compared after, the key change."""
