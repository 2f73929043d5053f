//! The page, as a browser shows it: at two widths, by its own policy and by one that forbids even its
//! style. It asks for nothing, runs nothing, and shows its verdict.

use std::path::Path;
use std::process::Command as System;

use blastgate::result::RunResult;

use crate::common::{fixtures, skip};
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
