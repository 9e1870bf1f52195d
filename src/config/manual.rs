//! The manual page and the completions of shells, from the same definitions as `--help`.

use std::io;

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// How the program is called.
const SYNOPSIS: &[&str] = &["-u NAME [OPTIONS]", "--server [OPTIONS]", "[-u NAME | --data-dir DIR] COMMAND [OPTIONS]"];

const DESCRIPTION: &[&str] = &[
    "Two people who start darknode on the same network find each other and exchange end-to-end encrypted messages. Every line \
     is stored on disk until the other side has stored it. On a terminal darknode has an interface for people. On a pipe it \
     reads lines and prints sentences, or JSON objects with --json, one per line.",
    "A line that begins with a backslash is a macro. Everything else goes to the current conversation. \\help lists the \
     macros.",
];

const ENVIRONMENT: &[&str] =
    &["Every option of a node can also be set by an environment variable, for example --port by DARKNODE_PORT. What \
     was typed comes first."];

const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "After \\quit, the end of the input, SIGINT or SIGTERM. A command: it was done."),
    ("1", "A failure while running. A command: the node refused, or the doctor found something wrong."),
    ("2", "A configuration that cannot work; one line on standard error says what to do."),
    ("3", "A command that speaks to the running node: what was waited for did not happen in time."),
    ("4", "A command that speaks to the running node: no node is running."),
];

const FILES: &[(&str, &str)] = &[
    ("~/.local/share/darknode/NAME", "Keys, history and known users of the node with that name; not encrypted."),
    (
        "/etc/darknode/darknode.env",
        "Options of the node that systemd runs, one DARKNODE_OPTION=VALUE per line. Optional.",
    ),
    (
        "/var/lib/darknode",
        "Data of that node. It is kept when the package is removed, because the keys in it are the node's identity.",
    ),
];

/// The completions of a shell.
pub fn completions(shell: Shell, mut definitions: Command) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definitions, "darknode", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// One manual page for the program and all commands.
///
/// # Errors
/// It cannot be written.
pub fn page(mut definitions: Command) -> io::Result<String> {
    definitions.build();
    let man = Man::new(definitions.clone());
    // Without a date, so that a build can be repeated.
    let mut text =
        format!(".TH DARKNODE 1 \"\" \"darknode {}\" \"User Commands\"\n", env!("CARGO_PKG_VERSION")).into_bytes();
    man.render_name_section(&mut text)?;
    before_options().to_writer(&mut text)?;
    man.render_options_section(&mut text)?;
    let mut rest = Roff::new();
    rest.control("SH", ["COMMANDS"]);
    definitions.get_subcommands().for_each(|command| describe(&mut rest, "darknode", command));
    paragraphs(&mut rest, "ENVIRONMENT", ENVIRONMENT);
    terms(&mut rest, "EXIT STATUS", EXIT_STATUS);
    terms(&mut rest, "FILES", FILES);
    rest.to_writer(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn before_options() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for form in SYNOPSIS {
        roff.text([bold("darknode"), roman(format!(" {form}"))]);
        roff.control("br", []);
    }
    paragraphs(&mut roff, "DESCRIPTION", DESCRIPTION);
    roff
}

fn paragraphs(roff: &mut Roff, heading: &str, texts: &[&str]) {
    roff.control("SH", [heading]);
    for (number, text) in texts.iter().enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*text)]);
    }
}

fn terms(roff: &mut Roff, heading: &str, terms: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    terms.iter().for_each(|(name, text)| term(roff, bold(*name), text));
}

fn term(roff: &mut Roff, name: Inline, text: &str) {
    roff.control("TP", []);
    roff.text([name]);
    roff.text([roman(text)]);
}

/// A command with its arguments and examples, or the commands below it.
fn describe(roff: &mut Roff, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    if command.has_subcommands() {
        return command.get_subcommands().for_each(|inner| describe(roff, &name, inner));
    }
    // What all commands have is listed once, and so are the options of a node.
    let is_own = |arg: &&Arg| !arg.is_hide_set() && arg.get_env().is_none() && arg.get_id() != "help";
    let own: Vec<&Arg> = command.get_arguments().filter(is_own).collect();
    roff.control("SS", [usage(&name, &own).as_str()]);
    roff.text([roman(text_of(command.get_about()))]);
    for arg in own {
        let name = if arg.is_positional() { italic(value_of(arg)) } else { bold(arg.to_string()) };
        term(roff, name, &meaning(arg));
    }
    if let Some(examples) = command.get_after_help() {
        roff.control("PP", []);
        roff.control("nf", []);
        for line in examples.to_string().lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
}

/// `darknode send USER TEXT [OPTIONS]`.
fn usage(name: &str, arguments: &[&Arg]) -> String {
    let positional = arguments.iter().filter(|arg| arg.is_positional()).map(|arg| match arg.is_required_set() {
        true => format!(" {}", value_of(arg)),
        false => format!(" [{}]", value_of(arg)),
    });
    let options = if arguments.iter().any(|arg| !arg.is_positional()) { " [OPTIONS]" } else { "" };
    positional.fold(name.to_owned(), |usage, argument| usage + &argument) + options
}

/// What an argument means, and what it may be.
fn meaning(arg: &Arg) -> String {
    let takes_values = arg.get_num_args().is_some_and(|count| count.takes_values());
    let listed = |values: Vec<String>, what: &str| {
        if values.is_empty() || !takes_values { String::new() } else { format!(" [{what}: {}]", values.join(", ")) }
    };
    let possible = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let default = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    text_of(arg.get_help()) + &listed(possible, "possible values") + &listed(default, "default")
}

fn value_of(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|names| names.join(" "));
    names.unwrap_or_else(|| arg.get_id().as_str().to_uppercase())
}

fn text_of(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}
