//! nftables: ruleset text, as in `nft list ruleset` or files for `nft -f`, and the JSON of
//! `nft -j list ruleset`.
//!
//! Both are read into one ruleset, as the kernel holds it after all commands; its base chains that
//! packets pass are then laid out with all that they jump to. The `nft` of reference is 1.0.6, the
//! kernel Linux 6.18; nft(8) and libnftables-json(5) are the manuals.
//!
//! | file | is for |
//! |---|---|
//! | `lexer`, `cursor`, `expressions`, `statements`, `text` | ruleset text |
//! | `json` | JSON |
//! | `tree`, `ruleset` | what both say |

mod cursor;
mod expressions;
mod json;
mod json_parts;
mod lexer;
mod ruleset;
mod statements;
mod text;
mod tree;
