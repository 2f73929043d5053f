//! Inventories of both forms: what is read, and every problem at its place.

mod exports;

use super::*;
use crate::model::inventory::ServiceName;
use crate::model::{CustomerId, Location, Spanned};

/// Reads texts as files of these names.
fn read(files: &[(&str, &str)]) -> (Inventory, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::new();
    let ids: Vec<SourceId> = files.iter().map(|(name, text)| sources.add(*name, *text)).collect();
    let (inventory, problems) = load(&sources, &ids);
    (inventory, problems, sources)
}

/// Reads texts that must be right.
fn right(files: &[(&str, &str)]) -> Inventory {
    let (inventory, problems, _) = read(files);
    assert!(problems.is_empty(), "{problems:?}");
    inventory
}

/// Reads one text and returns its problems: the text that is underlined, and the message.
fn wrong(name: &str, text: &str) -> Vec<(String, String)> {
    let (_, problems, sources) = read(&[(name, text)]);
    problems
        .into_iter()
        .map(|problem| {
            let shown = problem.location.map(|location| {
                sources.get(location.source).text[location.span.range()].to_owned()
            });
            assert!(problem.help.is_some() || problem.also.is_some(), "{}", problem.message);
            (shown.unwrap_or_default(), problem.message)
        })
        .collect()
}

/// Holds that a text is wrong, and where.
fn is_wrong(name: &str, text: &str, place: &str, words: &str) {
    let problems = wrong(name, text);
    let found = problems.iter().any(|(shown, message)| shown == place && message.contains(words));
    assert!(found, "{problems:?}\n{text}");
}

const FULL: &str = r#"
version: 1
customers:
  - {id: acme, name: Acme Corp, tier: gold, tags: [web], region: eu, prefixes: [203.0.113.0/28, "2001:db8:a::/48"], hosts: [www.acme.example]}
  - {id: blog, prefixes: [203.0.113.32]}
shared:
  - {prefixes: [198.51.100.10/32], customers: [blog, acme]}
infrastructure:
  - {id: edge, prefixes: [192.0.2.0/24], services: [bgp, bfd, tcp/22], peers: [198.51.100.0/30]}
  - {id: oob, prefixes: [192.0.2.250/32], management: true}
pops:
  - {id: ams, region: eu, exporters: [10.0.0.1]}
"#;

#[test]
fn everything_that_an_inventory_can_say_is_read() {
    let inventory = right(&[("inventory.yaml", FULL)]);
    let acme = &inventory.customers[0];
    assert_eq!((acme.id.value.as_str(), acme.tier.as_deref()), ("acme", Some("gold")));
    assert_eq!(
        (acme.tags.as_slice(), acme.region.as_deref()),
        (&["web".to_owned()][..], Some("eu"))
    );
    assert_eq!(acme.prefixes.len(), 2);
    assert_eq!(inventory.customers[1].prefixes[0].value.to_string(), "203.0.113.32/32");
    assert_eq!(inventory.shared[0].customers, [CustomerId(0), CustomerId(1)]);
    let ssh = ServiceName::Port { protocol: 6, port: 22 };
    let services = [ServiceName::Bgp, ServiceName::Bfd, ssh];
    assert_eq!(inventory.infrastructure[0].services.as_deref(), Some(&services[..]));
    assert!(
        inventory.infrastructure[1].services.is_none() && inventory.infrastructure[1].management
    );
    assert_eq!(inventory.pops.expect("PoPs")[0].exporters, ["10.0.0.1"]);
    assert!(
        right(&[("i.yaml", "version: 1\ncustomers:\n  - {id: a, prefixes: [10.0.0.0/8]}\n")])
            .pops
            .is_none()
    );
}

