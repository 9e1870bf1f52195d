//! `darknode sim`: its output for people and for scripts.

use std::process::{Command, Output};

use serde_json::Value;

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_darknode")).arg("sim").args(args).output().expect("the program starts")
}

fn refused(args: &[&str], says: &str) {
    let output = sim(args);
    let error = String::from_utf8(output.stderr).expect("errors are text");
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{args:?}: {error}");
    assert!(error.contains(says) && output.stdout.is_empty(), "{args:?}: {error:?} does not say {says:?}");
}

#[test]
fn an_invalid_simulation_is_refused_with_one_line_that_lists_the_choices() {
    refused(&[], "SCENARIO");
    refused(&["doom"], "figure3, restart, partition, crash, coldstart, explode, churn, mules");
    refused(&["crash", "--topology", "donut"], "random, clustered, islands");
    refused(&["partition", "--parts", "quarters"], "halves, thirds, flapping");
    refused(&["crash", "--nodes", "0"], "--nodes");
    refused(&["crash", "--nodes", "many"], "--nodes");
    refused(&["crash", "--crash", "101"], "--crash");
    refused(&["crash", "--loss", "100"], "--loss");
    refused(&["crash", "--twice", "100"], "--twice");
    refused(&["churn", "--span", "soon"], "--span");
    refused(&["partition", "--span", "1000years"], "400days");
    refused(&["figure3", "--nodes", "5"], "--nodes 10");
    refused(&["figure3", "--topology", "star"], "--topology");
}

#[test]
fn the_same_seed_prints_the_same_object_except_for_the_speed() {
    let run = || {
        let output = sim(&["crash", "--nodes", "20", "--seed", "7", "--json"]);
        assert!(output.stderr.is_empty(), "progress is for terminals");
        let mut object: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        let speed = object["figures"].as_object_mut().and_then(|figures| figures.remove("events_per_s"));
        assert!(speed.is_some_and(|speed| speed.is_number()));
        object
    };
    let first = run();
    assert_eq!(first, run());
    assert_eq!((&first["scenario"], &first["nodes"], &first["seed"]), (&"crash".into(), &20.into(), &7.into()));
    assert!(first["figures"]["crash_largest_piece"].is_number());
    assert_eq!(first["trace"].as_str().map(str::len), Some(52));
}

#[test]
fn the_default_output_is_a_table_that_ends_with_the_trace() {
    let output = sim(&["crash", "--nodes", "20"]);
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert!(text.starts_with("crash: 20 nodes, random links, closed network, seed 1\n"), "{text}");
    assert!(text.contains("of the survivors in the largest component, right after"), "{text}");
    assert!(text.lines().last().is_some_and(|last| last.starts_with("trace ")), "{text}");
}
