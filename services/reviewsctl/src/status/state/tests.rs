//! Which state it is, and that the operations page has each.

use super::*;
use std::collections::BTreeSet;
use std::path::Path;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Nothing happens, and everything lives.
fn idle() -> Seen {
    Seen {
        primary: true,
        meta: true,
        broker: true,
        projection_version: Some(PROJECTION_VERSION),
        origin: Some(Origin::SameLog),
        canary_in_primary: Some((Beat(100), s(1))),
        canary_in_meta: Some(Beat(99)),
        ..Seen::default()
    }
}

#[test]
fn each_sign_has_its_state() {
    let cases = [
        (State::Idle, idle()),
        (State::Well, Seen { commands: 3, ..idle() }),
        (State::Well, Seen { behind: (2, Some(s(1))), ..idle() }),
        (State::Behind, Seen { behind: (2, Some(s(3))), ..idle() }),
        // A long backlog: the canary waits behind it, and meta moves.
        (
            State::Behind,
            Seen { behind: (9, Some(s(90))), canary_in_meta: Some(Beat(10)), moves: true, ..idle() },
        ),
        (State::ProjectorDead, Seen { canary_in_meta: Some(Beat(94)), ..idle() }),
        (State::ProjectorDead, Seen { canary_in_meta: Some(Beat(94)), behind: (9, Some(s(90))), ..idle() }),
        (State::Idle, Seen { canary_in_meta: Some(Beat(95)), ..idle() }),
        // A restored primary counts on from an earlier beat.
        (State::Idle, Seen { canary_in_meta: Some(Beat(5000)), ..idle() }),
        (State::RelayDead, Seen { canary_in_primary: Some((Beat(100), s(6))), ..idle() }),
        (State::LongSnapshot, Seen { snapshot: Some(s(11)), ..idle() }),
        (State::Idle, Seen { snapshot: Some(s(9)), ..idle() }),
        (State::DeadLetters, Seen { dead_letters: 1, ..idle() }),
        (State::Parked, Seen { parked: 1, ..idle() }),
        (State::OldProjectionVersion, Seen { projection_version: Some(PROJECTION_VERSION - 1), ..idle() }),
        (State::Idle, Seen { projection_version: Some(PROJECTION_VERSION + 1), ..idle() }),
        (State::DamagedGeneration, Seen { origin: Some(Origin::DamagedGeneration(String::new())), ..idle() }),
        (State::InvalidGeneration, Seen { invalid: 1, ..idle() }),
        // It stands still, for a reason that is known.
        (
            State::OtherLog,
            Seen { origin: Some(Origin::OtherLog(String::new())), canary_in_meta: Some(Beat(94)), ..idle() },
        ),
        (State::LogBroken, Seen { origin: Some(Origin::LogBroken(String::new())), ..idle() }),
        (State::OtherLog, Seen { origin: Some(Origin::OtherLog(String::new())), ..idle() }),
        (State::NoGeneration, Seen { projection_version: None, origin: None, ..idle() }),
        (State::BrokerAway, Seen { broker: false, ..idle() }),
        (
            State::MetaAway,
            Seen { broker: true, primary: true, canary_in_primary: Some((Beat(7), s(0))), ..Seen::default() },
        ),
        (
            State::PrimaryAway,
            Seen {
                meta: true,
                broker: true,
                projection_version: Some(PROJECTION_VERSION),
                ..Seen::default()
            },
        ),
        (State::PrimaryAway, Seen::default()),
    ];
    let mut met = BTreeSet::new();
    for (state, seen) in cases {
        assert_eq!(seen.state(), state, "{seen:?}");
        met.insert(state.id());
    }
    let all: BTreeSet<&str> = State::ALL.into_iter().map(State::id).collect();
    assert_eq!((met, all.len()), (all.clone(), State::ALL.len()));
}

#[test]
fn every_alarm_is_told_and_the_worst_is_the_state() {
    let seen = Seen { parked: 2, dead_letters: 1, behind: (5, Some(s(60))), broker: false, ..idle() };
    assert_eq!(seen.alarms(), [State::BrokerAway, State::Parked, State::DeadLetters]);
    assert_eq!(seen.state(), State::BrokerAway);
    assert_eq!(Seen { behind: (5, Some(s(60))), ..idle() }.alarms(), []);
    let stands =
        Seen { origin: Some(Origin::OtherLog(String::new())), canary_in_meta: Some(Beat(9)), ..idle() };
    assert_eq!(stands.alarms(), [State::OtherLog]);
    assert_eq!(Seen::default().alarms(), [State::PrimaryAway, State::MetaAway, State::BrokerAway]);
}

#[test]
fn json_calls_it_as_the_text_does() {
    for state in State::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.id());
    }
}

/// The table of the operations page: state, meaning, command.
#[test]
fn the_operations_page_has_every_state_with_its_meaning_and_its_command() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page
        .lines()
        .skip_while(|line| *line != "### States that status reports")
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> =
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.len(), State::ALL.len());
    for (state, row) in State::ALL.into_iter().zip(rows) {
        assert_eq!(row[0], format!("`{}`", state.id()));
        assert_eq!(row[1], state.meaning());
        let command = state.command().map_or_else(|| "nothing".to_owned(), |command| format!("`{command}`"));
        assert!(row[2] == command || row[2].starts_with(&format!("{command};")), "{row:?} has not {command}");
    }
}
