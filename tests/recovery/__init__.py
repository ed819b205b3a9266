"""What is lost is found, what is paid twice goes back, what cannot be settled is told."""
