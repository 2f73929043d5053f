//! All integration tests in one binary: one link, shared helpers.

mod captures;
mod recorded;
mod sample;
mod tcpdump;
mod twin;
