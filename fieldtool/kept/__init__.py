"""What one run hands on to the next: compact-frame formats in a file, LoRaWAN sessions in the store."""
