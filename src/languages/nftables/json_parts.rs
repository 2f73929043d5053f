//! Statements and expressions of the JSON form, as libnftables-json(5) has them.

use serde_json::{Map, Value};

use super::counted::{TIME_UNITS, data_unit};
use super::tree::{Data, Dynamic, Element, Expr, Limit, Op, Statement, Verdict};
use crate::model::Location;

/// Why a part is not read: a fragment that fits after `error: `.
#[derive(Debug)]
pub(super) struct Bad(pub(super) String);

impl Bad {
    pub(super) fn new(message: impl Into<String>) -> Bad {
        Bad(message.into())
    }
}

type Read<T> = Result<T, Bad>;

/// Returns a field that is a string.
pub(super) fn text(value: &Value, key: &str) -> Read<String> {
    let found = value.get(key).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| Bad::new(format!("`{key}` should be a string here")))
}

/// Returns a field that is a string or several of them.
pub(super) fn listed(value: &Value, key: &str) -> Vec<String> {
    match value.get(key) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => {
            all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the one key of an object and its value.
fn single(value: &Value) -> Read<(&str, &Value)> {
    let object: Option<&Map<String, Value>> = value.as_object();
    match object.map(|object| (object.len(), object.iter().next())) {
        Some((1, Some((key, value)))) => Ok((key, value)),
        _ => Err(Bad::new("an object with one key should stand here")),
    }
}

fn part<'a>(value: &'a Value, key: &str) -> Read<&'a Value> {
    value.get(key).ok_or_else(|| Bad::new(format!("`{key}` is missing here")))
}

/// Writes a scalar as text has it.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("exists".to_owned()),
        Value::Bool(false) => Some("missing".to_owned()),
        _ => None,
    }
}

/// Reads the elements of a set or a map.
pub(super) fn elements(value: &Value, location: Option<Location>) -> Read<Vec<Element>> {
    let all = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    all.iter().map(|one| element(one, location)).collect()
}

fn element(value: &Value, location: Option<Location>) -> Read<Element> {
    if let Value::Array(pair) = value
        && let [key, data] = pair.as_slice()
    {
        let element = element(key, location)?;
        let data = match verdict(data)? {
            Some(verdict) => Data::Verdict(verdict),
            None => Data::Expr(expr(data)?),
        };
        return Ok(Element { data: Some(data), ..element });
    }
    if let Some(inner) = value.get("elem") {
        let varies = inner.as_object().is_some_and(|inner| {
            inner.keys().any(|key| !["val", "comment", "counter"].contains(&key.as_str()))
        });
        return Ok(Element { key: expr(part(inner, "val")?)?, data: None, varies, location });
    }
    Ok(Element { key: expr(value)?, data: None, varies: false, location })
}

/// Reads a verdict; none if it is something else.
fn verdict(value: &Value) -> Read<Option<Verdict>> {
    let Ok((key, inner)) = single(value) else { return Ok(None) };
    Ok(Some(match key {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "continue" => Verdict::Continue,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(text(inner, "target")?),
        "goto" => Verdict::Goto(text(inner, "target")?),
        _ => return Ok(None),
    }))
}

