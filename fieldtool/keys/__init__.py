"""Key files taken in and handed out, keys looked up and held against telegrams."""
