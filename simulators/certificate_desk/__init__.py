"""The certificate desk: orders, tokens, requests, certificates, answers and revocations, on the command line."""
