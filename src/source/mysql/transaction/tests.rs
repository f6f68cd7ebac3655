//! The assembler alone: positions, unknown events, events that stop.

use super::*;
use crate::schema::{Flavor, SessionSettings};

fn assembler(offset: u64) -> Assembler {
    let session = SessionSettings {
        sql_mode: String::new(),
        time_zone: "+00:00".into(),
        div_precision_increment: 4,
        group_concat_max_len: 1024,
        collation_connection: String::new(),
        lower_case_table_names: 0,
    };
    let catalog = SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::MySql,
        version: (9, 7, 4),
        default_schema: "d".into(),
        tables: vec![],
        collations: BTreeMap::new(),
        session,
    };
    let zone = SessionZone::parse("+00:00").unwrap();
    let settings = AssemblerSettings { zone, layouts: Vec::new().into(), transaction_bytes_max: 1000, spill: None };
    let position = BinlogPosition {
        server: "s".into(),
        file: "binlog.000007".into(),
        offset,
        gtid: String::new(),
        prepared_from: None,
        altered: Vec::new(),
    };
    Assembler::new(settings, &catalog, &position).unwrap()
}

fn event(kind: u8, log_pos: u32, body: &[u8]) -> RawEvent<'_> {
    RawEvent { timestamp: 1, kind, flags: 0, log_pos, size: 19 + u32::try_from(body.len()).unwrap(), body }
}

fn feed(assembler: &mut Assembler, event: &RawEvent<'_>) -> Result<()> {
    assembler.feed(event, &mut VecDeque::new())
}

#[test]
fn f34_offsets_beyond_four_gigabytes() {
    let mut assembler = assembler(0xffff_ff00);
    feed(&mut assembler, &event(kind::ROWS_QUERY, 0xffff_fff0, &[])).unwrap();
    feed(&mut assembler, &event(kind::ROWS_QUERY, 0x10, &[])).unwrap();
    assert_eq!(assembler.place().offset, 0x1_0000_0010);
    feed(&mut assembler, &event(kind::ROWS_QUERY, 0x20, &[])).unwrap();
    assert_eq!(assembler.place().offset, 0x1_0000_0020);
    assert!(feed(&mut assembler, &event(kind::ROWS_QUERY, 0x10, &[])).is_err(), "positions never go back");
}

#[test]
fn f21_unknown_events_stop_with_type_and_position() {
    let mut assembler = assembler(4);
    let error = feed(&mut assembler, &event(0x7f, 100, &[])).unwrap_err();
    assert_eq!(error.message(), "stopped at binlog event type 0x7f that ends at binlog.000007:100");
    assert_eq!(error.class(), Class::Person);
    let ignorable = RawEvent { flags: FLAG_IGNORABLE, ..event(0x7f, 200, &[]) };
    feed(&mut assembler, &ignorable).unwrap();
}

#[test]
fn events_that_stop() {
    let stops = [kind::INCIDENT, kind::PARTIAL_UPDATE_ROWS, kind::BEGIN_LOAD_QUERY, kind::EXECUTE_LOAD_QUERY];
    for stop in stops {
        let error = feed(&mut assembler(4), &event(stop, 100, &[])).unwrap_err();
        assert!(error.hint().is_some(), "0x{stop:02x} must say what to do");
    }
}

#[test]
fn f44_a_fake_rotate_moves_nothing_and_a_real_one_moves_the_position() {
    let mut assembler = assembler(4);
    let body = [&4_u64.to_le_bytes()[..], b"binlog.000007"].concat();
    feed(&mut assembler, &RawEvent { flags: FLAG_ARTIFICIAL, ..event(kind::ROTATE, 0, &body) }).unwrap();
    assert!(!assembler.has_advanced());
    let body = [&4_u64.to_le_bytes()[..], b"binlog.000008"].concat();
    feed(&mut assembler, &event(kind::ROTATE, 300, &body)).unwrap();
    assert!(assembler.has_advanced());
    assert_eq!((assembler.place().file.as_str(), assembler.place().offset), ("binlog.000008", 4));
}

#[test]
fn rows_outside_a_transaction_stop() {
    assert!(feed(&mut assembler(4), &event(kind::WRITE_ROWS_V1, 100, &[9, 0, 0, 0, 0, 0, 0, 0, 1, 1])).is_err());
}

/// The set of a start position lacks what was being committed just then; a later proof against what the server purged needs it.
#[test]
fn f02_ids_in_flight_at_the_start_come_with_the_next_file() {
    let mut assembler = assembler(4);
    assembler.gtids = GtidSet::parse("00000000-0000-0000-0000-000000000001:1-4").unwrap();
    let mut uuid = [0_u8; 16];
    uuid[15] = 1;
    let numbers = [1_u64, 1, 7].map(u64::to_le_bytes).concat();
    let body = [&1_u64.to_le_bytes()[..], &uuid, &numbers].concat();
    feed(&mut assembler, &event(kind::PREVIOUS_GTIDS, 100, &body)).unwrap();
    assert_eq!(assembler.gtids.to_string(), "00000000-0000-0000-0000-000000000001:1-6");
}