#[test]
fn a_table_reads_like_the_yaml_that_says_the_same() {
    let table = "# our customers\nprefix,customer,tags,tier,host\n203.0.113.0/28,acme,web;shop,gold,\n\
                 2001:db8:a::/48,acme,,,\n,acme,,,www.acme.example\n203.0.113.32,blog,,,\n";
    let inventory = right(&[("inventory.csv", table)]);
    let acme = &inventory.customers[0];
    assert_eq!((acme.prefixes.len(), acme.tier.as_deref()), (2, Some("gold")));
    assert_eq!(acme.tags, ["web", "shop"]);
    assert_eq!(acme.hosts, ["www.acme.example"]);
    assert_eq!(inventory.customers[1].prefixes[0].value.to_string(), "203.0.113.32/32");
    // The place is the text of the field, also where another field holds the same.
    let prefix = acme.prefixes[1].location.span.range();
    assert_eq!(&table[prefix], "2001:db8:a::/48");
}

#[test]
fn several_sources_add_up_and_contradictions_name_both_places() {
    let table = "customer,prefix,tier\nacme,203.0.113.64/28,gold\n";
    let inventory = right(&[("a.yaml", FULL), ("b.csv", table)]);
    assert_eq!(inventory.customers[0].prefixes.len(), 3);
    let (_, problems, sources) =
        read(&[("a.yaml", FULL), ("b.csv", "customer,prefix,tier\nacme,203.0.113.64/28,silver\n")]);
    let problem = &problems[0];
    assert!(problem.message.contains("two tiers: gold and silver"), "{}", problem.message);
    let also = problem.also.as_ref().expect("the first place").0;
    assert_eq!(&*sources.get(also.source).name, "a.yaml");
}

#[test]
fn one_prefix_belongs_to_one_customer_or_is_shared() {
    let two = |shared: &str| {
        format!(
            "version: 1\ncustomers:\n  - {{id: a, prefixes: [10.0.0.0/8]}}\n  \
             - {{id: b, prefixes: [10.0.0.0/8]}}\n  - {{id: c, prefixes: [11.0.0.0/8]}}\n{shared}"
        )
    };
    is_wrong("i.yaml", &two(""), "10.0.0.0/8", "belongs to two customers: `a` and `b`");
    let shared = two("shared:\n  - {prefixes: [10.0.0.0/8], customers: [a, b]}\n");
    assert_eq!(right(&[("i.yaml", &shared)]).shared.len(), 1);
    let others = two("shared:\n  - {prefixes: [10.0.0.0/8], customers: [a, c]}\n");
    is_wrong("i.yaml", &others, "10.0.0.0/8", "is shared, but not by `b`");
    let again = "version: 1\ncustomers:\n  - {id: a, prefixes: [10.0.0.0/8, 10.0.0.0/8]}\n";
    let (_, problems, _) = read(&[("i.yaml", again)]);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Warning);
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let customer = |inside: &str| format!("version: 1\ncustomers:\n  - {{id: a, {inside}}}\n");
    is_wrong("i.yaml", &customer("prefixes: [10.0.0.1/8]"), "10.0.0.1/8", "host bits");
    is_wrong("i.yaml", &customer("prefixes: [10.0.0.0/33]"), "10.0.0.0/33", "no prefix length");
    is_wrong("i.yaml", &customer("prefixes: [ten]"), "ten", "no address");
    is_wrong("i.yaml", &customer("prefixs: [10.0.0.0/8]"), "prefixs", "unknown key");
    is_wrong("i.yaml", &customer("tier: gold"), "a", "has no addresses");
    is_wrong("i.yaml", &FULL.replace("bfd,", "bdf,"), "bdf", "unknown service");
    is_wrong("i.yaml", &FULL.replace("[blog, acme]", "[blob, acme]"), "blob", "unknown customer");
    is_wrong("i.yaml", &FULL.replace("id: blog", "id: acme"), "acme", "listed twice");
    is_wrong("i.yaml", &FULL.replace("id: oob", "id: edge"), "edge", "listed twice");
    is_wrong("i.yaml", &FULL.replace("id: edge", "id: acme"), "acme", "both infrastructure and a");
    is_wrong("i.yaml", &FULL.replace("id: blog", "id: none"), "none", "cannot be called");
    is_wrong("i.yaml", &FULL.replace("id: blog", "id: Blog X"), "Blog X", "cannot be an id");
    is_wrong("i.csv", "customer,prefix\nacme,10.0.0.1/8\n", "10.0.0.1/8", "host bits");
    is_wrong("i.csv", "customer,prefix\nacme,\n", "acme,", "empty prefix");
    is_wrong("i.csv", "customer,prefx\nacme,10.0.0.0/8\n", "prefx", "unknown column");
    is_wrong("i.csv", "acme,10.0.0.0/8\n", "acme", "unknown column");
    is_wrong("i.csv", "customer,prefix\na,10.0.0.0/8,gold\n", "a,10.0.0.0/8,gold", "more fields");
    // All of them in one run.
    let many = customer("prefixes: [10.0.0.1/8, ten, 11.0.0.0/40]");
    assert_eq!(wrong("i.yaml", &many).len(), 3);
}

