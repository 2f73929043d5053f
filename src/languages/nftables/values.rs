//! Values of a field: words, prefixes, ranges and calculations into numbers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::names::Kind;
use super::ranges::{Ranges, greatest, joined};
use super::tree::Expr;
use crate::yaml::nearest;

/// Why an expression is no value: what, and what to do.
#[derive(Clone, Debug)]
pub(super) struct NoValue {
    pub(super) message: String,
    pub(super) help: String,
}

/// Reads a word.
fn word(text: &str, kind: Kind) -> Result<u128, NoValue> {
    let no_value =
        |help: String| NoValue { message: format!("`{text}` is no {}", kind.word()), help };
    match kind {
        Kind::V4 => {
            if let Ok(address) = text.parse::<Ipv4Addr>() {
                return Ok(u128::from(u32::from(address)));
            }
        }
        Kind::V6 => {
            if let Ok(address) = text.parse::<Ipv6Addr>() {
                return Ok(u128::from(address));
            }
        }
        _ => {}
    }
    if text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = u64::from_str_radix(text, 8).ok();
        let number = number.map_or("no number".to_owned(), |number| number.to_string());
        return Err(NoValue {
            message: format!("`{text}` is octal for nft, {number}"),
            help: "write the number without the zero in front".to_owned(),
        });
    }
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hex {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => text.parse::<u128>().ok(),
    };
    if let Some(number) = number {
        return Ok(number);
    }
    let names = kind.names();
    if let Some((_, number)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(*number);
    }
    Err(match nearest(text, names.iter().map(|(name, _)| *name)) {
        Some(near) => no_value(format!("did you mean `{near}`?")),
        None if matches!(kind, Kind::V4 | Kind::V6) => {
            no_value("write an address: names of hosts are not looked up".to_owned())
        }
        None => no_value(format!("write a number instead of the name of a {}", kind.word())),
    })
}

/// Returns whether an expression is made of constants only.
pub(super) fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Word(_) => true,
        Expr::Binary(_, left, right) => is_constant(left) && is_constant(right),
        Expr::List(parts) => parts.iter().all(is_constant),
        _ => false,
    }
}

/// Calculates one number.
pub(super) fn number(expr: &Expr, kind: Kind) -> Result<u128, NoValue> {
    match expr {
        Expr::Word(text) => word(text, kind),
        Expr::List(parts) => parts.iter().try_fold(0, |bits, part| Ok(bits | number(part, kind)?)),
        Expr::Binary(sign, left, right) => {
            let (left, right) = (number(left, kind)?, number(right, kind)?);
            Ok(match *sign {
                "&" => left & right,
                "|" => left | right,
                "^" => left ^ right,
                "<<" => left.checked_shl(u32::try_from(right).unwrap_or(128)).unwrap_or(0),
                _ => left.checked_shr(u32::try_from(right).unwrap_or(128)).unwrap_or(0),
            })
        }
        _ => Err(NoValue {
            message: format!("`{expr}` is no single {}", kind.word()),
            help: "write one value".to_owned(),
        }),
    }
}

/// Returns all values of an expression that holds no names of sets.
pub(super) fn ranges(expr: &Expr, kind: Kind) -> Result<Ranges, NoValue> {
    let mut all = Vec::new();
    collect(expr, kind, &mut all)?;
    Ok(joined(all))
}

fn collect(expr: &Expr, kind: Kind, all: &mut Vec<(u128, u128)>) -> Result<(), NoValue> {
    match expr {
        Expr::Range(first, last) => {
            let (first, last) = (number(first, kind)?, number(last, kind)?);
            if first > last {
                return Err(NoValue {
                    message: format!("the range `{expr}` is empty"),
                    help: "write the smaller end first".to_owned(),
                });
            }
            all.push((first, last));
        }
        Expr::Prefix(address, length) => {
            let bits = kind.bits();
            if *length > bits {
                return Err(NoValue {
                    message: format!("a prefix of `{expr}` has at most {bits} bits"),
                    help: format!("write a length from 0 to {bits}"),
                });
            }
            let host = greatest(bits - length);
            let first = number(address, kind)? & !host;
            all.push((first, first | host));
        }
        Expr::List(parts) => parts.iter().try_for_each(|part| collect(part, kind, all))?,
        Expr::Set(elements) => {
            elements.iter().try_for_each(|element| collect(&element.key, kind, all))?;
        }
        Expr::All => all.push((0, greatest(kind.bits()))),
        _ => {
            let number = number(expr, kind)?;
            all.push((number, number));
        }
    }
    Ok(())
}
