"""The value learners: with replay (IQL, VDN, QMIX ...) and without (PQN), and what they share."""
