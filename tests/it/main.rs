//! The integration tests: one binary, each test on its own.

mod pages;
