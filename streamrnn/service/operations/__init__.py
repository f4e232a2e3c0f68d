"""What an operator sees and asks: telemetry, web, control, systemd, resources of the machine, logs."""
