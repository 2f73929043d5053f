//! The tree keeps what was typed and where; hostile texts are refused.

use super::*;

fn read(text: &str) -> Node {
    parse(SourceId(0), text).expect("valid YAML")
}

#[test]
fn plain_scalars_keep_what_was_typed() {
    let root = read("a: 007\nb: 1e3\nc: =syn\nd: \"80\"\ne: ~\nf: 203.0.113.10\ng: yes\n");
    let Value::Map(entries) = &root.value else { panic!("a map") };
    let texts: Vec<String> = entries
        .iter()
        .map(|(_, value)| match &value.value {
            Value::Scalar { text, .. } => text.clone(),
            other => other.kind().to_owned(),
        })
        .collect();
    assert_eq!(texts, ["007", "1e3", "=syn", "80", "nothing", "203.0.113.10", "yes"]);
}

#[test]
fn every_value_knows_its_place() {
    let text = "rules:\n  - id: ä-x\n    list: [1, two]\n";
    let root = read(text);
    let mut found = Vec::new();
    walk(&root, &mut |node| {
        if let Value::Scalar { text: value, .. } = &node.value {
            found.push((value.clone(), text[node.location.span.range()].to_owned()));
        }
    });
    for (value, slice) in &found {
        assert_eq!(value, slice);
    }
    assert_eq!(found.len(), 6);
}

fn walk(node: &Node, visit: &mut impl FnMut(&Node)) {
    visit(node);
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            walk(key, visit);
            walk(value, visit);
        }),
        _ => {}
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let inner = format!("*a{}", level - 1);
        let list = vec![inner; 10].join(",");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    let problem = parse(SourceId(0), &text).expect_err("a bomb");
    assert_eq!(problem.message, "its anchors and aliases unfold to too much");
}

#[test]
fn deep_nesting_is_refused() {
    const TOO_DEEP: &str = "nested more than 64 deep";
    let refused = |text: &str| parse(SourceId(0), text).expect_err("too deep").message;
    assert_eq!(refused(&"[".repeat(20_000)), TOO_DEEP);
    let closed = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(refused(&closed), TOO_DEEP);
    let block: String =
        (0..20_000).map(|depth| format!("{}a:\n", " ".repeat(depth % 300))).collect();
    assert!(parse(SourceId(0), &block).is_err());
    let maps: String = (0..20_000).map(|_| "- ").collect();
    assert_eq!(refused(&maps), TOO_DEEP);
}

#[test]
fn a_repeated_key_is_refused_with_its_place() {
    let problem = parse(SourceId(0), "a: 1\nb: 2\na: 3\n").expect_err("a repeated key");
    assert_eq!(problem.location.map(|location| location.span.start), Some(10));
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let root = read("durration: 1\n");
    let mut decoder = Decoder::new();
    decoder.map(&root, "the profile", &["duration", "start"]);
    assert_eq!(decoder.problems[0].help.as_deref(), Some("did you mean `duration`?"));
}

#[test]
fn a_tag_is_refused_with_its_place() {
    for (text, tag) in [
        ("a: [syn,!ack]\n", "!ack"),
        ("a: [syn, ! ack]\n", "!"),
        ("a: !!str 5\n", "!!str"),
        ("a: !x\n  - b\n", "!x"),
        ("!x a: 1\n", "!x"),
    ] {
        let problem = parse(SourceId(0), text).expect_err("a tag");
        let place = problem.location.expect("a place");
        assert_eq!(&text[place.span.range()], tag, "{problem:?}");
    }
    assert!(parse(SourceId(0), "a: syn,!ack\n").is_ok());
}

#[test]
fn a_list_or_map_stands_where_it_starts_and_extends_over_its_items() {
    let text = "a:\n  - 1\n  - {b: 2}\nc: [3, 4]\n";
    let root = read(text);
    let places =
        |node: &Node| (&text[node.location.span.range()], &text[node.extent().span.range()]);
    assert_eq!(places(&root), ("a", &text[..text.len() - 2]));
    let Value::Map(entries) = &root.value else { panic!("a map") };
    assert_eq!(places(&entries[0].1), ("1", "1\n  - {b: 2"));
    assert_eq!(places(&entries[1].1), ("[", "[3, 4"));
}

#[test]
fn a_syntax_error_stands_where_it_is() {
    for (text, place) in [("ä: 1\na: >=10\n", 9), ("a: 1\nb: @x\n", 8), ("a: 1\n---\nb: 2\n", 9)] {
        let problem = parse(SourceId(0), text).expect_err("no YAML");
        assert_eq!(problem.location.map(|at| at.span.start), Some(place), "{problem:?}");
    }
}

#[test]
fn a_long_word_is_near_nothing() {
    let long = "x".repeat(1_000_000);
    assert_eq!(nearest(&long, [long.as_str(), "dst"].into_iter()), None);
    assert_eq!(nearest("dts", [long.as_str(), "dst"].into_iter()), Some("dst"));
}
