//! The native inventory: customers, shared addresses, infrastructure and PoPs in YAML.

use super::{Attribute, Collector, Form, Listed, Owners};
use crate::model::inventory::ServiceName;
use crate::model::{Diagnostic, Prefix, Sources, Spanned};
use crate::words;
use crate::yaml::{self, Decoder, Fields, Node, Value, nearest};

pub(super) const FORM: Form = Form { name: "yaml", owners: Owners::Own, detect, read };

fn detect(name: &str, start: &str) -> bool {
    let by_name = [".yaml", ".yml"].iter().any(|extension| name.ends_with(extension));
    let keys = ["version:", "customers:", "infrastructure:", "shared:", "pops:"];
    by_name || start.lines().any(|line| keys.iter().any(|key| line.starts_with(key)))
}

fn read(sources: &Sources, listed: &Listed, into: &mut Collector) -> Vec<Diagnostic> {
    let file = listed.file;
    let root = match yaml::parse(file, &sources.get(file).text) {
        Ok(root) => root,
        Err(problem) => return vec![problem],
    };
    if !matches!(root.value, Value::Map(_)) {
        let message = format!("expected a map (the inventory), found {}", root.value.kind());
        let problem = Diagnostic::error(root.location, message).label("no customers");
        return vec![problem.help("begin with `version: 1` and `customers:`")];
    }
    let mut decoder = Decoder::new();
    let known = ["version", "customers", "shared", "infrastructure", "pops"];
    if let Some(fields) = decoder.map(&root, "the inventory", &known) {
        decoder.version(fields, "the inventory");
        let entries = |decoder: &mut Decoder, key: &str| {
            fields.get(key).and_then(|node| decoder.list(node, &format!("`{key}`")))
        };
        for node in entries(&mut decoder, "customers").unwrap_or_default() {
            customer(&mut decoder, node, into);
        }
        for node in entries(&mut decoder, "shared").unwrap_or_default() {
            shared(&mut decoder, node, into);
        }
        for node in entries(&mut decoder, "infrastructure").unwrap_or_default() {
            infrastructure(&mut decoder, node, into);
        }
        if let Some(pops) = entries(&mut decoder, "pops") {
            into.lists_pops();
            for node in pops {
                pop(&mut decoder, node, into);
            }
        }
    }
    decoder.problems
}

fn customer(decoder: &mut Decoder, node: &Node, into: &mut Collector) {
    let known = ["id", "name", "tier", "tags", "region", "prefixes", "hosts"];
    let Some(fields) = decoder.map(node, "a customer", &known) else { return };
    let Some(id) = id(decoder, fields, "a customer") else { return };
    let prefixes = prefixes(decoder, fields, "prefixes");
    let hosts = spanned_words(decoder, fields, "hosts");
    if fields.get("prefixes").is_none() && fields.get("hosts").is_none() {
        into.expect(id.clone());
    }
    let [name, tier, region] =
        ["name", "tier", "region"].map(|key| spanned_text(decoder, fields, key));
    let tags = words_of(decoder, fields, "tags");
    if let Some(first) = into.list(&id) {
        decoder.report(
            Diagnostic::error(id.location, format!("customer `{}` is listed twice", id.value))
                .label("again here")
                .also(first, "first here")
                .help("join the two entries, or rename one"),
        );
        return;
    }
    let customer = into.number(&id.value, id.location);
    for (attribute, told) in
        [(Attribute::Name, name), (Attribute::Tier, tier), (Attribute::Region, region)]
    {
        if let Some(Spanned { value, location }) = told {
            into.tell(customer, attribute, &value, location, &mut decoder.problems);
        }
    }
    for tag in tags {
        into.tag(customer, &tag);
    }
    for prefix in prefixes {
        into.prefix(customer, prefix, None);
    }
    for host in hosts {
        into.host(customer, &host.value, host.location, &mut decoder.problems);
    }
}

fn shared(decoder: &mut Decoder, node: &Node, into: &mut Collector) {
    let Some(fields) = decoder.map(node, "a shared entry", &["prefixes", "customers"]) else {
        return;
    };
    let has_both = decoder.require(fields, "prefixes", "a shared entry").is_some()
        & decoder.require(fields, "customers", "a shared entry").is_some();
    if !has_both {
        return;
    }
    let prefixes = prefixes(decoder, fields, "prefixes");
    let customers = spanned_words(decoder, fields, "customers");
    if !prefixes.is_empty() && !customers.is_empty() {
        into.shared(prefixes, customers, node.location);
    }
}

