"""A town for tests: gateway, far sides and a wire to each, its citizens, and a core that asks."""
