//! The command line itself: help texts, usage errors.

mod bound;
mod status;

use clap::{CommandFactory, Parser};

use super::arguments::Arguments;

#[test]
fn the_definition_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn help_texts_are_as_reviewed() {
    let mut command = Arguments::command().term_width(110);
    insta::assert_snapshot!("help_short", command.render_help());
    insta::assert_snapshot!("help_long", command.render_long_help());
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        command.build();
        let text = command.find_subcommand_mut(&name).unwrap().clone().term_width(110).render_long_help();
        assert!(
            text.to_string().contains("Examples:")
                && text.to_string().contains("Exit codes:")
                && text.to_string().contains("Next:"),
            "{name}"
        );
        insta::assert_snapshot!(format!("help_{name}"), text);
    }
}

#[test]
fn wrong_command_lines_are_refused() {
    for wrong in [
        &["strangler"][..],
        &["strangler", "runn"],
        &["strangler", "run", "--rebuild", "--adopt"],
        &["strangler", "check", "-q", "-v"],
        &["strangler", "status", "--format", "xml"],
        &["strangler", "reset", "--yes"],
    ] {
        assert!(Arguments::try_parse_from(wrong).is_err(), "{wrong:?}");
    }
    let right =
        Arguments::try_parse_from(["strangler", "check", "-c", "x.yaml", "--mapping", "a", "--mapping", "b", "-vv"]).unwrap();
    assert_eq!(right.common.mapping, ["a", "b"]);
    assert_eq!(right.common.verbose, 2);
}
