//! The outputs: all of them from one run, each held against its schema or a real consumer, and the
//! same again from a saved result.

use std::path::{Path, PathBuf};

use blastgate::reports::{FORMS, Style, schema::SCHEMAS};
use blastgate::result::{self, RunResult};
use serde_json::Value;

use crate::common::{NOW, blastgate, fixtures, skip};

/// A change of the fixtures that fails, and one that passes.
const WRONG: &str = "2012-09-15-rate-limit";

/// Returns every folder of fixtures with each of its candidates.
pub(crate) fn changes() -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for kind in ["guardrails", "everyday", "incidents"] {
        for folder in std::fs::read_dir(fixtures(kind)).expect("the fixtures") {
            let folder = folder.expect("an entry").path();
            for file in std::fs::read_dir(&folder).expect("a folder") {
                let file = file.expect("an entry").file_name().into_string().expect("text");
                let (stem, end) = file.split_once('.').expect("an ending");
                let is_rules = ["yaml", "nft", "conf"].contains(&end)
                    && !["inventory", "traffic", "running", "running-one", "expected", "blastgate"]
                        .contains(&stem);
                if is_rules {
                    all.push((folder.clone(), file));
                }
            }
        }
    }
    all.sort();
    assert!(all.len() > 100, "fixtures are missing: {}", all.len());
    all
}

/// Runs `check` on one of them, with more arguments.
fn run(folder: &Path, candidate: &str, more: &[String]) -> std::process::Output {
    let mut command = blastgate(folder);
    command.args(["check", candidate, "--inventory", "inventory.yaml", "--now", NOW]);
    if !folder.join("blastgate.yaml").is_file() {
        command.args(["--no-config", "--traffic", "traffic.yaml"]);
    }
    if folder.join("running.yaml").is_file() {
        command.args(["--running", "running.yaml"]);
    }
    command.args(more).output().expect("the program runs")
}

/// Returns the arguments that write every form into a folder, and the saved result as well.
fn everything(into: &Path) -> Vec<String> {
    let file = |name: &str| into.join(name).display().to_string();
    let mut arguments = Vec::new();
    for form in FORMS {
        arguments.extend(["-o".to_owned(), format!("{}={}", form.name, file(form.name))]);
    }
    arguments.extend(["--save".to_owned(), file("saved")]);
    arguments
}

/// Renders a result in one form, as into a file.
pub(crate) fn render(result: &RunResult, form: &str) -> String {
    let form = FORMS.iter().find(|one| one.name == form).expect("a form");
    let mut out = Vec::new();
    (form.write)(result, Style::default(), &mut out).expect("it can be written");
    String::from_utf8(out).expect("text")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn saved(folder: &Path, candidate: &str) -> RunResult {
    let output = run(folder, candidate, &["-o".to_owned(), "json".to_owned()]);
    result::read(&String::from_utf8(output.stdout).expect("text")).expect("a result")
}

/// Returns what validates against one of our schemas.
pub(crate) fn validator(name: &str) -> jsonschema::Validator {
    let schema = SCHEMAS.iter().find(|one| one.name == name).expect("a schema");
    let schema: Value = serde_json::from_str(&schema.text().expect("text")).expect("JSON");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    jsonschema::draft7::new(&schema).expect("a schema of draft-07")
}

/// Returns what validates SARIF by the schema of OASIS, if that is there: `.ci/run` fetches it.
pub(crate) fn sarif_validator() -> Option<jsonschema::Validator> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sarif-schema-2.1.0.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        skip("target/sarif-schema-2.1.0.json is missing; `.ci/run` fetches it");
        return None;
    };
    let mut schema: Value = serde_json::from_str(&text).expect("JSON");
    // A bracket too many makes two patterns of the standard no regular expressions.
    for object in ["run", "toolComponent"] {
        let pattern = &mut schema["definitions"][object]["properties"]["language"]["pattern"];
        assert_eq!(*pattern, "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$");
        *pattern = "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$".into();
    }
    assert!(schema["$id"].as_str().expect("an id").ends_with("sarif-schema-2.1.0.json"));
    Some(jsonschema::draft7::new(&schema).expect("a schema of draft-07"))
}

