//! Splitting texts into words and signs.

use super::tokens::split;

#[test]
fn comments_escapes_and_quotes_are_no_words() {
    let (tokens, comments, problem) = split("a # b\n\"c d\" e\\n f [x]");
    let words: Vec<&str> = tokens.iter().map(|token| &*token.text).collect();
    assert_eq!(words, ["a", "c d", "e", "f", "[", "x", "]"]);
    assert_eq!(comments, [(3, 5)]);
    assert_eq!(problem, None);
    assert!(split("a \\x").2.is_some());
    assert!(split("a \"x").2.is_some());
}
