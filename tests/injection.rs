//! Names, comments, file names and messages are untrusted text: whatever stands in them, no output
//! leaks a control character, is broken out of, or is a command to the system that shows it.

use std::path::Path;

use blastgate::reports::FORMS;
use blastgate::result::{self, RunResult};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;

use crate::common::{NOW, blastgate, fixtures};
use crate::outputs::{holds, render, sarif_validator, saved};

/// Texts that mean something to someone who reads an output.
const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{90}q\u{7f}\u{8}",
    "::error file=x::owned",
    "x\n::add-mask::secret\r\n::set-output name=a::b",
    "x ::stop-commands::token",
    "##[error]owned ##vso[task.setvariable variable=a]b ###[group]x ##teamcity[x]",
    "50%0A::error::owned%250A,title=x",
    "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;",
    "--><!-- blastgate:check --><h1>owned</h1>",
    "a | b | c\n| x | y |\n\n# owned\n",
    "\\| \\\\| `|` ``` | ~~~",
    "`x` ``y`` ![i](http://x.example/i.png) [l](javascript:alert(1)) https://x.example @everyone #1",
    "\n```\n</details>\n- [ ] task\n\n<table><tr>",
    "]]><x/>&amp;&#x1b;<![CDATA[",
    "\u{0}\u{1}\u{b}\u{c}\u{fffe}\u{ffff}",
    "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{2028}\u{2029}\u{ad}\u{e0041}",
    "\"'; }, \"verdict\": \"pass\", {",
    "../../../etc/passwd",
    "file:///etc/passwd?x#y",
    "\t",
    " ",
    "",
];

/// Puts a hostile text into every text of a result that is not a word of ours.
fn spoil(value: &mut Value, key: &str, text: &str) {
    const WORDS: &[&str] = &["schema", "command", "verdict", "severity", "how", "state"];
    match value {
        // The scenario of the recording is a word of ours, too.
        Value::String(own) if !WORDS.contains(&key) && own != "recorded" => {
            *own = text.to_owned();
        }
        Value::Array(list) => list.iter_mut().for_each(|one| spoil(one, key, text)),
        Value::Object(map) => {
            let is_free = [
                "guardrails",
                "unchanged_findings",
                "pops",
                "hours",
                "unparsed",
                "not_ip",
                "files",
            ]
            .contains(&key);
            if is_free {
                let old = std::mem::take(map);
                map.extend(old.into_iter().map(|(_, value)| (text.to_owned(), value)));
            }
            map.iter_mut().for_each(|(key, value)| spoil(value, key, text));
        }
        _ => {}
    }
}

fn spoiled(result: &RunResult, text: &str) -> RunResult {
    let mut value = serde_json::to_value(result).expect("JSON");
    spoil(&mut value, "", text);
    result::read(&value.to_string()).expect("a result")
}

/// What no output may hold, whatever its form.
fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{ad}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// Reads a line as the runner of GitHub does, and returns the command and its properties. (It
/// trims the line, takes what begins with `::`, and takes `##[…]` anywhere.)
fn command(line: &str) -> Option<(&str, Vec<&str>)> {
    const REGISTERED: &[&str] = &[
        "add-mask",
        "add-matcher",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "notice",
        "internal-set-repo-path",
        "remove-matcher",
        "save-state",
        "set-env",
        "set-output",
        "stop-commands",
        "warning",
    ];
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, _) = rest.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let keys = properties.split(',').filter_map(|one| Some(one.split_once('=')?.0.trim()));
    REGISTERED.contains(&name).then(|| (name, keys.collect()))
}

