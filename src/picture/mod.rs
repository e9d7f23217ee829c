//! PDQ hashes and the codes that picture matching uses.
