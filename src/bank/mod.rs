//! The durable bank of references.
