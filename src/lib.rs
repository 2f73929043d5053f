//! blastgate: the smoke test for network and DDoS mitigation rules.
//!
//! # The code map
//!
//! The stages in the order data passes them. A stage sees those above it, never those below, and
//! stages of one line know nothing of each other; `tests/architecture.rs` holds the exact table.
//!
//! Text and bytes in, plain types out:
//!
//! - [`model`]: prefixes, records, rules, inventories, places in texts. Plain types.
//! - [`yaml`], [`words`]: YAML that remembers where every value stands, and the words in which
//!   operators write rates, sizes, times, addresses, ports and flags.
//! - [`junos`]: Junos configurations as trees of words, for the languages that are written in them.
//! - [`packet`], [`packet_text`]: the bytes of a frame into the header that rules match; and one
//!   packet in words, to and fro.
//! - [`remark`], [`chains`]: what rule languages share: comments that are addressed to us, and chains
//!   with jumps laid out as one list.
//! - [`languages`], [`traffic`], [`inventory`], [`config`]: what the operator wrote and what the
//!   network saw, one file a form. [`inventory`] also compiles the customers for look-up.
//!
//! What can be asked of one record:
//!
//! - [`matcher`], [`policer`], [`service`], [`intent`]: which rules it meets, in three values;
//!   which bucket lets it pass; which service it is; whom the selectors of an intent mean.
//! - [`convert`]: rules written in another language, where that is exact.
//! - [`attribution`]: whose it is, at both ends.
//! - [`trace`]: one record through one rule set, step by step, and why each rule takes it or not.
//! - [`change`], [`judge`]: what differs between the running and the candidate rules, and by
//!   whose intent harm is judged.
//!
//! From records to harm:
//!
//! - [`tally`]: counters that add up in any order, and the offers that buckets meet.
//! - [`scenario`]: what-if, as a transform of a tally: traffic is read once.
//! - [`replay`]: all records through both rule sets in one pass, into a tally.
//! - [`bank`]: the offers through the buckets of both rule sets.
//! - [`fate`]: what became of the packets of each pair of paths.
//! - [`impact`]: who newly loses how much, where, in which window, to which rule.
//! - [`affected`], [`reach`]: whose new loss is beyond the intent, and how sure that is; and, proved
//!   over all packets, who could be harmed by the change though nobody recorded it.
//! - [`sharing`], [`safe_rate`]: who shares the buckets of a limit, and which rates would do.
//!
//! From harm to one word:
//!
//! - [`finding`], [`guardrails`]: what was found; one file a guardrail, evidence in, findings out.
//! - [`report`]: everything that outputs may show.
//! - [`waiver`]: what someone accepted until a date, taken from the findings.
//! - [`summary`], [`verdict`]: evidence and findings into the rows of a report, and into PASS,
//!   FAIL or CANNOT JUDGE.
//! - [`result`]: the report as it is saved and shown, to JSON and back.
//! - [`reports`]: one file an output form, a result and a writer.
//!
//! The shell, which alone touches the outside:
//!
//! - [`input`] opens things, [`run`] wires the stages, [`cli`] turns what was typed into a checked
//!   plan, and `main.rs` exits.
//!
//! # What is deliberately absent
//!
//! - No stage of the core opens a file or a socket, reads a clock or the environment, or prints.
//!   `traffic` and `reports` use the reader or writer that they are handed; `replay` starts as
//!   many threads as it is told to. Time comes from records and from the plan.
//! - No socket anywhere: nothing is sent, fetched or pushed to a router.
//! - No two modules import each other, and no part of a folder sees its sibling: a new language,
//!   traffic form, inventory form, guardrail or output is one new file and its two adjacent lines.
//! - No guardrail reads traffic, and none looks at another one's findings.
//! - No output reaches back into the run; it sees the result as it is saved, and nothing else.
//! - No floating point in counters and buckets: the result is the same for every number of
//!   threads, order of files and size of batches. Only shares and the confidence of samples, made
//!   from finished counts, are fractions.
//! - No zero for what is not known: a missing field is unknown, what was not understood is listed,
//!   and neither can add up to PASS.

pub mod affected;
pub mod attribution;
pub mod bank;
pub mod chains;
pub mod change;
pub mod cli;
pub mod config;
pub mod convert;
pub mod fate;
pub mod finding;
pub mod guardrails;
pub mod impact;
pub mod input;
pub mod intent;
pub mod inventory;
pub mod judge;
pub mod junos;
pub mod languages;
pub mod matcher;
pub mod model;
pub mod packet;
pub mod packet_text;
pub mod policer;
pub mod reach;
pub mod remark;
pub mod replay;
pub mod report;
pub mod reports;
pub mod result;
pub mod run;
pub mod safe_rate;
pub mod scenario;
pub mod service;
pub mod sharing;
pub mod summary;
pub mod tally;
pub mod trace;
pub mod traffic;
pub mod verdict;
pub mod waiver;
pub mod words;
pub mod yaml;
