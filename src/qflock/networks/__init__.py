"""Networks, what they see, and agents, critics and mixers made of them."""