/// Reads an expression. The parser of JSON bounds how deep it nests.
pub(super) fn expr(value: &Value) -> Read<Expr> {
    match value {
        Value::String(text) if text == "*" => return Ok(Expr::All),
        Value::String(text) if text.len() > 1 && text.starts_with('@') => {
            return Ok(Expr::Named(text[1..].to_owned()));
        }
        Value::Array(parts) => {
            return parts.iter().map(expr).collect::<Read<_>>().map(Expr::List);
        }
        _ => {}
    }
    if let Some(word) = scalar(value) {
        return Ok(Expr::Word(word));
    }
    let (key, inner) = single(value)?;
    let field = |words: String| Ok(Expr::Field(words));
    let optional = |name: &str| match inner.get(name).and_then(scalar) {
        Some(word) => format!(" {word}"),
        None => String::new(),
    };
    match key {
        "prefix" => {
            let length = part(inner, "len")?.as_u64().and_then(|length| u32::try_from(length).ok());
            let length = length.ok_or_else(|| Bad::new("the length of a prefix is a number"))?;
            Ok(Expr::Prefix(Box::new(expr(part(inner, "addr")?)?), length))
        }
        "range" => match inner.as_array().map(Vec::as_slice) {
            Some([first, last]) => Ok(Expr::Range(Box::new(expr(first)?), Box::new(expr(last)?))),
            _ => Err(Bad::new("a range has two ends")),
        },
        "set" => {
            // Elements of a set without a name have the place of their rule.
            elements(inner, None).map(Expr::Set)
        }
        "concat" => match inner.as_array() {
            Some(parts) => parts.iter().map(expr).collect::<Read<_>>().map(Expr::Concat),
            None => Err(Bad::new("a concatenation is a list")),
        },
        "elem" => expr(part(inner, "val")?),
        "map" => Ok(Expr::Map(
            Box::new(expr(part(inner, "key")?)?),
            Box::new(expr(part(inner, "data")?)?),
        )),
        "payload" if inner.get("base").is_some() => field(format!(
            "@{},{},{}",
            text(inner, "base")?,
            part(inner, "offset")?,
            part(inner, "len")?
        )),
        "payload" => field(format!("{} {}", text(inner, "protocol")?, text(inner, "field")?)),
        "meta" | "socket" | "osf" => match inner.as_str() {
            Some(key_of) => field(format!("{key} {key_of}")),
            None => field(format!("{key} {}", text(inner, "key")?)),
        },
        "ct" => field(format!("ct{} {}", optional("dir"), text(inner, "key")?)),
        "rt" => field(format!("rt{} {}", optional("family"), text(inner, "key")?)),
        "fib" => {
            field(format!("fib {} {}", listed(inner, "flags").join(" . "), text(inner, "result")?))
        }
        "exthdr" => match inner.get("field").and_then(Value::as_str) {
            Some(of) => field(format!("{} {of}", text(inner, "name")?)),
            None => field(format!("exthdr {}", text(inner, "name")?)),
        },
        "tcp option" | "ip option" | "sctp chunk" => {
            field(format!("{key} {}{}", text(inner, "name").unwrap_or_default(), optional("field")))
        }
        "numgen" => field(format!(
            "numgen {} mod {}{}",
            text(inner, "mode")?,
            part(inner, "mod")?,
            inner
                .get("offset")
                .and_then(Value::as_u64)
                .filter(|offset| *offset > 0)
                .map_or(String::new(), |offset| format!(" offset {offset}"))
        )),
        "symhash" => field(format!("symhash mod {}", part(inner, "mod")?)),
        "jhash" => {
            field(format!("jhash {} mod {}", expr(part(inner, "expr")?)?, part(inner, "mod")?))
        }
        "ipsec" => field(format!("ipsec {} {}", text(inner, "dir")?, text(inner, "key")?)),
        "|" | "^" | "&" | "<<" | ">>" => {
            let sign = ["|", "^", "&", "<<", ">>"].into_iter().find(|sign| *sign == key);
            let sign = sign.unwrap_or("|");
            let Some([first, rest @ ..]) = inner.as_array().map(Vec::as_slice) else {
                return Err(Bad::new("an operator has a list of operands"));
            };
            rest.iter().try_fold(expr(first)?, |left, right| {
                Ok(Expr::Binary(sign, Box::new(left), Box::new(expr(right)?)))
            })
        }
        _ => Err(Bad::new(format!("`{key}` is no expression that is known"))),
    }
}

