//! One score from all evidence, and what a policy makes of it.
