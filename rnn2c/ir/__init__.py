"""The two intermediate representations: Model (what is computed) and Program (how, in integers)."""
