"""What an operator sees and asks: the list of metrics and their telemetry, web, control, systemd, resources, logs."""
