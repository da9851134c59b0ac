"""Every op, declared once, by family."""
