"""What the cards of both bundled models say of measured findings, by rules and in tables."""
