"""Steps from one form of the ledger to the next; they travel with the package."""
