"""What a sample says of the whole: intervals."""