pub(crate) fn holds(validator: &jsonschema::Validator, value: &Value, what: &str) {
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_fixture_gives_every_form_by_its_schema_and_again_from_the_saved_result() {
    let ours = validator("result");
    let sarif = sarif_validator();
    let mut verdicts = std::collections::BTreeMap::new();
    for (folder, candidate) in changes() {
        let what = format!("{}/{candidate}", folder.display());
        let into = tempfile::tempdir().expect("a folder");
        let output = run(&folder, &candidate, &everything(into.path()));
        let code = output.status.code().expect("it ends by itself");
        assert!([0, 1, 3].contains(&code), "{what}: {output:?}");
        assert!(output.stdout.is_empty(), "{what}: all went to files");
        let saved = read(&into.path().join("saved"));
        holds(&ours, &serde_json::from_str(&saved).expect("JSON"), &what);
        let result = result::read(&saved).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(i32::from(result.exit_code), code, "{what}");
        *verdicts.entry(code).or_insert(0) += 1;
        for form in FORMS {
            let written = read(&into.path().join(form.name));
            assert_eq!(render(&result, form.name), written, "{what} as {}", form.name);
        }
        assert_eq!(read(&into.path().join("json")), saved, "{what}");
        if let Some(sarif) = &sarif {
            let text = read(&into.path().join("sarif"));
            holds(sarif, &serde_json::from_str(&text).expect("JSON"), &what);
        }
        in_short(&result, &what);
    }
    assert!(verdicts.len() == 3, "every verdict was among them: {verdicts:?}");
}

/// What holds of every result in every form: nothing is green that is no PASS.
fn in_short(result: &RunResult, what: &str) {
    let is_pass = result.exit_code == 0;
    let xml = render(result, "junit");
    let junit = quick_junit::Report::deserialize_from_str(&xml).expect("JUnit");
    assert_eq!(junit.failures + junit.errors == 0, is_pass, "{what}: {xml}");
    assert!(junit.tests > 0, "{what}");
    let lines = render(result, "github");
    assert_eq!(!lines.contains("::error "), is_pass, "{what}: {lines}");
    let sarif: Value = serde_json::from_str(&render(result, "sarif")).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(!results.iter().any(|one| one["level"] == "error"), is_pass, "{what}: {sarif:#}");
    let mut places: Vec<String> = results
        .iter()
        .map(|one| format!("{} {}", one["ruleId"], one["locations"][0]["physicalLocation"]))
        .collect();
    let all = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), all, "{what}: one result for each guardrail and line");
    let quality: Value = serde_json::from_str(&render(result, "gitlab")).expect("JSON");
    let bad = |one: &Value| one["severity"] != "minor" && one["severity"] != "info";
    let issues = quality.as_array().expect("a list");
    assert_eq!(!issues.iter().any(bad), is_pass, "{what}: {quality:#}");
    let concise = render(result, "concise");
    let blocking =
        concise.lines().any(|line| line.contains(": error[") || line.contains(": unknown["));
    assert_eq!(!blocking, is_pass || is_strict_only(result), "{what}: {concise}");
}

