//! What the node advises names macros. At a shell they are commands.

/// Advice of the node, and the same for somebody at a shell.
const AT_A_SHELL: [(&str, &str); 7] = [
    (r"\users lists", "darknode users lists"),
    (r"\status lists", "darknode status lists"),
    (r"\cancel MESSAGE withdraws", "darknode cancel MESSAGE withdraws"),
    (r"\cancel some of it", "darknode cancel some of it"),
    (r"\history USER shows", "darknode history USER shows"),
    (r"\history shows one", "darknode history USER shows one"),
    (r"\search goes on with older ones", "a larger -n finds older ones"),
];

/// The text of an event. Only its own lines are advice: what users wrote is indented, or stands behind another mark.
pub fn shown(text: &str) -> String {
    text.split_inclusive('\n').map(|line| if line.starts_with("* ") { at_a_shell(line) } else { line.into() }).collect()
}

/// A sentence of the node.
pub fn at_a_shell(sentence: &str) -> String {
    let sentence = AT_A_SHELL.iter().fold(sentence.to_owned(), |text, (advice, here)| text.replace(advice, here));
    // The user may have any name.
    let page = sentence.split_once(r": \history ").and_then(|(what, page)| Some((what, page.rsplit_once(" before ")?)));
    match page {
        Some((what, (user, message))) => format!("{what}: darknode history {user} --before {message}"),
        None => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_as_commands_and_what_users_wrote_stays_as_it_is() {
        let text = "* messages with bob\n    14:02  < bob: \\users lists: \\history a before b\n\
                    * there are older ones: \\history \"bob before me\" before ngkd2v\n";
        let at_a_shell = "* messages with bob\n    14:02  < bob: \\users lists: \\history a before b\n\
                          * there are older ones: darknode history \"bob before me\" --before ngkd2v\n";
        assert_eq!(shown(text), at_a_shell);
        assert_eq!(shown("< bob: \\users lists\n"), "< bob: \\users lists\n");
    }
}
