//! Exact search of binary codes within a Hamming radius.
