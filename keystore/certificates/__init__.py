"""Certificates and levels: what a technician may do, and how it is proven (docs/certificates.md, docs/levels.md)."""
