//! What all checks of what nft(8) refuses say, and ask of expressions.

use super::tree::Expr;
use crate::model::{Diagnostic, Location};

/// Nothing, or why nft(8) does not load it.
pub(super) type Checked = Result<(), Box<Diagnostic>>;

/// Says why nft(8) does not load something.
pub(super) fn refused(
    location: Location,
    message: String,
    label: &str,
    help: &str,
) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(location, message).label(label).help(help))
}

/// Returns whether an expression holds no names, fields or maps.
pub(super) fn is_of_constants(expr: &Expr) -> bool {
    match expr {
        Expr::Word(_) | Expr::All => true,
        Expr::Prefix(inner, _) => is_of_constants(inner),
        Expr::Range(first, last) => is_of_constants(first) && is_of_constants(last),
        Expr::Binary(_, left, right) => is_of_constants(left) && is_of_constants(right),
        Expr::List(parts) => parts.iter().all(is_of_constants),
        Expr::Set(elements) => elements.iter().all(|one| is_of_constants(&one.key)),
        Expr::Concat(_) | Expr::Named(_) | Expr::Field(_) | Expr::Map(..) => false,
    }
}

/// Returns whether a plain number stands where an address of IPv6 belongs.
pub(super) fn holds_number(expr: &Expr) -> bool {
    match expr {
        Expr::Word(word) => word.bytes().all(|byte| byte.is_ascii_digit()),
        Expr::Prefix(inner, _) => holds_number(inner),
        Expr::Range(first, last) => holds_number(first) || holds_number(last),
        Expr::List(parts) => parts.iter().any(holds_number),
        Expr::Set(elements) => elements.iter().any(|one| holds_number(&one.key)),
        _ => false,
    }
}

/// Adds the words of an expression.
pub(super) fn words_of<'e>(expr: &'e Expr, found: &mut Vec<&'e str>) {
    match expr {
        Expr::Word(word) => found.push(word),
        Expr::List(parts) => parts.iter().for_each(|part| words_of(part, found)),
        Expr::Set(elements) => elements.iter().for_each(|one| words_of(&one.key, found)),
        Expr::Binary(_, left, right) => {
            words_of(left, found);
            words_of(right, found);
        }
        _ => {}
    }
}
