"""The other end of every wire: simulated meters, air, receivers and portals."""
