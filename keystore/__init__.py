"""The encrypted key store, the portals' key files, certificates, levels and the audit log."""
