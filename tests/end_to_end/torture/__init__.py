"""What kills real gateways under load: warm starts, named points, faults, clients, a verdict."""
