//! What the two forms have in common, and what hostile texts may do.

use proptest::prelude::*;

use super::{Item, Tree};
use crate::model::{Diagnostic, FlagTest, Sources};

fn read(text: &str) -> (Tree, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let file = sources.add("a.conf", text);
    Tree::read(&sources, &[file])
}

fn paths(tree: &Tree) -> Vec<String> {
    fn walk(item: Item<'_>, path: &str, into: &mut Vec<String>) {
        let path = format!("{path} {}", item.word());
        if item.is_leaf() {
            into.push(path.trim().to_owned());
        }
        item.children().for_each(|child| walk(child, &path, into));
    }
    let mut all = Vec::new();
    walk(tree.top(), "", &mut all);
    all
}

#[test]
fn both_forms_of_a_configuration_give_the_same_tree() {
    let (braces, problems) = read(
        "firewall {\n family inet {\n filter F { /* blastgate: x */ term a { from { port [ 1 2 ]; \
         address { 10.0.0.0/8 except; } } inactive: then { log; accept; } } } }\n}\n\
         system { host-name \"a b\"; }",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let (lines, problems) = read(
        "# blastgate: x\nset firewall family inet filter F term a from port [ 1 2 ]\n\
         set firewall family inet filter F term a from address 10.0.0.0/8 except\n\
         set firewall family inet filter F term a then accept\n\
         deactivate firewall family inet filter F term a then\n\
         edit system\nset host-name \"a b\"\ntop\nset x y\ndelete x y\ndelete x\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(paths(&braces), paths(&lines));
    for tree in [&braces, &lines] {
        let term = tree.top().at(&["firewall", "family", "inet", "filter", "F", "term", "a"]);
        assert_eq!(term.expect("the term").comments()[0].value.trim(), "blastgate: x");
    }
}

#[test]
fn of_two_values_the_later_one_holds() {
    let (tree, _) = read("set a b 1\nset a b 2\nset a b 1\n");
    assert_eq!(tree.top().at(&["a", "b"]).and_then(Item::value).map(Item::word), Some("1"));
}

#[test]
fn what_is_no_configuration_is_told_and_where() {
    for (text, says) in [
        ("a { b;", "a block has no end"),
        ("a b", "ends within a statement"),
        ("}", "unexpected `}`"),
        ("a [ b c", "ends within a statement"),
        ("a [ b ] c;", "a list ends its statement"),
        ("a \"b;", "a text has no end"),
        ("/* a", "a comment has no end"),
        ("delete: a;", "`delete:` is not read"),
        ("set a [ b", "a list has no end"),
        ("set a \"b", "a text has no end"),
        ("set a b\nrename a to b", "`rename` is not read"),
        ("set a b\nshow", "`show` is not read"),
        ("set a b\ndelete", "deletes everything"),
    ] {
        let (_, problems) = read(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].message.contains(says), "{text}: {problems:?}");
        assert!(problems[0].location.is_some());
    }
}

#[test]
fn deep_texts_are_refused() {
    let (_, problems) = read(&"a { ".repeat(100_000));
    assert!(problems.iter().any(|problem| problem.message.contains("too deep")));
    let (_, problems) = read(&format!("set {}", "a ".repeat(100_000)));
    assert!(problems.iter().any(|problem| problem.message.contains("too deep")));
    let (_, problems) = read(&format!("set x\n{}", "edit a b c\n".repeat(100_000)));
    assert!(problems.iter().any(|problem| problem.message.contains("too deep")));
}

#[test]
fn expressions_of_flags_have_their_precedence() {
    let holds = |text: &str, flags: u8| {
        let tests = super::flags::parse(text, super::flags::TCP_FLAGS).expect("an expression");
        tests.iter().any(|FlagTest { mask, value }| flags & mask == *value)
    };
    let (syn, rst, ack) = (2, 4, 16);
    for flags in 0..=255u8 {
        let has = |bit: u8| flags & bit != 0;
        assert_eq!(holds("syn & !ack", flags), has(syn) && !has(ack));
        assert_eq!(holds("!(syn & !ack) | rst", flags), !has(syn) || has(ack) || has(rst));
        assert_eq!(holds("tcp-established", flags), has(ack) || has(rst));
        assert_eq!(holds("!tcp-established", flags), !has(ack) && !has(rst));
        assert_eq!(holds("0x3", flags), has(1) && has(2));
        assert_eq!(holds("!0x3", flags), !has(1) || !has(2));
        assert_eq!(holds("syn,ack+rst", flags), has(syn) || (has(ack) && has(rst)));
    }
    for text in ["", "syn &", "(syn", "syn)", "sny", "0x1ff", "0", &"(".repeat(1_000)] {
        assert_eq!(super::flags::parse(text, super::flags::TCP_FLAGS), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c \\[\\]{};\"#/*\n\\\\é]{0,80}") {
        read(&text);
        read(&format!("set {text}"));
        read(&format!("set a\n{}", text.replace('a', "delete ").replace('b', "edit ")));
    }
}
