"""What an audit looks for."""
