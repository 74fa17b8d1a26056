"""Page Gender bias."""
