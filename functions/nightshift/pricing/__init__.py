"""What calls cost, and the budget of the day."""
