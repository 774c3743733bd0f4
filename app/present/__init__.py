"""What every front end says and draws."""
