"""What browsers may keep: inventory, banner, visitor choices, gate, signals, scanner, visit log."""
