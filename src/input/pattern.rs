//! Patterns of file names, as a shell has them: `*`, `?`, `[abc]`, `[a-z]`, `[!a]`.

/// Returns whether a text has wildcards.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Returns whether a file name is one that a pattern stands for. Names that begin with a dot are
/// only meant where the pattern begins with one.
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // Where the last `*` stands, and up to where it has taken the name so far.
    let mut star: Option<(usize, usize)> = None;
    let (mut at, mut of) = (0, 0);
    while of < name.len() {
        match one(&pattern[at..], name[of]) {
            _ if pattern.get(at) == Some(&'*') => {
                star = Some((at, of));
                at += 1;
                continue;
            }
            Some(length) => (at, of) = (at + length, of + 1),
            None => match &mut star {
                Some((stars, taken)) => {
                    *taken += 1;
                    (at, of) = (*stars + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|left| *left == '*')
}

/// Returns how much of a pattern stands for one letter, if it can be this one.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => {
            let negated = matches!(pattern.get(1), Some('!' | '^'));
            let start = if negated { 2 } else { 1 };
            // A bracket right behind the opening one is a letter.
            let end = pattern.iter().skip(start + 1).position(|one| *one == ']');
            let Some(end) = end.map(|end| start + 1 + end) else {
                return (letter == '[').then_some(1);
            };
            let class = &pattern[start..end];
            let mut found = false;
            let mut at = 0;
            while at < class.len() {
                if class.get(at + 1) == Some(&'-') && at + 2 < class.len() {
                    found |= class[at] <= letter && letter <= class[at + 2];
                    at += 3;
                } else {
                    found |= class[at] == letter;
                    at += 1;
                }
            }
            (found != negated).then_some(end + 1)
        }
        '\\' if pattern.len() > 1 => (pattern[1] == letter).then_some(2),
        own => (*own == letter).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.nft", "a.nft", true),
            ("*.nft", ".a.nft", false),
            ("*.nft", "a.nft~", false),
            ("*", "", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "acb", false),
            ("?.nft", "é.nft", true),
            ("[0-9][0-9]-*", "10-web", true),
            ("[0-9][0-9]-*", "1a-web", false),
            ("[!a]", "b", true),
            ("[!a]", "a", false),
            ("[]]", "]", true),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
