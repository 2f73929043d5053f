//! Parquet as DuckDB writes it: the same records as of the same rows as text, whatever the compression
//! and however many groups of rows; and no damage that passes.

use std::path::{Path, PathBuf};
use std::process::Command;

use blastgate::model::{ReadCounts, Record};
use blastgate::traffic::Settings;

use crate::bad_input::folder;
use crate::common::{self, check};
use crate::recorded;

/// Returns the Python that has DuckDB; nothing, after saying so, if there is none.
fn python() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-venv/bin/python");
    if path.exists() {
        return Some(path);
    }
    common::skip("target/bench-venv is missing; README.md says how to make it");
    None
}

/// What both files are made of: numbers of all widths, with and without a sign, times, texts, nothing.
const AKVORADO: &str = "\
CREATE TABLE flows AS SELECT
  make_timestamp(1772359200000000 + i * 370000)::TIMESTAMPTZ AS TimeReceived,
  (1 + i % 3)::UBIGINT AS SamplingRate, '10.0.0.' || (i % 9) AS ExporterAddress,
  CASE WHEN i % 5 = 0 THEN NULL ELSE 'ams' || (i % 2) END AS ExporterSite,
  '45.0.' || (i // 250) || '.' || (i % 250) AS SrcAddr, '203.0.113.' || (i % 16) AS DstAddr,
  (1024 + i * 7 % 60000)::USMALLINT AS SrcPort, (443 + i % 3)::USMALLINT AS DstPort,
  (CASE WHEN i % 3 = 0 THEN 6 ELSE 17 END)::UINTEGER AS Proto,
  (i % 4 + 1)::UBIGINT AS Packets, ((i % 4 + 1) * (60 + i % 1000))::UBIGINT AS Bytes,
  'unused ' || i AS Other FROM range(7000) t(i);";

const AWS: &str = "\
CREATE TABLE flows AS SELECT 2 AS version, 'eni-' || (i % 3) AS interface_id,
  '45.0.' || (i // 250) || '.' || (i % 250) AS srcaddr, '203.0.113.' || (i % 16) AS dstaddr,
  (1024 + i)::INTEGER AS srcport, 443::INTEGER AS dstport, 6::INTEGER AS protocol,
  (i % 4 + 1)::BIGINT AS packets, ((i % 4 + 1) * 100)::BIGINT AS bytes,
  (1772359200 + i)::BIGINT AS start, (1772359201 + i)::BIGINT AS \"end\",
  CASE WHEN i % 7 = 0 THEN 'REJECT' ELSE 'ACCEPT' END AS action, 'OK' AS log_status
FROM range(5000) t(i);";

/// Has DuckDB write a table as CSV and as Parquet.
fn write(python: &Path, folder: &Path, table: &str, csv: &str, parquet: &str) {
    let script = format!(
        "import duckdb\ndb = duckdb.connect()\ndb.execute(\"SET TimeZone='UTC'\")\ndb.execute('''{table}''')\n\
         db.execute(\"COPY ({csv}) TO 'flows.csv' (HEADER)\")\n\
         db.execute(\"COPY flows TO 'flows.parquet' (FORMAT parquet, {parquet})\")\n"
    );
    let output =
        Command::new(python).args(["-c", &script]).current_dir(folder).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Reads a file that lies in memory.
fn read(form: &str, path: &Path, settings: &Settings) -> (Vec<Record>, ReadCounts) {
    let bytes = std::fs::read(path).expect("a file");
    recorded::read_as(form, bytes, settings).expect("a recording")
}

#[test]
fn parquet_gives_the_records_of_the_same_rows_as_text() {
    let Some(python) = python() else { return };
    let of_aws = "SELECT version, interface_id AS \\\"interface-id\\\", srcaddr, dstaddr, srcport, dstport, \
                  protocol, packets, bytes, start, \\\"end\\\", action, log_status AS \\\"log-status\\\" FROM flows";
    for (form, table, csv) in [("akvorado", AKVORADO, "FROM flows"), ("aws-vpc", AWS, of_aws)] {
        for parquet in [
            "COMPRESSION zstd, ROW_GROUP_SIZE 2048",
            "COMPRESSION snappy",
            "COMPRESSION gzip, ROW_GROUP_SIZE 2048",
            "COMPRESSION lz4_raw",
            "COMPRESSION uncompressed, PARQUET_VERSION v2",
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            write(&python, folder.path(), table, csv, parquet);
            let settings = recorded::settings();
            let (rows, of_text) = read(form, &folder.path().join("flows.csv"), &settings);
            let (found, counts) = read(form, &folder.path().join("flows.parquet"), &settings);
            assert!(of_text.unread.is_empty() && rows.len() > 4_000, "{of_text:?}");
            assert_eq!(
                (counts.records, &counts.unread, &counts.other),
                (of_text.records, &of_text.unread, &of_text.other)
            );
            for (text, own) in rows.iter().zip(&found) {
                // Of the same row; but times as text may have fewer digits.
                assert_eq!(own.number + 1, text.number, "the first line names the columns");
                let own = Record {
                    number: text.number,
                    time_ns: text.time_ns,
                    duration_ns: text.duration_ns,
                    pop: own.pop.map(|_| text.pop).unwrap_or_default(),
                    exporter: own.exporter.map(|_| text.exporter).unwrap_or_default(),
                    ..*own
                };
                assert_eq!(own, *text, "{form} {parquet}");
            }
            // Parts of one group are read apart from each other, on any thread.
            let bytes = std::fs::read(folder.path().join("flows.parquet")).expect("a file");
            crate::rows_cut::same(form, &bytes, false, &settings).expect("the same rows");
            for (text, own) in rows.iter().zip(&found) {
                assert!(own.time_ns >= text.time_ns && own.duration_ns <= text.duration_ns);
            }
        }
    }
}

#[test]
fn parquet_is_judged_like_text_and_told_by_its_columns() {
    let Some(python) = python() else { return };
    let folder = folder(&[]);
    write(&python, folder.path(), AKVORADO, "FROM flows", "COMPRESSION zstd, ROW_GROUP_SIZE 2048");
    let by = |file: &str| {
        check(
            folder.path(),
            &["rules.yaml", "--inventory", "inventory.yaml", "--traffic", file, "--max-age", "30d"],
        )
    };
    let (text, parquet) = (by("flows.csv"), by("flows.parquet"));
    // Times as text have fewer digits, so that rates differ in their last ones.
    let lost = |run: &common::Run| run.result["customers"][0]["worst"]["lost_share"].clone();
    assert!(lost(&text).as_f64().is_some_and(|share| share > 0.0), "{}", text.result);
    assert_eq!(
        (lost(&text), &text.result["verdict"]),
        (lost(&parquet), &parquet.result["verdict"])
    );
    assert_eq!(parquet.result["evidence"]["records"], 7_000, "{}", parquet.result);
    for key in ["records", "packets_estimated", "bytes_estimated", "pops", "attributed_share"] {
        assert_eq!(text.result["evidence"][key], parquet.result["evidence"][key], "{key}");
    }
    // By columns of one's own; from a pipe and compressed it is held.
    let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\ntraffic:\n  \
                  - path: flows.parquet\n    format: parquet\n    columns: {src: SrcAddr, dst: DstAddr, \
                  protocol: Proto, src_port: SrcPort, dst_port: DstPort, packets: Packets, bytes: Bytes, \
                  time: TimeReceived, sampling: {field: SamplingRate, applied: false}, pop: ExporterSite}\n\
                  evidence: {max_traffic_age: 30d}\n";
    std::fs::write(folder.path().join("blastgate.yaml"), config).expect("a file");
    let own = check(folder.path(), &[]);
    for key in ["records", "packets_estimated", "bytes_estimated", "pops"] {
        assert_eq!(text.result["evidence"][key], own.result["evidence"][key], "{key}");
    }
    let missing = config.replace("src: SrcAddr", "src: SourceAddr");
    std::fs::write(folder.path().join("blastgate.yaml"), missing).expect("a file");
    let run = check(folder.path(), &[]);
    let said = run.result["summary"].as_str().unwrap_or_default();
    assert!(run.code == 3 && said.contains("it has no column `sourceaddr`"), "{said}");
}

#[test]
fn no_damage_to_parquet_passes_or_panics() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    write(&python, folder.path(), AWS, "FROM flows", "COMPRESSION zstd, ROW_GROUP_SIZE 2048");
    let bytes = std::fs::read(folder.path().join("flows.parquet")).expect("a file");
    let settings = recorded::settings();
    let whole = recorded::read_as("aws-vpc", bytes.clone(), &settings).expect("a recording");
    let lost = |read: &Result<(Vec<Record>, ReadCounts), String>| match read {
        Ok((_, counts)) => counts.broken.is_some(),
        Err(_) => true,
    };
    for end in (4..bytes.len()).step_by(bytes.len() / 60) {
        let read = recorded::read_as("aws-vpc", bytes[..end].to_vec(), &settings);
        assert!(lost(&read), "cut at {end}");
    }
    for at in (4..bytes.len()).step_by(bytes.len() / 300) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x5a;
        let read = recorded::read_as("aws-vpc", damaged, &settings);
        if let Ok((records, counts)) = read {
            let unread: u64 = counts.unread.values().sum();
            let all = records.len() as u64 + unread + counts.dropped;
            let other = whole.0.len() as u64 + whole.1.dropped;
            assert!(counts.broken.is_some() || all == other, "at {at}: {counts:?}");
        }
    }
}

#[test]
fn recorded_parquet_of_aws_is_read_alike_in_both_compressions() {
    let Some(root) = recorded::root() else { return };
    let settings = recorded::settings();
    let [gzip, zstd] = ["gzip", "zstd"].map(|name| {
        read("aws-vpc", &root.join(format!("derived/aws-vpcflow-v2.{name}.parquet")), &settings)
    });
    assert_eq!(gzip, zstd);
    // A window that AWS lost is unread; one without traffic, and what was rejected, is counted.
    let unread: u64 = gzip.1.unread.values().sum();
    assert_eq!((gzip.0.len(), unread, gzip.1.dropped), (3, 1, 2), "{:?}", gzip.1);
}