/// Reads one statement.
pub(super) fn statement(value: &Value) -> Read<Statement> {
    if let Some(verdict) = verdict(value)? {
        return Ok(Statement::Verdict(verdict));
    }
    let (key, inner) = single(value)?;
    Ok(match key {
        "match" => Statement::Match {
            left: expr(part(inner, "left")?)?,
            op: match text(inner, "op")?.as_str() {
                "in" => Op::Implicit,
                "==" => Op::Equal,
                "!=" => Op::Unequal,
                "<" => Op::Less,
                "<=" => Op::LessOrEqual,
                ">" => Op::Greater,
                ">=" => Op::GreaterOrEqual,
                "!" => Op::NoneOf,
                other => return Err(Bad::new(format!("`{other}` compares nothing"))),
            },
            right: expr(part(inner, "right")?)?,
        },
        "vmap" => Statement::VerdictMap {
            key: expr(part(inner, "key")?)?,
            data: expr(part(inner, "data")?)?,
        },
        "counter" => Statement::Counter,
        "log" => Statement::Log,
        "last" | "notrack" => Statement::Idle(key.to_owned()),
        "limit" if inner.get("rate").is_some() => Statement::Limit(limit(inner)?),
        "limit" => Statement::LimitNamed(expr(inner)?),
        "quota" => match inner.get("val") {
            Some(amount) => {
                let unit = inner.get("val_unit").and_then(Value::as_str).unwrap_or("bytes");
                let unit = data_unit(unit).ok_or_else(|| Bad::new("no unit of data"))?;
                let over = inner.get("inv").and_then(Value::as_bool).unwrap_or(false);
                let amount = amount.as_u64().unwrap_or(u64::MAX).saturating_mul(unit);
                let over = if over { "over " } else { "" };
                Statement::Unrecorded(format!("quota {over}{amount} bytes"))
            }
            None => Statement::Unrecorded(format!("quota name {}", expr(inner)?)),
        },
        "reject" => {
            let with = inner.get("type").and_then(Value::as_str).unwrap_or_default();
            let of = inner.get("expr").and_then(scalar).map(|of| format!(" {of}"));
            Statement::Reject(format!("{with}{}", of.unwrap_or_default()))
        }
        "snat" | "dnat" | "masquerade" | "redirect" => {
            let shown = |name: &str| inner.get(name).map(expr).transpose();
            let address = shown("addr")?.map_or(String::new(), |to| to.to_string());
            let port = shown("port")?.map_or(String::new(), |port| format!(":{port}"));
            let mut flags = listed(inner, "flags");
            flags.sort_unstable();
            let text = format!("{address}{port} {}", flags.join(","));
            Statement::Translate { kind: key.to_owned(), text: text.trim().to_owned() }
        }
        "queue" => {
            let mut flags = listed(inner, "flags");
            flags.sort_unstable();
            let to = inner.get("num").map(expr).transpose()?;
            let to = to.map_or(String::new(), |to| to.to_string());
            Statement::Queue(format!("{} {to}", flags.join(",")))
        }
        "dup" | "fwd" => {
            let to = inner.get("dev").or_else(|| inner.get("addr")).unwrap_or(inner);
            Statement::Forward { to: expr(to)?.to_string(), copy: key == "dup" }
        }
        "flow" => Statement::Offload(text(inner, "flowtable")?.trim_start_matches('@').to_owned()),
        "set" | "map" => dynamic(inner)?,
        "meter" => Statement::Dynamic(Dynamic {
            op: "meter".to_owned(),
            set: text(inner, "name")?,
            size: inner.get("size").and_then(Value::as_u64),
            timeout_s: timeout(part(inner, "key")?),
            key: expr(part(inner, "key")?)?,
            statements: statements(inner.get("stmt"))?,
        }),
        "tproxy" => Statement::Transparent(inner.to_string()),
        "synproxy" if inner.get("mss").is_some() || inner.get("wscale").is_some() => {
            let number = |key: &str| inner.get(key).map(|number| format!("{key} {number} "));
            let all = [number("mss"), number("wscale")].into_iter().flatten();
            let text = all.chain([listed(inner, "flags").join(" ")]).collect::<String>();
            Statement::Synproxy(text.trim_end().to_owned())
        }
        "synproxy" if inner.is_null() => Statement::Synproxy(String::new()),
        "synproxy" => Statement::Synproxy(format!("name {}", expr(inner)?)),
        "ct count" => {
            let over = inner.get("inv").and_then(Value::as_bool).unwrap_or(false);
            let over = if over { "over " } else { "" };
            Statement::Unrecorded(format!("ct count {over}{}", part(inner, "val")?))
        }
        "ct helper" | "ct timeout" | "ct expectation" => {
            Statement::Idle(format!("{key} set {}", expr(inner)?))
        }
        "mangle" => Statement::Set {
            field: expr(part(inner, "key")?)?,
            value: expr(part(inner, "value")?)?,
        },
        _ => Statement::Unknown(format!("{key} {inner}")),
    })
}

fn statements(value: Option<&Value>) -> Read<Vec<Statement>> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(all)) => all.iter().map(statement).collect(),
        Some(one) => statement(one).map(|one| vec![one]),
    }
}

fn dynamic(value: &Value) -> Read<Statement> {
    let key = part(value, "elem")?;
    Ok(Statement::Dynamic(Dynamic {
        op: text(value, "op")?,
        set: text(value, "set").or_else(|_| text(value, "map"))?.trim_start_matches('@').to_owned(),
        timeout_s: timeout(key),
        size: value.get("size").and_then(Value::as_u64),
        key: expr(key)?,
        statements: statements(value.get("stmt"))?,
    }))
}

fn timeout(key: &Value) -> Option<u64> {
    key.get("elem")?.get("timeout")?.as_u64()
}

/// Reads a limit, as a statement or as an object with a name.
pub(super) fn limit(value: &Value) -> Read<Limit> {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let unit = |key: &str| value.get(key).and_then(Value::as_str);
    let scale = |key: &str| match unit(key) {
        None | Some("packets") => Ok(None),
        Some(word) => data_unit(word)
            .map(Some)
            .ok_or_else(|| Bad::new(format!("`{word}` is no unit of data"))),
    };
    let per = unit("per").unwrap_or("second");
    let unit_s = TIME_UNITS.iter().find(|(name, _)| *name == per).map(|(_, unit)| *unit);
    let rate_unit = scale("rate_unit")?;
    let rate = number("rate").ok_or_else(|| Bad::new("a limit has a rate"))?;
    let burst_unit = scale("burst_unit")?.unwrap_or(1);
    Ok(Limit {
        rate: rate.saturating_mul(rate_unit.unwrap_or(1)),
        bytes: rate_unit.is_some(),
        unit_s: unit_s.ok_or_else(|| Bad::new(format!("`{per}` is no unit of time")))?,
        burst: number("burst").map(|burst| burst.saturating_mul(burst_unit)),
        over: value.get("inv").and_then(Value::as_bool).unwrap_or(false),
    })
}
