//! All integration tests in one binary: one link, shared helpers.

mod bad_input;
mod bounds;
mod captures;
mod common;
mod determinism;
mod everyday;
mod exporters;
mod git;
mod guardrails;
mod incidents;
mod kernel;
mod limits;
mod matching;
mod places;
mod readme;
mod recorded;
mod sample;
mod scenarios;
mod tcpdump;
mod trace;
mod twin;
