"""Made-up traffic: an office on an ordinary day, and labelled attacks on it. ``run.simulate`` makes it."""
