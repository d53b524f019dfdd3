//! What we keep: `Directory` (who answers) and `Ledger` (what happened).