#[test]
fn an_inventory_of_nobody_is_an_error() {
    for text in ["", "\n", "# nobody\n", "version: 1\n", "version: 1\npops: [{id: ams}]\n"] {
        let (_, problems, _) = read(&[("i.yaml", text)]);
        assert!(problems.iter().any(|problem| problem.severity == Severity::Error), "{text:?}");
    }
    let (_, problems, _) = read(&[("i.csv", "customer,prefix\n")]);
    assert!(!problems.is_empty());
    let (_, problems, _) = read(&[("customers.txt", "acme owns 10/8\n")]);
    assert!(problems[0].message.contains("no inventory that is known"));
}

#[test]
fn selectors_mean_customers_tags_tiers_regions_prefixes_and_words() {
    let inventory = right(&[("inventory.yaml", FULL)]);
    let resolve = |words: &[&str]| {
        let location = inventory.customers[0].id.location;
        let selectors: Vec<Spanned<String>> =
            words.iter().map(|word| Spanned::new((*word).to_owned(), location)).collect();
        let (selection, problems) = crate::intent::resolve(&selectors, &inventory);
        let problems: Vec<String> =
            problems.into_iter().map(|problem| problem.help.unwrap_or_default()).collect();
        (selection, problems)
    };
    let (acme, blog) = (CustomerId(0), CustomerId(1));
    for word in ["acme", "tag:web", "tier:gold", "region:eu"] {
        assert_eq!(resolve(&[word]).0.customers, [acme], "{word}");
    }
    assert_eq!(resolve(&["blog", "acme", "tag:web"]).0.customers, [acme, blog]);
    assert_eq!(resolve(&["prefix:203.0.113.0/24"]).0.prefixes.len(), 1);
    assert!(resolve(&["unowned"]).0.unowned && resolve(&["all"]).0.all);
    assert_eq!(
        resolve(&["none"]),
        (crate::intent::Selection { words: vec!["none".into()], ..Default::default() }, vec![])
    );
    assert_eq!(resolve(&["none", "acme"]).1.len(), 1);
    assert_eq!(resolve(&["acmee"]).1, ["did you mean `acme`?"]);
    assert_eq!(resolve(&["tier:glod"]).1, ["did you mean `tier:gold`?"]);
    assert_eq!(resolve(&["prefix:203.0.113.1/24"]).1.len(), 1);
    assert_eq!(resolve(&["edge"]).1, ["put an accept for it above the rule instead"]);
}

#[test]
fn an_open_quote_never_swallows_customers() {
    let table =
        "customer,prefix,tags\nacme,203.0.113.1,\"web\nblog,203.0.113.2,x\nshop,203.0.113.3,y\n";
    is_wrong("i.csv", table, "\"web", "this quote is not closed");
    let closed = table.replace("\"web", "\"web;x\"");
    assert_eq!(right(&[("i.csv", &closed)]).customers.len(), 3);
}

