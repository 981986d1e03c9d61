"""Where frames come from: receivers on ports, files, simulated receivers."""
