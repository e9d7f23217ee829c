//! Sub-fingerprints of sound.
