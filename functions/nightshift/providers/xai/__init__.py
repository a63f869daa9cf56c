"""xAI: answers in real time and files as OpenAI has them; batches in a form of its own."""