fn is_strict_only(result: &RunResult) -> bool {
    result.findings.iter().all(|finding| finding.severity == blastgate::finding::Level::Warning)
        && result.problems.is_empty()
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_that_names_it() {
    let folder = fixtures("incidents").join(WRONG);
    let try_with = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        let output = run(&folder, "wrong.yaml", &arguments);
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    for wanted in ["sarif=none/there.sarif", "junit=/", "github=inventory.yaml"] {
        let (code, said) = try_with(&["-o", "text", "-o", wanted]);
        let file = wanted.split_once('=').expect("a file").1;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("cannot write {file}")), "{said}");
    }
    let (code, said) = try_with(&["-o", "sarif", "-o", "junit"]);
    assert!(
        code == Some(2) && said.contains("only one output can go to standard output"),
        "{said}"
    );
    let (code, said) = try_with(&["-o", "sarfi"]);
    assert!(code == Some(2) && said.contains("did you mean `sarif`?"), "{said}");
    // A device that is full is found only when it is written to.
    if Path::new("/dev/full").exists() {
        let (code, said) = try_with(&["-o", "sarif=/dev/full"]);
        assert!(code == Some(2) && said.contains("cannot write /dev/full"), "{said}");
    }
}

#[test]
fn no_output_changes_the_exit_code_or_another_output() {
    let folder = fixtures("incidents").join(WRONG);
    for (candidate, expected) in [("wrong.yaml", 1), ("right.yaml", 0), ("none.yaml", 3)] {
        let into = tempfile::tempdir().expect("a folder");
        let plain = run(&folder, candidate, &[]);
        let with_all =
            run(&folder, candidate, &[everything(into.path()), vec!["-otext".to_owned()]].concat());
        assert_eq!(plain.status.code(), Some(expected));
        assert_eq!(with_all.status.code(), Some(expected));
        assert_eq!(plain.stdout, with_all.stdout);
        for form in FORMS {
            let alone = run(&folder, candidate, &["-o".to_owned(), form.name.to_owned()]);
            assert_eq!(alone.status.code(), Some(expected), "{}", form.name);
            assert_eq!(
                String::from_utf8(alone.stdout).expect("text"),
                read(&into.path().join(form.name)),
                "{} to a pipe and to a file",
                form.name
            );
            let mut again = blastgate(&folder);
            again.args(["report", "-", "-o", form.name]).env("NO_COLOR", "1");
            let again = again.write_stdin(read(&into.path().join("saved"))).output().expect("runs");
            assert_eq!(again.status.code(), Some(0), "{again:?}");
            assert_eq!(again.stdout, read(&into.path().join(form.name)).into_bytes());
        }
    }
}

#[test]
fn each_form_shows_the_incident_as_its_readers_want_it() {
    let mut result = saved(&fixtures("incidents").join("2014-08-25-source-port"), "wrong.yaml");
    // The same where this is no repository.
    result.files.clear();
    insta::assert_snapshot!("incident-concise", render(&result, "concise"));
    insta::assert_snapshot!("incident-github", render(&result, "github"));
    insta::assert_snapshot!("incident-gitlab", render(&result, "gitlab"));
    insta::assert_snapshot!("incident-junit", render(&result, "junit"));
    insta::assert_snapshot!("incident-markdown", render(&result, "markdown"));
    insta::assert_snapshot!("incident-sarif", render(&result, "sarif"));
}

#[test]
fn places_are_those_of_the_repository_wherever_the_program_is_started() {
    let root = tempfile::tempdir().expect("a folder");
    let fixture = fixtures("guardrails").join("collateral_loss");
    let edge = root.path().join("net/edge");
    std::fs::create_dir_all(root.path().join(".git")).expect("a folder");
    std::fs::create_dir_all(edge.join("rules")).expect("a folder");
    for (from, to) in [
        ("fails.yaml", "rules/a b.yaml"),
        ("inventory.yaml", "inventory.yaml"),
        ("traffic.yaml", "traffic.yaml"),
    ] {
        std::fs::copy(fixture.join(from), edge.join(to)).expect("a copy");
    }
    let absolute = edge.join("rules").display().to_string();
    for (folder, rules) in [("net/edge", "rules"), ("net", "edge/rules"), ("net", &absolute)] {
        let here = root.path().join(folder);
        let base = if folder == "net" { "edge/" } else { "" };
        let mut command = blastgate(&here);
        command.args(["check", rules, "--no-config", "--now", NOW, "-o", "json"]);
        command.args(["--inventory", &format!("{base}inventory.yaml")]);
        command.args(["--traffic", &format!("{base}traffic.yaml")]);
        let output = command.output().expect("the program runs");
        let result = result::read(&String::from_utf8(output.stdout).expect("text")).expect("JSON");
        let sarif: Value = serde_json::from_str(&render(&result, "sarif")).expect("JSON");
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "net/edge/rules/a%20b.yaml", "{rules}");
        assert_eq!(place["region"]["startLine"], 3);
        let quality: Value = serde_json::from_str(&render(&result, "gitlab")).expect("JSON");
        assert_eq!(quality[0]["location"]["path"], "net/edge/rules/a b.yaml", "{rules}");
        assert!(render(&result, "github").contains("file=net/edge/rules/a b.yaml,line=3,"));
    }
}

