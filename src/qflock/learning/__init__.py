"""What learners are made of: targets, advantages, replay, exploration, optimisers."""
