"""Simulated LoRaWAN end devices, and the network that answers them."""