fn infrastructure(decoder: &mut Decoder, node: &Node, into: &mut Collector) {
    let known = ["id", "prefixes", "services", "peers", "management"];
    let Some(fields) = decoder.map(node, "an infrastructure entry", &known) else { return };
    let id = id(decoder, fields, "an infrastructure entry");
    let has_prefixes = decoder.require(fields, "prefixes", "an infrastructure entry").is_some();
    let prefixes = prefixes(decoder, fields, "prefixes");
    let services = fields.get("services").map(|_| {
        let words = spanned_words(decoder, fields, "services");
        words.iter().filter_map(|word| service(decoder, word)).collect::<Vec<ServiceName>>()
    });
    let peers = self::prefixes(decoder, fields, "peers");
    let management = fields
        .get("management")
        .and_then(|node| decoder.boolean(node, "`management`"))
        .unwrap_or(false);
    let (Some(id), true) = (id, has_prefixes) else { return };
    let entry = crate::model::Infrastructure {
        id,
        prefixes,
        services,
        peers: peers.into_iter().map(|prefix| prefix.value).collect(),
        management,
    };
    into.infrastructure(entry, &mut decoder.problems);
}

fn pop(decoder: &mut Decoder, node: &Node, into: &mut Collector) {
    let Some(fields) = decoder.map(node, "a PoP", &["id", "region", "exporters"]) else { return };
    let Some(id) = id(decoder, fields, "a PoP") else { return };
    let pop = crate::model::Pop {
        id,
        region: text(decoder, fields, "region"),
        exporters: words_of(decoder, fields, "exporters"),
    };
    into.pop(pop, &mut decoder.problems);
}

/// The protected services that have a name.
const SERVICES: &[(&str, ServiceName)] = &[
    ("bgp", ServiceName::Bgp),
    ("bfd", ServiceName::Bfd),
    ("ldp", ServiceName::Ldp),
    ("ospf", ServiceName::Ospf),
    ("vrrp", ServiceName::Vrrp),
    ("pim", ServiceName::Pim),
    ("icmp", ServiceName::Icmp),
];

fn service(decoder: &mut Decoder, word: &Spanned<String>) -> Option<ServiceName> {
    let text = word.value.as_str();
    if let Some((_, service)) = SERVICES.iter().find(|(name, _)| *name == text) {
        return Some(*service);
    }
    let by_port = text.split_once('/').and_then(|(protocol, port)| {
        let (protocol, _) = words::protocol(protocol).ok()?;
        let (port, last) = words::port(port).ok()?;
        let port = u16::try_from(port).ok().filter(|number| port == last && *number != 0)?;
        Some(ServiceName::Port { protocol: u8::try_from(protocol).ok()?, port })
    });
    if by_port.is_none() {
        let near = nearest(text, SERVICES.iter().map(|(name, _)| *name));
        decoder.report(
            Diagnostic::error(word.location, format!("unknown service `{text}`"))
                .label("not a service")
                .help(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write bgp, bfd, ldp, ospf, vrrp, pim, icmp, or one such as `tcp/22`"
                        .to_owned(),
                }),
        );
    }
    by_port
}

//------------ Fields --------------------------------------------------------

fn id(decoder: &mut Decoder, fields: Fields<'_>, what: &str) -> Option<Spanned<String>> {
    let node = decoder.require(fields, "id", what)?;
    let text = decoder.text(node, "the id")?;
    if !words::is_id(text) {
        decoder.report(
            Diagnostic::error(node.location, format!("`{text}` cannot be an id"))
                .label("should be like `acme-1`")
                .help(
                    "use small letters, digits, `.`, `_` and `-`, and begin with a letter or digit",
                ),
        );
        return None;
    }
    Some(Spanned::new(text.to_owned(), node.location))
}

fn text(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Option<String> {
    spanned_text(decoder, fields, key).map(|text| text.value)
}

fn spanned_text(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Option<Spanned<String>> {
    let node = fields.get(key)?;
    let text = decoder.text(node, &format!("`{key}`"))?;
    Some(Spanned::new(text.to_owned(), node.location))
}

fn spanned_words(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Vec<Spanned<String>> {
    let what = format!("`{key}`");
    let Some(node) = fields.get(key) else { return Vec::new() };
    let items = decoder.one_or_more(node, &what).unwrap_or_default();
    let mut words = Vec::with_capacity(items.len());
    for item in items {
        let text = decoder.text(item, &what);
        words.extend(text.map(|text| Spanned::new(text.to_owned(), item.location)));
    }
    words
}

fn words_of(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Vec<String> {
    spanned_words(decoder, fields, key).into_iter().map(|word| word.value).collect()
}

fn prefixes(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Vec<Spanned<Prefix>> {
    let mut prefixes = Vec::new();
    for word in spanned_words(decoder, fields, key) {
        match words::prefix(&word.value) {
            Ok(prefix) => prefixes.push(Spanned::new(prefix, word.location)),
            Err(wrong) => decoder.report(wrong.at(word.location)),
        }
    }
    prefixes
}
