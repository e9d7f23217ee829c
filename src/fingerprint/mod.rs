//! What is stored and exchanged.
