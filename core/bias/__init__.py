"""Gender bias: measured, located in neurons, and edited."""
