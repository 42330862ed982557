"""The page that sales people read: scores, reasons and changes from the ledger, and their answers to it."""
