"""From frames to telegrams to what is known of each meter."""
