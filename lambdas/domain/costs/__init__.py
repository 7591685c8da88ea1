"""What the loop costs: the ledger of trainings and of running models, and the budget."""
