"""What the interop cases stand on: processes, ports, a gateway, npm nodes, an HTTP client, checks."""
