//! What the documentation says of the forms is what the forms say of themselves.

use super::FORMS;

fn table() -> String {
    let mut text = "\
# What each recorded form can know

Made by a test from the forms themselves. What a form cannot know is unknown in its records: a rule that
asks for it *cannot tell*, and what cannot be told never passes. *Exact of one packet*: of a row or a
flow that is one packet; of several, flags are OR-ed and lengths a mean, and neither is used. A form is
told by its first bytes, but for `csv`, `tsv`, `jsonl` and `parquet`, of which nothing says what the
columns mean.

A row that cannot be read is unread, with the first lines of each kind; so is a file that ends in the
middle of a row. Counts whose sampling rate nobody says are unread as well: say it with `--sampling N`.

| form | one record | TCP flags | ICMP type | length | TTL | fragments |
|---|---|---|---|---|---|---|
"
    .to_owned();
    for form in FORMS {
        let one = &form.knows;
        let cells = [one.unit, one.flags, one.icmp, one.length, one.ttl, one.fragments];
        text.push_str(&format!("| {} | {} |\n", form.name, cells.join(" | ")));
    }
    text.push_str(
        "\n| form | bytes | sampling rate | times | before or after the rules |\n|---|---|---|---|---|\n",
    );
    for form in FORMS {
        let one = &form.knows;
        let cells = [one.bytes, one.sampling, one.times, one.enforcement];
        text.push_str(&format!("| {} | {} |\n", form.name, cells.join(" | ")));
    }
    text.push_str(
        "
## Columns of your own

`csv`, `tsv`, `jsonl` and `parquet` are rows of which the config names the columns; of any other form of
rows it may name those that were renamed. Akvorado and AWS may be Parquet as well:

```yaml
traffic:
  - path: flows.csv
    format: csv
    zone: Europe/Berlin                  # of times that are local; else an error
    columns:
      src: SrcAddr
      dst: DstAddr
      protocol: Proto                    # a number or a name
      src_port: SrcPort
      dst_port: DstPort
      tcp_flags: Flags                   # a number, `0x12`, `.A..S.`, or names
      packets: Packets                   # {value: 1} if every row is one packet
      bytes: {field: Bytes, layer: l3}   # l2: 14 bytes of Ethernet are taken off each packet
      time: {field: ts, unit: ms}        # s, ms, us, ns, text; `within: 60s`: it may be so much older
      sampling: {field: Rate, applied: false}   # true: packets and bytes were multiplied already
```

Others: `verdict` (`ACCEPT`, `drop`, …, or a forwarding status), `icmp_type`, `icmp_code`, `tos`, `ttl` and `ttl_max`, `end` or `duration`, `exporter`, `pop`,
`direction`; `header: [a, b, …]` names all columns of a file that has no line for them. Keys inside of
JSON objects are written with a dot: `flow.start`.
",
    );
    text
}

#[test]
fn the_table_of_the_documentation_is_that_of_the_forms() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/traffic/README.md");
    let table = table();
    if std::env::var_os("BLASTGATE_WRITE_DOCS").is_some() {
        std::fs::write(path, &table).expect("the table is written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == table,
        "src/traffic/README.md is not what the forms say: run this test with \
         BLASTGATE_WRITE_DOCS=1 and commit what it writes"
    );
}

#[test]
fn no_two_forms_have_one_name() {
    let mut names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FORMS.len());
}
