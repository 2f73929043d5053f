//! Inventories as other programs export them, through the program itself: what is incomplete or of
//! another table is never green.

use crate::bad_input::{folder, never_green};
use crate::common::{NOW, blastgate, check};
use crate::recorded;

const NETBOX: &str = r#"{"count": 2, "next": null, "previous": null, "results": [
  {"id": 1, "prefix": "203.0.113.0/28", "vrf": null, "tenant": {"id": 1, "name": "Acme", "slug": "acme"}},
  {"id": 2, "prefix": "10.0.0.0/8", "vrf": {"id": 3, "name": "blue"}, "tenant": {"id": 2, "name": "Blog", "slug": "blog"}}
]}
"#;

const BY_NETBOX: &[&str] =
    &["rules.yaml", "--inventory", "netbox.json", "--traffic", "traffic.yaml"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [BY_NETBOX, more].concat()
}

#[test]
fn an_export_of_netbox_judges_like_the_inventory_that_says_the_same() {
    let acme = "version: 1\ncustomers:\n  - {id: acme, prefixes: [203.0.113.0/28]}\n";
    let files = [("netbox.json", NETBOX.as_bytes()), ("inventory.yaml", acme.as_bytes())];
    let folder = folder(&files);
    let own = check(
        folder.path(),
        &["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"],
    );
    let netbox = check(folder.path(), &with(&["--vrf", "global"]));
    assert_eq!((own.code, netbox.code), (0, 0));
    for key in ["verdict", "customers", "attack", "evidence"] {
        assert_eq!(own.result[key], netbox.result[key], "{key}");
    }
    // What is left out is said.
    let mut run = blastgate(folder.path());
    let output =
        run.arg("check").args(with(&["--vrf", "global", "--now", NOW])).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("1 prefix is in other VRFs (blue): left out"), "{errors}");
}

#[test]
fn an_export_that_is_incomplete_or_of_another_table_is_never_green() {
    let incomplete = NETBOX.replace("\"count\": 2", "\"count\": 3");
    let paged = NETBOX.replace("\"next\": null", "\"next\": \"https://n.example/api/?offset=2\"");
    let list = NETBOX.split_once("\"results\": ").expect("results").1.replace("]}", "]");
    let twice = NETBOX.replace("\"id\": 2, \"prefix\"", "\"id\": 1, \"prefix\"");
    let marks = "Prefix,VRF,Tenant\n\"•\n        \n203.0.113.0/28\",,Acme\n";
    for (text, more, phrase, place) in [
        (NETBOX, &[][..], "1 prefix is in VRFs (blue), and nobody says where", "netbox.json:3:24"),
        (NETBOX, &["--vrf", "green"], "no prefix of the inventory is in VRF `green`", ""),
        (&incomplete, &["--vrf", "global"], "it has 2 of 3 entries", "netbox.json:1:11"),
        (&paged, &["--vrf", "global"], "is of is incomplete: 2 of 2 entries", "netbox.json:1:22"),
        (&twice, &["--vrf", "global"], "has entry 1 twice", "netbox.json:3:10"),
        (&list, &[], "whether this list is the whole export", "netbox.json:1:1"),
        (marks, &[], "shows how deep a prefix is nested", "netbox.json:2:1"),
        ("203.0.113.0/28\n", &[], "nothing says whose this prefix is", "netbox.json:1:1"),
        ("network,role,site,tenant\n203.0.113.0/28,,,\n", &[], "has a `tenant`", ""),
    ] {
        let files = [("netbox.json", text.as_bytes())];
        never_green("check", "CANNOT JUDGE", &files, &with(more), phrase, place);
    }
    // Another VRF: the target of the rule is not in it, and no traffic is anyone's.
    let files = [("netbox.json", NETBOX.as_bytes())];
    let folder = folder(&files);
    assert_eq!(check(folder.path(), &with(&["--vrf", "blue"])).code, 3);
}

#[test]
fn the_config_may_say_form_customer_and_column() {
    let config = "version: 1\nrules: {paths: [rules.yaml]}\ntraffic: [{path: traffic.yaml}]\n\
                  inventory:\n  - {path: acme.txt, customer: acme}\n  \
                  - {path: networks.csv, customer_column: name}\n";
    let files: [(&str, &[u8]); 3] = [
        ("blastgate.yaml", config.as_bytes()),
        ("acme.txt", b"# acme\n203.0.113.0/28\n"),
        ("networks.csv", b"network,name,role,site,tenant\n198.51.100.0/24,Other,,,\n"),
    ];
    let folder = folder(&files);
    let run = check(folder.path(), &[]);
    assert_eq!(run.code, 0, "{}", run.result);
    let wrong = config.replace("customer: acme", "format: netbox-cvs");
    std::fs::write(folder.path().join("blastgate.yaml"), wrong).expect("a file");
    let output = blastgate(folder.path()).arg("check").output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("did you mean `netbox-csv`?"), "{errors}");
}

#[test]
fn the_prefixes_of_a_recorded_netbox_are_read_by_tenant_and_vrf() {
    let Some(root) = recorded::root() else { return };
    let path = root.join("derived/netbox-prefixes.csv");
    let text = std::fs::read_to_string(path).expect("a table");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = rows.records().map(|row| row.expect("a row")).collect();
    let mut vrfs: Vec<&str> = rows.iter().map(|row| &row[2]).collect();
    vrfs.sort_unstable();
    vrfs.dedup();
    assert!(vrfs.len() > 1, "{vrfs:?}");
    let mut read = 0;
    for vrf in vrfs {
        let in_vrf = rows.iter().filter(|row| &row[2] == vrf && !row[3].is_empty()).count();
        let mut sources = blastgate::model::Sources::new();
        let file = sources.add("netbox-prefixes.csv", text.as_str());
        let listed = [blastgate::inventory::Listed::plain(file)];
        let name = if vrf.is_empty() { "global" } else { vrf };
        let (inventory, problems) = blastgate::inventory::load_table(&sources, &listed, Some(name));
        let found: usize = inventory.customers.iter().map(|one| one.prefixes.len()).sum();
        assert_eq!(found, in_vrf, "{vrf}: {problems:?}");
        read += found;
    }
    assert!(read > 50, "{read}");
}
