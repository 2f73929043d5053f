//! All integration tests in one binary: one link, shared helpers.

mod bad_input;
mod bounds;
mod captures;
mod common;
mod determinism;
mod everyday;
mod exporters;
mod git;
mod guardrail_fixtures;
mod guardrails;
mod incidents;
mod kernel;
mod limits;
mod lint;
mod matching;
mod places;
mod reach;
mod readme;
mod recorded;
mod sample;
mod scenarios;
mod tcpdump;
mod trace;
mod twin;
mod unknown;
mod witnesses;
