//! The page, as a browser shows it: at two widths, by its own policy and by one that forbids even its
//! style. It asks for nothing, runs nothing, and shows its verdict.

use std::path::Path;
use std::process::Command as System;

use blastgate::result::{self, RunResult};

use crate::bad_input::folder;
use crate::common::{check, fixtures, skip};
use crate::outputs::{render, saved};

/// Returns the browser, if there is one.
fn browser() -> Option<&'static str> {
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        System::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        skip("chromium is missing (Debian: chromium)");
    }
    found
}

/// Runs the browser without a network and returns what it wrote to standard output.
fn browse(browser: &str, folder: &Path, arguments: &[&str]) -> String {
    let page = format!("file://{}", folder.join("page.html").display());
    let output = System::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .arg(page)
        .output()
        .expect("the browser runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns width and height of a PNG (its first chunk), and how many bytes it takes.
fn png(path: &Path) -> (u32, u32, usize) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("no picture: {error}"));
    assert_eq!(&bytes[1..4], b"PNG");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"));
    (number(16), number(20), bytes.len())
}

fn page(folder: &Path, text: &str) {
    std::fs::write(folder.join("page.html"), text).expect("a file");
}

fn wrong() -> RunResult {
    saved(&fixtures("incidents").join("2012-09-15-rate-limit"), "wrong.yaml")
}

#[test]
fn the_page_names_verdict_and_culprit_before_anything_else() {
    let text = render(&wrong(), "html");
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}"));
    let body = place("<body>");
    let order = [
        "id=\"verdict\">FAIL<",
        "3 customers affected",
        "<code>a-flood</code>",
        "Who loses",
        "Traffic",
    ];
    let mut last = body;
    for what in order {
        let at = body + text[body..].find(what).unwrap_or_else(|| panic!("no {what}"));
        assert!(at > last, "{what} comes too late");
        last = at;
    }
    for what in [
        "pop: [ams, lhr, fra, par]",
        "who is in the fullest bucket",
        "prefixes of the inventory",
        "What the verdict rests on",
        "203.0.113.64/27",
    ] {
        assert!(text.contains(what), "no {what}");
    }
    // Nothing is asked for, and nothing runs.
    for what in ["<script", "http://", "https://", "url(", "@import", "src=", "href=", "style="] {
        let found = text.contains(what);
        assert!(!found, "the page has {what}");
    }
    // Every picture has a name, or is one beside words.
    for picture in text.split("<svg ").skip(1) {
        let tag = &picture[..picture.find('>').expect("an end")];
        assert!(tag.contains("aria-label=\"") || tag.contains("aria-hidden=\"true\""), "{tag}");
    }
}

#[test]
fn a_browser_shows_the_verdict_at_two_widths_and_by_every_policy() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let text = render(&wrong(), "html");
    for width in [1280, 390] {
        let shot = folder.path().join(format!("{width}.png"));
        let arguments =
            [format!("--window-size={width},900"), format!("--screenshot={}", shot.display())];
        let take = |text: &str| {
            page(folder.path(), text);
            browse(browser, folder.path(), &[&arguments[0], &arguments[1]]);
            png(&shot)
        };
        let (wide, high, bytes) = take(&text);
        assert!(wide >= 390 && high == 900, "{wide} x {high}");
        // The first screen is no empty one, which would be a few kilobytes.
        assert!(bytes > 20_000, "{bytes} bytes at {width}");
        // Its own policy allows its style: without the style the page looks otherwise.
        let bare = text.replacen("'sha256-", "'sha256-x", 1);
        let (_, _, other) = take(&bare);
        assert_ne!(bytes, other, "the style is not shown by the page's own policy");
    }
    // What is read: the verdict is there as text, whatever the policy, and pictures have their size.
    let strict =
        text.replacen("default-src 'none'; style-src", "default-src 'none'; sandbox; x", 1);
    for text in [&text, &strict] {
        page(folder.path(), text);
        let dom = browse(browser, folder.path(), &["--dump-dom"]);
        assert!(dom.contains("id=\"verdict\">FAIL</p>"), "{dom:.2000}");
        assert!(dom.contains("</svg>") && dom.contains("</footer>"), "the page is whole");
    }
}

