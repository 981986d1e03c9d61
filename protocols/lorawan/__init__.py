"""LoRaWAN: frames, keys and sessions (LoRaWAN L2 1.0.x and 1.1), and what meters send in them."""
