//! Recordings by the folder and by pattern: what is meant is read, once, and nothing else passes.

use std::path::Path;

use serde_json::Value;

use crate::bad_input::{folder, never_green};
use crate::common::{NOW, blastgate, check};

const COLUMNS: &str = "columns: {src: src, dst: dst, protocol: protocol, packets: packets, \
                       bytes: bytes, time: {field: time, unit: s}}";

fn config(path: &str) -> String {
    format!(
        "version: 1\nrules: {{paths: [rules.yaml]}}\ninventory: [inventory.yaml]\ntraffic:\n  \
         - path: \"{path}\"\n    format: csv\n    pop: ams\n    sampling: 1\n    {COLUMNS}\n"
    )
}

/// Rows of one file: to the target, to its neighbour, and to nobody.
fn rows(file: u64) -> String {
    let mut text = "src,dst,protocol,packets,bytes,time\n".to_owned();
    for row in 0..20 {
        let dst = ["203.0.113.10", "203.0.113.11", "198.18.0.1"][(row % 3) as usize];
        let time = 1_772_359_000 + file * 20 + row;
        text += &format!("45.0.{file}.{row},{dst},17,{},{},{time}\n", row + 1, (row + 1) * 100);
    }
    text
}

fn evidence(folder: &Path, path: &str) -> (i32, Value) {
    std::fs::write(folder.join("blastgate.yaml"), config(path)).expect("a config");
    let run = check(folder, &[]);
    (run.code, run.result)
}

#[test]
fn a_folder_and_a_pattern_stand_for_their_files() {
    const FILES: u64 = 150;
    let folder = folder(&[]);
    let mut one = rows(0);
    for file in 0..FILES {
        let path = folder.path().join(format!("flows/{}/{file}.csv", file % 3));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, rows(file)).expect("a file");
        if file > 0 {
            one += rows(file).split_once('\n').expect("rows").1;
        }
    }
    std::fs::write(folder.path().join("flows/.hidden"), "nothing").expect("a file");
    std::fs::write(folder.path().join("one.csv"), one).expect("a file");
    let (code, whole) = evidence(folder.path(), "one.csv");
    assert_eq!(whole["evidence"]["records"], FILES * 20, "{whole}");
    for path in ["flows", "flows/*", "flows/[0-2]/*.csv", "f*s/?"] {
        let (again, found) = evidence(folder.path(), path);
        assert_eq!(code, again, "{path}: {found}");
        for key in ["verdict", "customers", "attack"] {
            assert_eq!(found[key], whole[key], "{path}: {key}");
        }
        for key in ["records", "packets_recorded", "bytes_estimated", "attributed_share"] {
            assert_eq!(found["evidence"][key], whole["evidence"][key], "{path}: {key}");
        }
    }
    let (_, part) = evidence(folder.path(), "flows/1/*.csv");
    assert_eq!(part["evidence"]["records"], FILES / 3 * 20);
}

#[test]
fn what_stands_for_no_recording_or_twice_for_one_is_never_green() {
    let csv = rows(0);
    let by = |path: &str| config(path).into_bytes();
    let twice = config("flows").replace(
        "traffic:\n",
        &format!(
            "traffic:\n  - path: flows/a.csv\n    format: csv\n    sampling: 1\n    {COLUMNS}\n"
        ),
    );
    for (files, config, phrase) in [
        (&[][..], by("flows/*.csv"), "flows/*.csv holds no recording"),
        (&[("flows/.hidden", &b"x"[..])], by("flows"), "flows holds no recording"),
        (&[("flows/a.csv", csv.as_bytes())], twice.into_bytes(), "flows/a.csv is named twice"),
        (
            &[("flows/a.csv", csv.as_bytes()), ("flows/b.csv", b"")],
            by("flows"),
            "flows/b.csv is empty",
        ),
        (&[("flows/a.csv", csv.as_bytes())], by("flow"), "no such file"),
    ] {
        let files = [files, &[("blastgate.yaml", config.as_slice())]].concat();
        never_green("check", "CANNOT JUDGE", &files, &[], phrase, "");
    }
    // What is no recording is not passed over, either.
    let files = [("flows/a.yaml", &b"version: 1\n"[..]), ("flows/notes.txt", b"hello")];
    let arguments = ["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "flows"];
    never_green("check", "CANNOT JUDGE", &files, &arguments, "notes.txt is no recording", "");
}

#[test]
fn a_cut_last_line_is_counted() {
    let whole = rows(0);
    let cut = whole.trim_end_matches('\n').trim_end_matches(|c: char| c.is_ascii_digit());
    let folder = folder(&[("cut.csv", cut.as_bytes())]);
    let (_, found) = evidence(folder.path(), "cut.csv");
    assert_eq!(
        (&found["evidence"]["records"], &found["evidence"]["unparsed_records"]),
        (&19.into(), &1.into())
    );
}

#[test]
fn progress_is_told_by_bytes() {
    // More rows than lie between two ticks, in little room.
    let mut rows = "src,dst,protocol,packets,bytes,time\n".to_owned();
    let row = "45.0.0.1,203.0.113.11,17,1,60,1772359000\n";
    rows.reserve(row.len() * 1_100_000);
    (0..1_100_000).for_each(|_| rows.push_str(row));
    let packed = zstd::encode_all(rows.as_bytes(), 1).expect("packed");
    let folder =
        folder(&[("many.csv.zst", &packed), ("blastgate.yaml", config("many.csv.zst").as_bytes())]);
    let output = blastgate(folder.path()).args(["check", "--now", NOW]).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let tick = errors.lines().find(|line| line.starts_with("read 1000000 records, "));
    let tick = tick.unwrap_or_else(|| panic!("{errors}"));
    assert!(tick.ends_with(" % of 1 MB"), "{tick}");
}
