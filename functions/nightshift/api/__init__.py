"""HTTP: who may call, how much, and what is answered."""
