//! Rows that say what a filter did with their traffic: what it had dropped did not arrive, and is not
//! counted as arriving.

use blastgate::traffic::Settings;

use crate::bad_input::{folder, never_green};
use crate::common::check;
use crate::recorded;

const HEADER: &str =
    "srcaddr dstaddr protocol srcport dstport packets bytes start end action log-status\n";

/// Rows of an hour of which every third was rejected.
fn rows(reject: impl Fn(u64) -> bool) -> String {
    let row = |at: u64| {
        let dst = if at.is_multiple_of(2) { "203.0.113.10" } else { "203.0.113.11" };
        let action = if reject(at) { "REJECT" } else { "ACCEPT" };
        let time = 1_772_359_200 + at;
        format!("45.0.0.{at} {dst} 17 {} 53 1 100 {time} {time} {action} OK\n", 50_000 + at)
    };
    HEADER.to_owned() + &(0..90).map(row).collect::<String>()
}

#[test]
fn what_a_filter_had_dropped_is_left_out_and_counted() {
    let text = rows(|at| at.is_multiple_of(3));
    for (count_drops, records, dropped) in [(false, 60, 30), (true, 90, 0)] {
        let settings = Settings { count_drops, ..recorded::settings() };
        let (read, counts) =
            recorded::read_as("aws-vpc", text.clone().into_bytes(), &settings).expect("rows");
        assert_eq!((read.len(), counts.dropped), (records, dropped));
        assert_eq!(counts.other.values().sum::<u64>(), dropped);
        assert_eq!((counts.frames, counts.unread.len()), (90, 0));
    }
    let text = text.replace("ACCEPT", "MAYBE");
    let (read, counts) =
        recorded::read_as("aws-vpc", text.into_bytes(), &recorded::settings()).expect("rows");
    assert_eq!((read.len(), counts.unread.values().sum::<u64>()), (0, 60));
}

#[test]
fn cloudflare_goes_by_what_was_done_and_not_by_what_was_thought() {
    let row = |outcome: &str, verdict: &str| {
        format!(
            "{{\"Datetime\":\"2026-03-01T10:00:00Z\",\"IPSourceAddress\":\"45.0.0.1\",\
             \"IPDestinationAddress\":\"203.0.113.10\",\"IPProtocol\":17,\"SourcePort\":1,\
             \"DestinationPort\":2,\"IPTotalLength\":100,\"SampleInterval\":1{outcome},\
             \"Verdict\":\"{verdict}\"}}\n"
        )
    };
    let text = row("", "drop") + &row(",\"Outcome\":\"pass\"", "drop") + &row("", "pass");
    let (read, counts) =
        recorded::read_as("cloudflare", text.into_bytes(), &recorded::settings()).expect("rows");
    assert_eq!((read.len(), counts.dropped), (2, 1));
}

const RULE: &str = "version: 1\nrules:\n  - id: old\n    match: {dst: 203.0.113.10, protocol: udp}\n    \
                    action: drop\n    intent: {target: [acme]}\n";

fn config(more: &str) -> String {
    format!(
        "version: 1\nrules: {{paths: [rules.yaml]}}\ninventory: [inventory.yaml]\n\
         traffic: [{{path: flows.log, pop: ams{more}}}]\n"
    )
}

#[test]
fn what_was_dropped_is_hidden_as_behind_the_running_rules() {
    // Every packet that the old rule drops was recorded as dropped: without it all would pass.
    let log = rows(|at| at.is_multiple_of(2));
    let opened = RULE.replace("protocol: udp", "protocol: tcp");
    let config = config("");
    let files: [(&str, &[u8]); 4] = [
        ("flows.log", log.as_bytes()),
        ("running.yaml", RULE.as_bytes()),
        ("rules.yaml", opened.as_bytes()),
        ("blastgate.yaml", config.as_bytes()),
    ];
    let phrase = "a filter had dropped a part of what is recorded, which is left out; the change \
                  removes, edits or moves `old`, which hid traffic";
    never_green("check", "CANNOT JUDGE", &files, &["--running", "running.yaml"], phrase, "");
    // A change that what is hidden cannot matter to is judged.
    let added = RULE.to_owned()
        + "  - id: new\n    match: {dst: 203.0.113.11, protocol: tcp}\n    action: drop\n    \
           intent: {target: [acme]}\n";
    let folder = folder(&files);
    std::fs::write(folder.path().join("rules.yaml"), added).expect("a file");
    assert_eq!(check(folder.path(), &["--running", "running.yaml"]).code, 0);
}

#[test]
fn a_recording_of_nothing_that_arrived_is_never_green() {
    let log = rows(|_| true);
    let config = config("");
    let files = [("flows.log", log.as_bytes()), ("blastgate.yaml", config.as_bytes())];
    let phrase = "90 rows of what a filter had dropped when it was recorded";
    never_green("check", "CANNOT JUDGE", &files, &[], phrase, "");
    let config = self::config(", drops: count");
    let folder = folder(&[files[0], ("blastgate.yaml", config.as_bytes())]);
    let run = check(folder.path(), &[]);
    assert_eq!((run.code, &run.result["evidence"]["records"]), (0, &90.into()), "{}", run.result);
}