/// Returns the result of a profile of these flows under a drop of the bakery's telephones.
fn drawn(flows: &str, more: &[&str]) -> RunResult {
    let from = fixtures("guardrails").join("collateral_loss");
    let read = |file: &str| std::fs::read(from.join(file)).expect("a fixture");
    let traffic =
        format!("version: 1\nstart: 2026-03-01T10:00:00Z\nduration: 1200s\nflows:\n{flows}");
    let folder = folder(&[
        ("rules.yaml", &read("fails.yaml")),
        ("inventory.yaml", &read("inventory.yaml")),
        ("traffic.yaml", traffic.as_bytes()),
    ]);
    let given = ["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];
    let run = check(folder.path(), &[&given, more].concat());
    result::read(&run.result.to_string()).expect("a result")
}

#[test]
fn the_timeline_shows_what_was_offered_and_what_passes_bin_by_bin() {
    let result = drawn(
        "  - {id: web, pop: ams, dst: 203.0.113.70, protocol: tcp, dst_port: 443, rate: 8 Mbps}\n\
         \u{20} - {id: phones, pop: ams, at: 600s, duration: 300s, dst: 203.0.113.70, protocol: udp, dst_port: 5060, rate: 800 kbps}\n\
         \u{20} - {id: flood, pop: ams, at: 300s, duration: 300s, label: attack, dst: 203.0.113.10, protocol: udp, dst_port: 80, rate: 80 Mbps}\n\
         \u{20} - {id: answers, pop: ams, src: 203.0.113.70, dst: 45.0.0.9, protocol: tcp, src_port: 443, rate: 4 Mbps}\n",
        &[],
    );
    let timeline = &result.timeline;
    let hours: Vec<&str> = timeline.starts.iter().map(|start| &start[11..16]).collect();
    assert_eq!((hours, timeline.bin_seconds), (vec!["10:00", "10:05", "10:10", "10:15"], 300));
    let [inward, outward] = timeline.series.as_slice() else { panic!("{timeline:?}") };
    assert!(!inward.outgoing && outward.outgoing);
    // A record of a profile is a second of one source: rates are whole to a part in a thousand.
    let near = |is: &[u64], must: &[u64]| {
        let close = |(is, must): (&u64, &u64)| is.abs_diff(*must) * 200 <= *must.max(&1);
        is.len() == must.len() && is.iter().zip(must).all(close)
    };
    let mbps = |tenths: [u64; 4]| tenths.map(|tenth| tenth * 100_000);
    for (what, is, must) in [
        ("offered", inward.legitimate.offered.as_slice(), mbps([80, 80, 88, 80])),
        ("before", inward.legitimate.before(), mbps([80, 80, 88, 80])),
        ("after", inward.legitimate.after(), mbps([80, 80, 80, 80])),
        ("attack", &inward.attack.offered, mbps([0, 800, 0, 0])),
        ("attack before", inward.attack.before(), mbps([0, 800, 0, 0])),
        ("attack after", inward.attack.after(), mbps([0, 0, 0, 0])),
        ("out", outward.legitimate.after(), mbps([40, 40, 40, 40])),
    ] {
        assert!(near(is, &must), "{what}: {is:?}, not {must:?}");
    }
    assert!(outward.attack.offered.is_empty());
}

#[test]
fn the_picture_is_bounded_and_adds_up_whatever_was_recorded() {
    let flow = |pop: usize| {
        let dst = if pop.is_multiple_of(2) { "203.0.113.70" } else { "203.0.113.10" };
        format!(
            "  - {{id: f{pop}, pop: p{pop:02}, dst: {dst}, protocol: tcp, rate: {}0 kbps}}\n",
            pop + 1
        )
    };
    let flows: String = (0..20).map(flow).collect();
    let result = drawn(&flows, &["--max-age", "9000d"]);
    let pops: Vec<&str> = result.timeline.series.iter().map(|one| one.pop.as_str()).collect();
    assert_eq!(pops, ["p19", "p18", "p17", "p16", "p15", "p14", "p13", "p12", "(12 others)"]);
    let bits: f64 = result
        .timeline
        .series
        .iter()
        .flat_map(|one| &one.legitimate.offered)
        .map(|rate| *rate as f64 * 300.0)
        .sum();
    // 210 times 10 kbps for 1,200 seconds.
    assert!((bits / (2_100_000.0 * 1_200.0) - 1.0).abs() < 0.01, "{bits}");
    // A window of a second makes 1,200; they are joined to at most 120 bins.
    let config = "version: 1\nevidence: {window: 1s}\n";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("blastgate.yaml");
    std::fs::write(&path, config).expect("a file");
    let result = drawn(&flows, &["--config", path.to_str().expect("text")]);
    assert_eq!((result.timeline.starts.len(), result.timeline.bin_seconds), (120, 10));
}

#[test]
fn a_rule_is_shown_as_it_is_written_and_no_further() {
    let shown = |folder: &str, file: &str| {
        let result = saved(&fixtures("incidents").join(folder), file);
        result.rules[0].text.clone().expect("the text of a rule")
    };
    let text = shown("2012-09-15-rate-limit", "wrong.yaml");
    assert!(text.starts_with("  - id: a-flood\n") && text.ends_with("must_stop: 80%"), "{text}");
    let text = shown("2012-09-15-rate-limit", "right.yaml");
    assert_eq!(text.matches("id:").count(), 1, "{text}");
}
