"""Gender bias: measure, locate, edit."""
