//! What NetBox and Akvorado export, and plain lists: what is read, what is incomplete, and what is
//! of another VRF.

use super::*;

/// Reads texts for one table, with what is said of each.
fn read_table(
    files: &[(&str, &str)],
    vrf: Option<&str>,
    say: impl Fn(&mut Listed),
) -> (Inventory, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let mut listed = Vec::new();
    for (name, text) in files {
        let mut one = Listed::plain(sources.add(*name, *text));
        say(&mut one);
        listed.push(one);
    }
    load_table(&sources, &listed, vrf)
}

fn of_table(files: &[(&str, &str)], vrf: &str) -> Inventory {
    let (inventory, problems) = read_table(files, Some(vrf), |_| {});
    assert!(problems.iter().all(|one| one.severity == Severity::Warning), "{problems:?}");
    inventory
}

/// Returns every customer with its prefixes.
fn owners(inventory: &Inventory) -> Vec<(String, Vec<String>)> {
    let prefixes = |one: &crate::model::Customer| {
        one.prefixes.iter().map(|prefix| prefix.value.to_string()).collect()
    };
    inventory.customers.iter().map(|one| (one.id.value.clone(), prefixes(one))).collect()
}

fn owner(id: &str, prefixes: &[&str]) -> (String, Vec<String>) {
    (id.to_owned(), prefixes.iter().map(|prefix| (*prefix).to_owned()).collect())
}

//------------ NetBox, JSON ----------------------------------------------------

