"""M-Bus application layer (EN 13757-3): records, values, compact frames, wired frames."""