#[test]
fn places_in_a_table_are_those_of_the_row_and_not_of_a_comment_or_quote_before_it() {
    let table = "\u{feff}customer,prefix,tags\n\n# acme,10.0.0.1/8 moved away\n# 10.0.0.1/8\n\
                 acme,  10.0.0.1/8 ,\n\"b\",\"10.0.0.1/8\",\"a, b\"\r\n,10.0.0.1/8,\n";
    let (_, problems, sources) = read(&[("i.csv", table)]);
    let places: Vec<_> = problems
        .iter()
        .map(|problem| {
            let place = problem.location.expect("a place");
            (sources.line_column(place), &table[place.span.range()])
        })
        .collect();
    let expected = [((5, 8), "10.0.0.1/8"), ((6, 6), "10.0.0.1/8"), ((7, 1), ",10.0.0.1/8,")];
    assert_eq!(places, expected);
}

#[test]
fn several_hosts_of_one_address_take_several_rows() {
    let row = |host: &str| format!("acme,203.0.113.1,{host}\n");
    let table = |rows: &[&str]| {
        "customer,prefix,host\n".to_owned() + &rows.iter().map(|host| row(host)).collect::<String>()
    };
    let acme =
        &right(&[("i.csv", &table(&["a.example", "b.example", "*.c.example"]))]).customers[0];
    assert_eq!((acme.prefixes.len(), acme.hosts.len()), (1, 3));
    for twice in [&["a.example", "b.example", "A.example"][..], &["a.example", ""], &["", ""]] {
        let (inventory, problems, _) = read(&[("i.csv", &table(twice))]);
        assert_eq!(problems.len(), 1, "{twice:?} {problems:?}");
        assert_eq!(problems[0].severity, Severity::Warning);
        assert_eq!(inventory.customers[0].prefixes.len(), 1);
    }
}

#[test]
fn one_host_belongs_to_one_customer() {
    let text = "version: 1\ncustomers:\n  - {id: a, hosts: [www.example]}\n  - {id: b, hosts: [WWW.example]}\n";
    is_wrong("i.yaml", text, "WWW.example", "belongs to two customers: `a` and `b`");
}

#[test]
fn contradicting_tiers_are_underlined_where_each_is_said() {
    let table = "customer,prefix,tier\na,10.0.0.1,\na,10.0.0.2,gold\na,10.0.0.3,silver\na,10.0.0.4,silver\n";
    let (_, problems, sources) = read(&[("i.csv", table)]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let line = |place: Location| sources.line_column(place);
    assert_eq!(problems[0].location.map(line), Some((4, 12)));
    assert_eq!(problems[0].also.as_ref().map(|(place, _)| line(*place)), Some((3, 12)));
}

#[test]
fn an_entry_listed_twice_is_found_also_behind_a_table() {
    let table = "customer,prefix\nacme,10.0.0.1\n";
    let text = "version: 1\ncustomers:\n  - {id: acme, prefixes: [10.0.0.2]}\n  - {id: acme, prefixes: [10.0.0.3]}\n";
    let (_, problems, _) = read(&[("a.csv", table), ("b.yaml", text)]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("listed twice"), "{problems:?}");
}

#[test]
fn hostile_texts_are_refused_and_never_panic() {
    is_wrong("i.yaml", &FULL.replace("tcp/22", "tcp/0"), "tcp/0", "unknown service");
    let bomb = "version: 1\na: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &('b'..='i')
            .map(|name| {
                let before = (name as u8 - 1) as char;
                let nine = vec![format!("*{before}"); 9].join(", ");
                format!("{name}: &{name} [{nine}]\n")
            })
            .collect::<String>();
    assert!(wrong("i.yaml", &bomb)[0].1.contains("unfold to too much"));
    for name in ["i.yaml", "i.csv", "i"] {
        for text in
            ["\0\u{1}PK\u{3}\u{fffd}", "\"", "\"\n", "#", "\u{feff}", ",", "é,\"é", "[", "\r"]
        {
            assert!(!wrong(name, text).is_empty(), "{name} {text:?}");
        }
    }
}
