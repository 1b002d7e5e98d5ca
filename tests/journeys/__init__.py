"""Whole journeys of people on a running site, each in a real browser."""