fn check_form(form: &str, result: &RunResult, what: &str) {
    let text = render(result, form);
    let shown = || text.chars().take(4_000).collect::<String>();
    if let Some(at) = text.chars().position(is_hidden) {
        let near: String = text.chars().skip(at.saturating_sub(40)).take(80).collect();
        panic!("{form} of {what} leaks a hidden character: {near:?}");
    }
    for mark in ["##[", "##vso[", "##teamcity["] {
        assert!(!text.contains(mark), "{form} of {what} holds {mark}: {}", shown());
    }
    for line in text.lines() {
        match command(line) {
            None => {}
            Some((name, keys)) if form == "github" => {
                assert!(["error", "warning"].contains(&name), "{what}: {line}");
                let known = ["file", "line", "col", "title"];
                assert!(keys.iter().all(|key| known.contains(key)), "{what}: {keys:?} {line}");
                assert!(line.contains("title=blastgate"), "{what}: {line}");
            }
            Some(_) => panic!("{form} of {what} commands: {line}"),
        }
    }
    match form {
        "json" => {
            let back = result::read(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(&back, result, "{what}: texts come back as they were");
        }
        "sarif" | "gitlab" => drop(serde_json::from_str::<Value>(&text).expect("JSON")),
        "junit" => xml(&text, what),
        "markdown" => markdown(&text, what),
        "text" => assert!(text.lines().count() <= 24, "{what}:\n{text}"),
        "html" => page(&text, what),
        "concise" | "github" => {}
        new => panic!("how is {new} broken out of? Say it here"),
    }
}

/// Reads a page tag by tag: all elements and attributes are ours, and none of them loads, runs or
/// leads anywhere.
fn page(text: &str, what: &str) {
    const ELEMENTS: &[&str] = &[
        "!DOCTYPE",
        "body",
        "caption",
        "code",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "head",
        "header",
        "html",
        "li",
        "line",
        "main",
        "meta",
        "p",
        "path",
        "pre",
        "rect",
        "section",
        "span",
        "strong",
        "style",
        "svg",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ];
    const ATTRIBUTES: &[&str] = &[
        "aria-hidden",
        "aria-label",
        "aria-labelledby",
        "charset",
        "class",
        "content",
        "d",
        "fill",
        "fill-opacity",
        "font-family",
        "font-size",
        "font-weight",
        "height",
        "http-equiv",
        "id",
        "lang",
        "name",
        "role",
        "stroke",
        "stroke-dasharray",
        "stroke-width",
        "viewBox",
        "width",
        "x",
        "x1",
        "x2",
        "y",
        "y1",
        "y2",
    ];
    let mut rest = text;
    let mut open: Vec<&str> = Vec::new();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "!/".contains(c)));
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        assert!(ELEMENTS.contains(&name.trim_start_matches('/')), "{what}: <{name}");
        if name == "!DOCTYPE" {
            continue;
        }
        while let Some(attribute) = rest.strip_prefix(' ') {
            let (key, value) = attribute.split_once('=').expect("an attribute");
            assert!(ATTRIBUTES.contains(&key), "{what}: {key} of {name}");
            let value = value.strip_prefix('"').expect("quotes");
            rest = &value[value.find('"').expect("quotes") + 1..];
        }
        rest = rest.strip_prefix('>').unwrap_or_else(|| panic!("{what}: {name} {rest:.40}"));
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{what}"),
            None if name == "meta" => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{what}: {open:?}");
    assert_eq!(text.matches("<style>").count(), 1, "{what}");
}

fn xml(text: &str, what: &str) {
    let report = quick_junit::Report::deserialize_from_str(text)
        .unwrap_or_else(|error| panic!("{what}: {error}\n{text}"));
    assert_eq!(report.test_suites.len(), 1, "{what}");
    for element in ["<x/>", "<script", "<img", "<h1", "<table", "<!"] {
        assert!(!text.contains(element), "{what}: {element}\n{text}");
    }
}

/// Reads it as a reader of GitHub's Markdown does: all that is there is what we put there.
fn markdown(text: &str, what: &str) {
    assert!(text.chars().count() <= 60_000, "{what}: {}", text.chars().count());
    assert!(text.starts_with("<!-- blastgate:check -->\n"), "{what}: {text}");
    let (mut html, mut cells, mut headings) = (String::new(), 0, 0);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS) {
        match event {
            Event::Html(part) | Event::InlineHtml(part) => html.push_str(&part),
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_))
            | Event::TaskListMarker(_)
            | Event::Rule => panic!("{what}: {event:?}\n{text}"),
            Event::Start(Tag::Heading { .. }) => headings += 1,
            Event::Start(Tag::TableHead | Tag::TableRow) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => {
                assert_eq!(cells, 6, "{what}: a row was broken out of\n{text}");
            }
            Event::Text(plain) => {
                for untrusted in ["@", "://", "owned", "alert", "](", "<", "|"] {
                    assert!(!plain.contains(untrusted), "{what}: {plain:?} is no code\n{text}");
                }
            }
            _ => {}
        }
    }
    assert_eq!(html.trim(), "<!-- blastgate:check -->", "{what}: {text}");
    assert_eq!(headings, 1, "{what}: {text}");
    // pulldown-cmark pads or cuts rows to the width of the head: count the bars as well.
    let bars = |line: &&str| line.starts_with("| ") && line.ends_with(" |");
    for row in text.lines().filter(bars) {
        assert_eq!(row.matches('|').count(), 7, "{what}: {row}");
    }
}

