//! Completes what is typed: macros, and names after those that take a user.

use super::macros::MACROS;

/// Where the completed word begins, and its completions.
pub fn completions<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> (usize, Vec<String>) {
    let Some(name) = typed.strip_prefix('\\') else {
        return (0, Vec::new());
    };
    let Some((name, user)) = name.split_once(' ') else {
        let fits = MACROS.iter().filter(|m| m.name.starts_with(name));
        return (0, fits.map(|m| format!("\\{}{}", m.name, if m.usage.contains(' ') { " " } else { "" })).collect());
    };
    let takes_user = MACROS.iter().any(|m| m.name == name && m.usage.contains("USER"));
    let fits = names.filter(|known| takes_user && known.starts_with(user));
    (typed.len() - user.len(), fits.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(typed: &str) -> (usize, Vec<String>) {
        completions(typed, ["bob", "bob#k7q2mz", "carol"].into_iter())
    }

    #[test]
    fn macros_are_completed_with_the_space_they_need() {
        assert_eq!(complete(r"\his"), (0, vec![r"\history ".into()]));
        assert_eq!(complete(r"\us"), (0, vec![r"\users".into()]));
    }

    #[test]
    fn names_are_completed_only_after_macros_that_take_a_user() {
        assert_eq!(complete(r"\chat b"), (6, vec!["bob".into(), "bob#k7q2mz".into()]));
        assert_eq!(complete(r"\ping b").1, Vec::<String>::new());
        assert_eq!(complete("b").1, Vec::<String>::new());
    }
}
