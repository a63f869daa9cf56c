"""`make simulate`: a model of the whole system with measured service times, for loads that no bench can play."""
