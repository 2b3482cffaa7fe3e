"""What agents with an entangled pair need beside their learner."""