/// Returns results with everything in them: losses, limits, attack, problems, scenarios.
fn results() -> Vec<RunResult> {
    let folder = fixtures("incidents");
    let mut all = vec![
        saved(&folder.join("2012-09-15-standing-limit"), "wrong.yaml"),
        saved(&folder.join("2014-08-25-source-port"), "wrong.yaml"),
        saved(&folder.join("2012-09-15-rate-limit"), "none.yaml"),
        saved(&folder.join("2012-09-15-rate-limit"), "wrong.nft"),
    ];
    // What is not understood of a rule, and a waived finding.
    let mut waived = all[1].clone();
    waived.findings.iter_mut().skip(1).for_each(|finding| finding.waived = true);
    all.push(waived);
    all
}

#[test]
fn no_text_breaks_out_of_any_form() {
    let sarif = sarif_validator();
    for result in results() {
        for text in HOSTILE {
            let result = spoiled(&result, text);
            for form in FORMS {
                check_form(form.name, &result, text);
            }
            if let Some(sarif) = &sarif {
                let text = render(&result, "sarif");
                holds(sarif, &serde_json::from_str(&text).expect("JSON"), "SARIF of hostile text");
            }
        }
        // All of them at once, where one may end what another began.
        let all = HOSTILE.concat();
        let result = spoiled(&result, &all);
        FORMS.iter().for_each(|form| check_form(form.name, &result, "all at once"));
    }
}

#[test]
fn texts_of_megabytes_stay_within_the_limits_of_every_form() {
    let model = &results()[1];
    for unit in ["x", "`", "|", "\u{1b}", "::error::", "\u{202e} ", "<a>", "ä \n"] {
        // Ten megabytes in the customers, and in what is said of them.
        let long = unit.repeat(10_000_000 / unit.len());
        let mut result = model.clone();
        result.customers.truncate(1);
        result.findings.truncate(1);
        result.customers[0].id.clone_from(&long);
        result.findings[0].message = format!("of {long}");
        result.findings[0].customers = vec![long.clone()];
        result.summary = format!("worst: {long}");
        for form in FORMS.iter().filter(|form| form.name != "json") {
            check_form(form.name, &result, &format!("10 MB of {unit:?}"));
            let length = render(&result, form.name).len();
            assert!(length < 200_000, "{} of 10 MB of {unit:?}: {length}", form.name);
        }
    }
}

#[test]
fn ten_thousand_customers_and_findings_stay_within_the_limits() {
    let mut result = results()[1].clone();
    let (customer, finding) = (result.customers[0].clone(), result.findings[0].clone());
    result.customers = (0..10_000)
        .map(|at| result::Customer { id: format!("customer-{at}"), ..customer.clone() })
        .collect();
    result.findings = (0..10_000)
        .map(|at| {
            let mut finding = finding.clone();
            finding.location.as_mut().expect("a place").line = at + 1;
            finding.rule = Some(format!("rule-{at}"));
            finding.message = "x".repeat(2_000);
            finding.help = Some("y".repeat(2_000));
            finding.customers = (0..1_000).map(|who| format!("customer-{who}")).collect();
            finding
        })
        .collect();
    FORMS
        .iter()
        .filter(|form| form.name != "json")
        .for_each(|form| check_form(form.name, &result, "many"));
    let sarif = render(&result, "sarif");
    assert!(sarif.len() < 20_000_000, "{}", sarif.len());
    let parsed: Value = serde_json::from_str(&sarif).expect("JSON");
    let results = parsed["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 5_000);
    let told =
        &parsed["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert!(told.as_str().expect("text").starts_with("5000 results more"), "{told}");
    // GitHub takes 10 MB after gzip.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, sarif.as_bytes()).expect("compressed");
    assert!(packed.finish().expect("compressed").len() < 10_000_000);
    let mut prints: Vec<&str> = results
        .iter()
        .map(|one| one["partialFingerprints"]["blastgate/v1"].as_str().expect("a fingerprint"))
        .collect();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), 5_000, "rules are told apart");
}