#[test]
fn the_step_summary_is_appended_where_the_runner_names_one() {
    let folder = fixtures("incidents").join(WRONG);
    let into = tempfile::tempdir().expect("a folder");
    let summary = into.path().join("summary.md");
    std::fs::write(&summary, "before\n").expect("a file");
    let mut command = blastgate(&folder);
    command.args(["check", "wrong.yaml", "--no-config", "--inventory", "inventory.yaml"]);
    command.args(["--traffic", "traffic.yaml", "--now", NOW, "-o", "github"]);
    let output = command.env("GITHUB_STEP_SUMMARY", &summary).output().expect("runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let result = saved(&folder, "wrong.yaml");
    assert_eq!(read(&summary), format!("before\n{}", render(&result, "markdown")));
    let output =
        command.env("GITHUB_STEP_SUMMARY", into.path().join("none/x")).output().expect("runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.code() == Some(2) && said.contains("GITHUB_STEP_SUMMARY"), "{said}");
}

#[test]
fn github_shows_nine_and_says_how_many_more_there_are() {
    let mut result = saved(&fixtures("incidents").join(WRONG), "wrong.yaml");
    let model = result.findings[0].clone();
    result.findings = (0..30)
        .map(|at| {
            let mut finding = model.clone();
            finding.location.as_mut().expect("a place").line = at + 1;
            if at % 3 == 0 {
                finding.severity = blastgate::finding::Level::Warning;
                finding.fails = false;
            }
            finding
        })
        .collect();
    let text = render(&result, "github");
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands.len(), 10, "{text}");
    assert!(commands[..9].iter().all(|line| line.starts_with("::error ")), "worst first: {text}");
    assert!(commands[9].contains("and 21 findings more: 11 errors, 10 warnings"), "{text}");
    assert!(text.lines().last().expect("a line").starts_with("blastgate: FAIL: "), "{text}");
}

/// Returns a result of a run that failed, as if it had passed.
fn passed(failed: &str) -> String {
    failed.replacen("\"verdict\": \"fail\"", "\"verdict\": \"pass\"", 1).replacen(
        "\"exit_code\": 1",
        "\"exit_code\": 0",
        1,
    )
}

#[test]
fn what_is_no_whole_result_of_this_version_is_refused_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = render(&saved(&fixtures("incidents").join(WRONG), "wrong.yaml"), "json");
    let cases = [
        ("cut", good[..good.len() / 2].to_owned(), "no whole JSON: EOF"),
        ("empty", String::new(), "no whole JSON"),
        ("other", "{\"a\": 1}".to_owned(), "no result of blastgate"),
        ("list", "[1, 2]".to_owned(), "no result of blastgate"),
        (
            "sarif",
            render(&result::read(&good).expect("a result"), "sarif"),
            "no result of blastgate",
        ),
        (
            "newer",
            good.replacen("result/v1", "result/v2", 1),
            "`blastgate/result/v2`, and this program reads",
        ),
        ("shape", "{\"schema\": \"blastgate/result/v1\"}".to_owned(), "missing field `command`"),
        (
            "green",
            good.replacen("\"verdict\": \"fail\"", "\"verdict\": \"pass\"", 1),
            "contradict each other",
        ),
        ("passed", passed(&good), "it says that it passes, and a finding does not"),
        ("deep", "[".repeat(100_000), "no whole JSON"),
        ("twice", format!("{good}{good}"), "no whole JSON: trailing characters"),
    ];
    for (name, text, expected) in cases {
        std::fs::write(folder.path().join(name), text).expect("a file");
        for command in [&["report", name][..], &["show", name, "--rule", "x"]] {
            let output = blastgate(folder.path()).args(command).output().expect("runs");
            let said = String::from_utf8(output.stderr).expect("text");
            assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
            assert!(said.contains(expected) && said.contains(name), "{command:?}: {said}");
            assert!(output.stdout.is_empty() && said.len() < 500, "{command:?}: {said}");
        }
    }
    let output = blastgate(folder.path()).args(["report", "none"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn show_drills_into_a_customer_a_rule_and_a_pop() {
    let folder = tempfile::tempdir().expect("a folder");
    let result = saved(&fixtures("incidents").join("2012-09-15-standing-limit"), "wrong.yaml");
    std::fs::write(folder.path().join("result.json"), render(&result, "json")).expect("a file");
    let show = |arguments: &[&str]| {
        let mut command = blastgate(folder.path());
        command.args(["show", "result.json"]).args(arguments).env("LC_ALL", "C.UTF-8");
        let output = command.output().expect("runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().expect("a code"), String::from_utf8(text).expect("text"))
    };
    let first = &result.customers[0];
    let (code, customer) = show(&["--customer", &first.id]);
    assert_eq!(code, 0);
    insta::assert_snapshot!("show-customer", customer);
    let (code, rule) = show(&["--rule", &first.rules[0]]);
    assert_eq!(code, 0);
    insta::assert_snapshot!("show-rule", rule);
    let (code, pop) = show(&["--pop", &first.worst.as_ref().expect("a loss").pop]);
    assert_eq!(code, 0);
    insta::assert_snapshot!("show-pop", pop);
    // Nobody is unharmed for a slip of the pen.
    for (flag, name) in [("--customer", "nobody-here"), ("--rule", "none"), ("--pop", "xyz")] {
        let (code, said) = show(&[flag, name]);
        assert!(code == 2 && said.contains(&format!("named `{name}`")), "{said}");
    }
    let (code, said) = show(&[]);
    assert!(code == 2 && said.contains("--customer <ID>"), "{said}");
}

#[test]
fn every_schema_is_printed_and_holds_what_is_written() {
    let root = fixtures("incidents").join(WRONG);
    let list = blastgate(&root).arg("schema").output().expect("runs");
    let list = String::from_utf8(list.stdout).expect("text");
    for schema in SCHEMAS {
        assert!(list.contains(schema.name), "{list}");
        let printed = blastgate(&root).args(["schema", schema.name]).output().expect("runs");
        assert_eq!(printed.stdout, schema.text().expect("text").into_bytes());
    }
    let wrong = blastgate(&root).args(["schema", "resutl"]).output().expect("runs");
    let said = String::from_utf8(wrong.stderr).expect("text");
    assert!(wrong.status.code() == Some(2) && said.contains("did you mean `result`?"), "{said}");
    let trace = |more: &[&str]| {
        let mut command = blastgate(&root);
        command.args(["trace", "wrong.yaml", "--no-config", "--now", NOW, "-o", "json"]).args(more);
        String::from_utf8(command.output().expect("runs").stdout).expect("text")
    };
    let packets =
        ["dst 203.0.113.10 udp", "dst 203.0.113.10 udp unknown src_port,dst_port,packet_length"];
    for packet in packets {
        let way = trace(&["--packet", packet]);
        holds(&validator("trace"), &serde_json::from_str(&way).expect("JSON"), packet);
    }
    let lines = trace(&["--traffic", "traffic.yaml", "--running", "right.yaml"]);
    let validator = validator("trace-record");
    assert!(lines.lines().count() > 10, "{lines}");
    for line in lines.lines().step_by(7) {
        holds(&validator, &serde_json::from_str(line).expect("JSON"), line);
    }
}

#[test]
fn a_schema_refuses_what_is_no_result() {
    let validator = validator("result");
    let good = render(&saved(&fixtures("incidents").join(WRONG), "wrong.yaml"), "json");
    let good: Value = serde_json::from_str(&good).expect("JSON");
    holds(&validator, &good, "a result");
    let spoil: [(&str, Value); 5] = [
        ("verdict", "green".into()),
        ("schema", "blastgate/result/v2".into()),
        ("exit_code", "1".into()),
        ("customers", Value::Null),
        ("findings", serde_json::json!([{"guardrail": "x"}])),
    ];
    for (key, value) in spoil {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(!validator.is_valid(&bad), "{key}");
        bad.as_object_mut().expect("an object").remove(key);
        assert!(!validator.is_valid(&bad), "{key} is required");
    }
}

#[test]
fn a_junit_parser_of_pypi_counts_what_we_count() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/junitparser/bin/python");
    if !python.exists() {
        return skip("target/junitparser is missing; `.ci/run` makes it");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "import sys, junitparser\n\
        x = junitparser.JUnitXml.fromfile(sys.argv[1])\n\
        cases = [c for s in x for c in s]\n\
        bad = [c for c in cases if any(isinstance(r, (junitparser.Failure, junitparser.Error)) for r in c.result)]\n\
        print(len(cases), len(bad), x.tests, x.failures + x.errors)\n";
    for (candidate, is_pass) in [("wrong.yaml", false), ("right.yaml", true), ("none.yaml", false)]
    {
        let result = saved(&fixtures("incidents").join(WRONG), candidate);
        let path = folder.path().join("junit.xml");
        std::fs::write(&path, render(&result, "junit")).expect("a file");
        let output = std::process::Command::new(&python)
            .args(["-c", script])
            .arg(&path)
            .output()
            .expect("python runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let numbers: Vec<usize> =
            text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let [cases, bad, tests, wrong] = numbers[..] else {
            panic!("{text}{}", String::from_utf8_lossy(&output.stderr))
        };
        assert_eq!((cases, bad), (tests, wrong), "{candidate}");
        assert_eq!(bad == 0, is_pass, "{candidate}: {text}");
        assert!(cases > 0, "{candidate}: {text}");
    }
}

#[test]
fn the_program_says_what_it_is_and_completes_itself() {
    let here = fixtures("sample");
    let run = |arguments: &[&str]| {
        let output = blastgate(&here).args(arguments).output().expect("runs");
        (output.status.code().expect("a code"), String::from_utf8(output.stdout).expect("text"))
    };
    let short = format!("blastgate {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]), (0, short.clone()));
    assert_eq!(run(&["-V"]), (0, short.clone()));
    let (code, long) = run(&["--version", "-v"]);
    assert!(
        code == 0 && long.starts_with(&short) && long.contains("blastgate/result/v1"),
        "{long}"
    );
    assert_eq!(run(&[]).0, 2);
    assert_eq!(run(&["-v"]).0, 2);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, text) = run(&["completions", shell]);
        assert!(code == 0 && text.contains("merge-base") && text.contains("explain"), "{shell}");
    }
    let (code, page) = run(&["man"]);
    assert!(code == 0 && page.contains(".TH blastgate") && page.contains("explain"), "{page}");
    let (code, page) = run(&["man", "check"]);
    assert!(
        code == 0 && page.contains(".TH blastgate-check") && page.contains("max\\-memory"),
        "{page}"
    );
    assert_eq!(run(&["man", "chekc"]).0, 2);
}