/// An entry as the API of NetBox lists it, shortened.
fn entry(prefix: &str, vrf: &str, tenant: &str) -> String {
    let vrf = match vrf {
        "" => "null".to_owned(),
        name => format!(r#"{{"id": 1, "name": "{name}", "rd": "65000:{}"}}"#, name.len()),
    };
    let tenant = match tenant {
        "" => "null".to_owned(),
        name => format!(
            r#"{{"id": 5, "name": "{name}", "slug": "{}"}}"#,
            name.to_lowercase().replace(' ', "-")
        ),
    };
    let id = [prefix, &vrf, &tenant].concat().bytes().fold(1u32, |id, byte| {
        // Each has a number of its own.
        id.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!(
        r#"{{"id": {id}, "family": {{"value": 4, "label": "IPv4"}}, "prefix": "{prefix}", "vrf": {vrf},
            "tenant": {tenant}, "status": {{"value": "active"}}, "role": null, "tags": [],
            "custom_fields": {{"cust_id": "C-7"}}}}"#
    )
}

const URL: &str = "https://netbox.example/api/ipam/prefixes/";

fn page(count: u64, previous: Option<u64>, next: Option<u64>, entries: &[String]) -> String {
    let link = |offset: Option<u64>| match offset {
        Some(offset) => format!("\"{URL}?limit=2&offset={offset}\""),
        None => "null".to_owned(),
    };
    format!(
        "{{\"count\": {count}, \"next\": {}, \"previous\": {}, \"results\": [{}]}}",
        link(next),
        link(previous),
        entries.join(",\n")
    )
}

fn entries() -> Vec<String> {
    [
        ("203.0.113.0/28", "", "Acme Corp"),
        ("2001:db8:a::/48", "", "Acme Corp"),
        ("10.0.0.0/8", "blue", "Blog"),
        ("10.0.0.0/8", "red", "Shop"),
        ("198.51.100.0/24", "", ""),
    ]
    .map(|(prefix, vrf, tenant)| entry(prefix, vrf, tenant))
    .to_vec()
}

#[test]
fn tenants_of_netbox_are_customers() {
    let export = page(5, None, None, &entries());
    let (inventory, problems) = read_table(&[("netbox.json", &export)], Some(GLOBAL), |_| {});
    assert_eq!(owners(&inventory), [owner("acme-corp", &["203.0.113.0/28", "2001:db8:a::/48"])]);
    assert_eq!(inventory.customers[0].name.as_deref(), Some("Acme Corp"));
    // Neither what is of other VRFs nor what is nobody's is left out in silence.
    let messages: Vec<&str> = problems.iter().map(|one| one.message.as_str()).collect();
    assert!(messages[0].contains("1 of 5 prefixes have no owner"), "{messages:?}");
    assert!(messages[1].contains("2 prefixes are in other VRFs (blue, red)"), "{messages:?}");
    assert!(problems.iter().all(|one| one.severity == Severity::Warning));
}

#[test]
fn every_vrf_has_a_table_of_its_own() {
    let export = page(5, None, None, &entries());
    let files = [("netbox.json", export.as_str())];
    assert_eq!(owners(&of_table(&files, "blue")), [owner("blog", &["10.0.0.0/8"])]);
    assert_eq!(owners(&of_table(&files, "red")), [owner("shop", &["10.0.0.0/8"])]);
    // A VRF may be named by its route distinguisher.
    assert_eq!(owners(&of_table(&files, "65000:3")), [owner("shop", &["10.0.0.0/8"])]);
    let (_, problems) = read_table(&files, None, |_| {});
    let message = &problems.last().expect("a problem").message;
    assert!(message.contains("in VRFs (blue, red), and nobody says where the rules are"));
    let (_, problems) = read_table(&files, Some("bleu"), |_| {});
    let last = problems.last().expect("a problem");
    assert!(last.message.contains("no prefix of the inventory is in VRF `bleu`"));
    let plain = "customer,prefix\nacme,203.0.113.0/28\n";
    let (_, problems) = read_table(&[("i.csv", plain)], Some("blue"), |_| {});
    assert_eq!(problems[0].severity, Severity::Error);
    // Of a table of one's own the column says it.
    let table = "customer,prefix,vrf\nacme,10.0.0.0/8,\nblog,10.0.0.0/8,blue\n";
    assert_eq!(owners(&of_table(&[("i.csv", table)], "blue")), [owner("blog", &["10.0.0.0/8"])]);
}

#[test]
fn pages_are_joined_and_a_missing_one_is_an_error() {
    let all: Vec<String> =
        (0..5).map(|at| entry(&format!("203.0.113.{at}/32"), "", "Acme")).collect();
    let pages = [
        page(5, None, Some(2), &all[..2]),
        page(5, Some(0), Some(4), &all[2..4]),
        page(5, Some(2), None, &all[4..]),
    ];
    let names = ["1.json", "2.json", "3.json"];
    let files: Vec<(&str, &str)> =
        names.iter().zip(&pages).map(|(name, page)| (*name, page.as_str())).collect();
    assert_eq!(right(&files).customers[0].prefixes.len(), 5);
    // In one file, one after another, and in any order.
    assert_eq!(right(&[("all.json", &pages.join("\n"))]).customers[0].prefixes.len(), 5);
    assert_eq!(right(&[files[2], files[0], files[1]]).customers[0].prefixes.len(), 5);
    for missing in [&files[..2], &files[1..], &[files[0], files[2]], &files[..1], &files[2..]] {
        let (_, problems, _) = read(missing);
        assert!(problems[0].message.contains("is incomplete: "), "{problems:?}");
    }
    let twice = [files[0], files[1], files[1]];
    assert!(!read(&twice).1.is_empty());
    is_wrong("1.json", &pages[0], &format!("\"{URL}?limit=2&offset=2\""), "2 of 5 entries");
    let fewer = page(5, None, None, &all[..4]);
    is_wrong("1.json", &fewer, "5", "incomplete: it has 4 of 5 entries");
    let other = page(6, Some(2), None, &all[4..]);
    let (_, problems, _) = read(&[files[0], files[1], ("3.json", &other)]);
    assert!(problems[0].message.contains("not of one export"), "{problems:?}");
}

#[test]
fn a_cut_export_is_an_error_wherever_it_is_cut() {
    let export = page(2, None, None, &entries()[..2]);
    assert_eq!(right(&[("n.json", &export)]).customers.len(), 1);
    for end in 1..export.len() {
        let Some(cut) = export.get(..end) else { continue };
        let (_, problems, _) = read(&[("n.json", cut)]);
        assert!(problems.iter().any(|one| one.severity == Severity::Error), "{cut}");
    }
}

#[test]
fn what_netbox_leaves_out_is_not_guessed() {
    let whole = page(1, None, None, &entries()[..1]);
    is_wrong(
        "n.json",
        &format!("[{}]", entries()[0]),
        &format!("[{}", entries()[0].lines().next().unwrap_or_default()),
        "the whole export",
    );
    is_wrong("n.json", &whole.replace("\"vrf\"", "\"vfr\""), "203.0.113.0/28", "in which VRF");
    is_wrong("n.json", &whole.replace("\"tenant\"", "\"tnt\""), "203.0.113.0/28", "whose");
    is_wrong("n.json", &whole.replace(".0/28", ".1/28"), "203.0.113.1/28", "host bits");
    let uncounted = whole.replace("\"count\"", "\"c\"");
    let first = uncounted.lines().next().unwrap_or_default();
    is_wrong("n.json", &uncounted, first, "whether this export is complete");
    let nobody = page(1, None, None, &entries()[4..]);
    is_wrong("n.json", &nobody, "", "names no owner of any of its 1 prefixes");
    is_wrong("n.json", &page(0, None, None, &[]), "", "lists no prefix");
    // Two tenants of one prefix, and of two sources.
    let two = [entry("10.0.0.0/8", "", "A"), entry("10.0.0.0/8", "", "B")];
    is_wrong("n.json", &page(2, None, None, &two), "10.0.0.0/8", "belongs to two customers");
    let (_, problems, sources) = read(&[
        ("n.json", &page(1, None, None, &two[..1])),
        ("i.csv", "customer,prefix\nb,10.0.0.0/8\n"),
    ]);
    let places = [problems[0].location, problems[0].also.as_ref().map(|(place, _)| *place)];
    let names = places.map(|place| sources.get(place.expect("a place").source).name.to_string());
    assert_eq!(names, ["i.csv", "n.json"]);
}

#[test]
fn customers_of_netbox_may_be_named_by_a_field_of_ones_own() {
    let export = page(1, None, None, &entries()[..1]);
    let by = |column: &str| {
        read_table(&[("n.json", &export)], None, |one| {
            one.customer_column = Some(column.to_owned());
        })
    };
    assert_eq!(owners(&by("custom_fields.cust_id").0), [owner("c-7", &["203.0.113.0/28"])]);
    assert_eq!(owners(&by("tenant.slug").0), [owner("acme-corp", &["203.0.113.0/28"])]);
    assert!(by("custom_fields.cst_id").1[0].message.contains("has no `custom_fields.cst_id`"));
}

#[test]
fn addresses_of_netbox_are_single_ones() {
    let one =
        entries()[0].replace("\"prefix\": \"203.0.113.0/28\"", "\"address\": \"203.0.113.5/28\"");
    let export = page(1, None, None, &[one]);
    assert_eq!(owners(&right(&[("n.json", &export)])), [owner("acme-corp", &["203.0.113.5/32"])]);
}

#[test]
fn tiers_may_be_told_beside_what_netbox_exports() {
    let export = page(2, None, None, &entries()[..2]);
    let tiers = "version: 1\ncustomers:\n  - {id: acme-corp, tier: gold}\n";
    for files in
        [[("n.json", export.as_str()), ("t.yaml", tiers)], [("t.yaml", tiers), ("n.json", &export)]]
    {
        assert_eq!(right(&files).customers[0].tier.as_deref(), Some("gold"));
    }
    let unknown = tiers.replace("acme-corp", "acme-crop");
    let (_, problems, _) = read(&[("n.json", &export), ("t.yaml", &unknown)]);
    assert!(problems[0].message.contains("`acme-crop` has no addresses"), "{problems:?}");
}

//------------ NetBox, CSV -----------------------------------------------------

#[test]
fn tables_of_netbox_are_read_with_either_header() {
    let import = "prefix,status,vrf,tenant,site,description\n203.0.113.0/28,active,,\"Acme Corp, Inc.\",,\n\
                  2001:db8:a::/48,container,,\"Acme Corp, Inc.\",ams,\"says\nmore\"\n";
    let labels = "Prefix,Status,Children,VRF,Utilization,Tenant\n203.0.113.0/28,Active,0,Global,0.0,\"Acme Corp, Inc.\"\n\
                  2001:db8:a::/48,Container,0,—,0.0,\"Acme Corp, Inc.\"\n";
    let flat = "ID,Prefix,Prefix (Flat),VRF,Tenant\n1,• 203.0.113.0/28,203.0.113.0/28,,\"Acme Corp, Inc.\"\n\
                2,x,2001:db8:a::/48,,\"Acme Corp, Inc.\"\n";
    for text in [import, labels, flat] {
        let inventory = right(&[("prefixes.csv", text)]);
        let both = ["203.0.113.0/28", "2001:db8:a::/48"];
        assert_eq!(owners(&inventory), [owner("acme-corp-inc", &both)], "{text}");
        assert_eq!(inventory.customers[0].name.as_deref(), Some("Acme Corp, Inc."));
    }
    let vrfs = import.replace("active,,", "active,blue,");
    assert_eq!(
        owners(&of_table(&[("p.csv", &vrfs)], "blue")),
        [owner("acme-corp-inc", &["203.0.113.0/28"])]
    );
}

#[test]
fn marks_of_nesting_are_an_error_with_what_to_do() {
    // As NetBox 3.2 writes it.
    let table = "Prefix,Status,VRF,Tenant\n10.51.16.0/20,Active,,A\n\"•\n        \n10.51.16.0/24\",Active,,A\n";
    let (_, problems, _) = read(&[("p.csv", table)]);
    assert!(problems[0].message.contains("how deep a prefix is nested"), "{problems:?}");
    assert!(problems[0].help.as_ref().is_some_and(|help| help.contains("Prefix (Flat)")));
    is_wrong("p.csv", "Prefix,VRF,Tenant\n• 10.0.0.0/8,,A\n", "• 10.0.0.0/8,,A", "nested");
}

#[test]
fn what_a_table_of_netbox_lacks_is_not_guessed() {
    is_wrong("p.csv", "prefix,status,tenant\n", "prefix,status,tenant", "no column `vrf`");
    is_wrong("p.csv", "prefix,status,vrf\n", "prefix,status,vrf", "no column `tenant`");
    is_wrong("p.csv", "prefix,vrf,tenant\n", "", "lists no prefix");
    is_wrong("p.csv", "prefix,vrf,tenant\n10.0.0.0/8,,\n", "", "names no owner of any");
    is_wrong("p.csv", "prefix,vrf,tenant\n10.0.0.0/8,,東京\n", "東京", "no id can be made");
    is_wrong("p.csv", "prefix,vrf,tenant\n10.0.0.0/8,a,b,c\n", "10.0.0.0/8,a,b,c", "4 fields");
    is_wrong("p.csv", "prefix,vrf,tenant\n10.0.0.0/8,,A B\n11.0.0.0/8,,A-B\n", "A-B", "two names");
    // An open quote would swallow a customer.
    let open = "prefix,vrf,tenant,note\n10.0.0.0/8,,A,\"open\n11.0.0.0/8,,B,\"x\"\n";
    assert!(wrong("p.csv", open).iter().any(|(_, message)| message.contains("not closed")));
    let own = "prefix,vrf,tenant,cf_id\n10.0.0.0/8,,A,X1\n";
    let (inventory, problems) =
        read_table(&[("p.csv", own)], None, |one| one.customer_column = Some("cf_id".to_owned()));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(owners(&inventory), [owner("x1", &["10.0.0.0/8"])]);
}

//------------ Akvorado and lists ----------------------------------------------

#[test]
fn networks_of_akvorado_are_customers_by_tenant_or_by_a_column_that_is_named() {
    for header in [
        "network,name,role,site,region,tenant",
        "network,name,role,site,region,country,state,city,tenant,asn",
    ] {
        let columns = header.split(',').count();
        let row = |network: &str, name: &str, tenant: &str| {
            let mut cells = vec![""; columns];
            (cells[0], cells[1]) = (network, name);
            let at = header.split(',').position(|one| one == "tenant").expect("a tenant");
            cells[at] = tenant;
            cells.join(",") + "\n"
        };
        let text = format!("{header}\n")
            + &row("::ffff:203.0.113.0/124", "web", "Acme")
            + &row("2001:db8:a::/48", "web", "Acme")
            + &row("198.51.100.0/24", "infra", "");
        let inventory = right(&[("networks.csv", &text)]);
        assert_eq!(owners(&inventory), [owner("acme", &["203.0.113.0/28", "2001:db8:a::/48"])]);
        let (inventory, _) = read_table(&[("networks.csv", &text)], None, |one| {
            one.customer_column = Some("name".to_owned());
        });
        assert_eq!(inventory.customers.len(), 2);
        let nobody = text.replace("Acme", "");
        is_wrong("networks.csv", &nobody, "", "none of 3 networks has a `tenant`");
    }
    is_wrong("n.csv", "network,role,site,tenat\n", "network,role,site,tenat", "no column `tenant`");
}

#[test]
fn plain_lists_say_whose_a_prefix_is_in_the_line_or_beside_the_file() {
    let list = "# ours\n203.0.113.0/28 acme web gold-plan\n\n2001:db8:a::/48, acme # more\n\
                198.51.100.7 blog\n192.0.2.1-192.0.2.6 blog\n";
    let inventory = right(&[("list.txt", list)]);
    assert_eq!(
        owners(&inventory),
        [
            owner("acme", &["203.0.113.0/28", "2001:db8:a::/48"]),
            owner(
                "blog",
                &[
                    "198.51.100.7/32",
                    "192.0.2.1/32",
                    "192.0.2.2/31",
                    "192.0.2.4/31",
                    "192.0.2.6/32"
                ]
            ),
        ]
    );
    assert_eq!(inventory.customers[0].tags, ["web", "gold-plan"]);
    let bare = "203.0.113.0/28\n2001:db8:a::/48\n";
    is_wrong("list.txt", bare, "203.0.113.0/28", "whose this prefix is");
    let (inventory, problems) =
        read_table(&[("list.txt", bare)], None, |one| one.customer = Some("acme".to_owned()));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(inventory.customers[0].prefixes.len(), 2);
    is_wrong("list.txt", "10.0.0.0/8 a\n10.0.0.1/8 a\n", "10.0.0.1/8", "host bits");
    is_wrong("list.txt", "10.0.0.0/8 a\nten a\n", "ten", "no address");
    is_wrong("list.txt", "10.0.0.0/8 A\n", "A", "cannot be a customer id");
    is_wrong("list.txt", "10.0.0.0/8 a\n11.0.0.9-11.0.0.1 a\n", "11.0.0.9-11.0.0.1", "is empty");
}

#[test]
fn every_range_is_made_of_just_its_addresses() {
    let whole = "0.0.0.0-255.255.255.255 a\n::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff a\n";
    assert_eq!(owners(&right(&[("l", whole)])), [owner("a", &["0.0.0.0/0", "::/0"])]);
    for (first, last) in [(0u32, 0u32), (1, 9), (7, 8), (5, 255), (u32::MAX - 9, u32::MAX)] {
        let text = |at: u32| std::net::Ipv4Addr::from(at).to_string();
        let list = format!("{}-{} a\n", text(first), text(last));
        let inventory = right(&[("l", &list)]);
        let mut at = u128::from(first);
        for prefix in &inventory.customers[0].prefixes {
            let range = prefix.value.range();
            assert_eq!(range.first, at, "{list}");
            at = range.last + 1;
        }
        assert_eq!(at, u128::from(last) + 1, "{list}");
    }
}

#[test]
fn a_form_may_be_named_and_what_it_has_no_use_for_is_an_error() {
    let csv = FORMS.iter().copied().find(|form| form.name == "csv").expect("a form");
    let (_, problems) = read_table(&[("x", "10.0.0.0/8 a\n")], None, |one| one.form = Some(csv));
    assert!(problems[0].message.contains("unknown column"), "{problems:?}");
    let say = |one: &mut Listed| one.customer = Some("a".to_owned());
    let (_, problems) = read_table(&[("i.yaml", super::FULL)], None, say);
    assert!(problems[0].message.contains("itself says whose"), "{problems:?}");
    let say = |one: &mut Listed| one.customer_column = Some("a".to_owned());
    for text in [("i.yaml", super::FULL), ("l", "10.0.0.0/8 a\n")] {
        let (_, problems) = read_table(&[text], None, say);
        assert!(problems[0].message.contains("itself says whose"), "{problems:?}");
    }
}

#[test]
fn every_form_has_a_name_of_its_own_and_survives_hostile_texts() {
    let names: std::collections::BTreeSet<&str> = FORMS.iter().map(|form| form.name).collect();
    assert_eq!(names.len(), FORMS.len());
    for form in FORMS {
        for text in [
            "\0",
            "\"",
            "[",
            "{",
            "{\"results\": [1]}",
            "{\"count\": -1, \"next\": 1, \"results\": []}",
            "\u{feff}",
            ",",
            "é,\"é",
            "::::",
            "1-2",
            "a-b c",
            "255.255.255.255-0.0.0.0 a",
            "•",
            "\r\r",
            "prefix,vrf,tenant\n\"",
            "network,tenant\n,\n",
            "{\"count\":1,\"next\":null,\"results\":[{\"prefix\":7}]}",
        ] {
            let (_, problems) = read_table(&[("x", text)], None, |one| one.form = Some(form));
            let is_refused = problems.iter().any(|one| one.severity == Severity::Error);
            assert!(is_refused, "{} {text:?}", form.name);
        }
    }
}
