"""A believable site to look at: people with log-ins, and a year of what sites live through."""
