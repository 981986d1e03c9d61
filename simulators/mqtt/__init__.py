"""A small MQTT 3.1.1 broker: packets, topics, the session of one client, and the port that many clients connect to."""