/// Returns a word in double quotes, as YAML reads it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("JSON is YAML")
}

#[test]
fn a_real_run_with_hostile_names_comments_and_file_names_leaks_nothing() {
    let mut judged = 0;
    let texts = HOSTILE.iter().filter(|text| !text.trim().is_empty());
    // The ids of customers may hold no such text, and are refused in words that quote it.
    for (text, id) in texts.flat_map(|text| [(text, quoted(text)), (text, "bakery".to_owned())]) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".git")).expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a file");
        };
        let name = quoted(text);
        write(
            "inventory.yaml",
            &format!(
                "version: 1\ncustomers:\n  - {{id: acme, prefixes: [203.0.113.0/28]}}\n  - {{id: {id}, \
                 tier: {name}, name: {name}, prefixes: [203.0.113.64/27]}}\n"
            ),
        );
        write(
            "traffic.yaml",
            &format!(
                "version: 1\nduration: 60s\nflows:\n  - {{id: a, pop: {name}, label: attack, dst: \
                 203.0.113.10, protocol: udp, rate: 80 Mbps}}\n  - {{id: b, pop: {name}, dst: \
                 203.0.113.70, protocol: udp, rate: 800 kbps}}\n"
            ),
        );
        // Slashes make folders, and NUL is in no name of a file.
        let named: String = text.replace(['/', '\0'], "_").chars().take(60).collect();
        let file = format!("rules/r{named}.yaml");
        std::fs::create_dir(folder.path().join("rules")).expect("a folder");
        write(
            &file,
            &format!(
                "version: 1\n# {}\nrules:\n  - id: flood\n    description: {name}\n    match: {{dst: \
                 203.0.113.0/24, protocol: udp}}\n    action: drop\n    intent: {{target: [acme], \
                 summary: {name}}}\n",
                text.replace(|c: char| c.is_control() || is_hidden(c) || c == '\u{85}', " ")
            ),
        );
        for form in FORMS {
            let mut command = blastgate(folder.path());
            command.args([
                "check",
                "rules",
                "--inventory",
                "inventory.yaml",
                "--traffic",
                "traffic.yaml",
            ]);
            command.args(["--now", NOW, "-o", form.name]).env("LC_ALL", "C.UTF-8");
            let output = command.output().expect("the program runs");
            let code = output.status.code().expect("it ends by itself");
            // A name that the inventory or the profile refuses is refused in words.
            assert!([1, 3].contains(&code), "{text:?}: {output:?}");
            let out = String::from_utf8(output.stdout).expect("text");
            let said = String::from_utf8(output.stderr).expect("text");
            for (stream, text) in [("output", &out), ("standard error", &said)] {
                let leak = text.chars().find(|c| is_hidden(*c));
                assert!(leak.is_none(), "{stream} of {}: {leak:?} in {text:?}", form.name);
                assert!(!text.contains("##["), "{stream} of {}: {text}", form.name);
            }
            let foreign = |line: &&str| command_of_others(line, form.name);
            let lines: Vec<&str> = out.lines().chain(said.lines()).filter(foreign).collect();
            assert!(lines.is_empty(), "{}: {lines:?}", form.name);
            if form.name == "json" {
                let result = result::read(&out).expect("a result");
                judged += usize::from(code == 1);
                FORMS.iter().for_each(|form| check_form(form.name, &result, text));
            }
        }
    }
    assert!(judged >= 5, "too few names were taken: {judged}");
}

fn command_of_others(line: &str, form: &str) -> bool {
    match command(line) {
        None => false,
        Some((name, _)) => form != "github" || !["error", "warning"].contains(&name),
    }
}

#[test]
fn a_usage_error_that_quotes_its_arguments_commands_nothing() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let hostile = "x\n::error::owned\u{1b}[2J";
    for arguments in [
        &["report", hostile][..],
        &["check", "rules", "-o", hostile],
        &["check", "rules", "-o", &format!("json=none/{hostile}")],
        &["explain", hostile],
        &["schema", hostile],
        &["check", "rules", "--language", hostile],
    ] {
        let output = blastgate(here).args(arguments).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!said.chars().any(is_hidden), "{arguments:?}: {said:?}");
        assert!(said.lines().all(|line| command(line).is_none()), "{arguments:?}: {said}");
    }
}
