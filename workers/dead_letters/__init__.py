"""What an operator does with the dead letters: look at them, and send them back."""
