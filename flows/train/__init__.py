"""Trainings, and what hardware feeds back to them."""
