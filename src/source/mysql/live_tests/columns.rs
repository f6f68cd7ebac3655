//! ALTER TABLE beside the mapping: columns that appear, go away and move, with and without names in the log, read in one go and again from
//! every place.

use super::*;

/// A table `a` of which `id`, `m` and `n` are mapped.
async fn bench(server: &Arc<Server>, schema: &str) -> Bench {
    let mut bench = Bench::on(Arc::clone(server), schema).await;
    bench.table("a", &[("id", "int", INT), ("u", "int", INT), ("m", "int", INT), ("v", "int", INT), ("n", "int", INT)], "").await;
    let layout = &mut bench.layouts[0];
    layout.columns.retain(|column| ["id", "m", "n"].contains(&column.column.name.as_str()));
    bench
}

/// Inserts the row `number`: each mapped column has a value of its own, the others have another.
async fn insert(bench: &mut Bench, number: i64) {
    let columns = columns_now(bench).await;
    let value = |column: &String| match column.as_str() {
        "id" => number,
        "m" => number * 10 + 1,
        "n" => number * 10 + 2,
        _ => -1,
    };
    let values: Vec<String> = columns.iter().map(|column| value(column).to_string()).collect();
    let names: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
    bench.run(&[&format!("INSERT INTO a ({}) VALUES ({})", names.join(", "), values.join(", "))]).await;
}

async fn columns_now(bench: &mut Bench) -> Vec<String> {
    let sql = format!(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND table_name = 'a' ORDER BY ordinal_position",
        bench.schema
    );
    bench.conn.query(sql).await.unwrap()
}

/// The ids of the rows, each proven to be read right.
fn read_right(events: &[SourceEvent]) -> Vec<i64> {
    assert!(schema_changes(events).is_empty(), "{events:?}");
    let mut ids = Vec::new();
    for event in events {
        let SourceEvent::Transaction(transaction) = event else { continue };
        for change in &transaction.changes {
            let Operation::Insert { new } = &change.operation else { panic!("not an insert: {change:?}") };
            let [Value::Int(id), m, n] = full(new) else { panic!("not three columns: {new:?}") };
            assert_eq!((m, n), (&Value::Int(id * 10 + 1), &Value::Int(id * 10 + 2)), "row {id}");
            ids.push(*id);
        }
    }
    ids
}

/// The position as it comes back from the state.
fn stored(event: &SourceEvent) -> BinlogPosition {
    serde_json::from_str(&serde_json::to_string(&binlog(position_of(event))).unwrap()).unwrap()
}

/// Reads everything behind `begin`, and again from behind every event: what a restart there would read.
async fn read_from_everywhere(bench: &Bench, begin: BinlogPosition, end: &Position) -> Vec<i64> {
    let open = |position| bench.open(StartBy::FilePosition, position);
    let events = read_to(open(begin).await.unwrap(), end).await.unwrap();
    let ids = read_right(&events);
    for (index, event) in events.iter().enumerate().take(events.len() - 1) {
        let again = read_to(open(stored(event)).await.unwrap(), end).await.unwrap();
        assert_eq!(again, events[index + 1..], "from behind event {index}");
    }
    ids
}

/// One of each kind, each followed by a row.
async fn each_kind(server: &Arc<Server>, schema: &str) {
    let mut bench = bench(server, schema).await;
    let begin = bench.position().await;
    insert(&mut bench, 0).await;
    let statements = [
        "ALTER TABLE a ADD COLUMN w INT FIRST",
        "ALTER TABLE a ADD COLUMN x INT AFTER m, ADD y INT AFTER x, DROP COLUMN u",
        "ALTER TABLE a MODIFY n INT FIRST",
        "ALTER TABLE a CHANGE COLUMN v `v 2` BIGINT AFTER id",
        "ALTER TABLE a ADD (p INT, q INT COMMENT 'first, after'), ALGORITHM=COPY",
        "ALTER TABLE a RENAME COLUMN p TO q, RENAME COLUMN q TO p",
        "ALTER TABLE a DROP w, ADD w INT AFTER n, ADD INDEX i (y), COMMENT 'drop m'",
        "ALTER TABLE a MODIFY w VARCHAR(20) NOT NULL DEFAULT 'x'",
        "ALTER TABLE a DROP COLUMN `v 2`, DROP COLUMN x, DROP y, DROP p, DROP q, DROP w",
        "ALTER TABLE a MODIFY m INT AFTER id, MODIFY n INT NULL AFTER m",
    ];
    for (number, statement) in (1..).zip(statements) {
        bench.run(&[statement]).await;
        insert(&mut bench, number).await;
    }
    let end = Position::Binlog(bench.position().await);
    let ids = read_from_everywhere(&bench, begin, &end).await;
    assert_eq!(ids, (0..=statements.len() as i64).collect::<Vec<_>>());
}

/// A random statement over the columns that there are; each column is touched by one clause.
fn random_alter(rng: &mut fastrand::Rng, columns: &[String], fresh: &mut u32, flavor: Flavor) -> String {
    let mut untouched: Vec<&String> = columns.iter().filter(|column| *column != "id").collect();
    rng.shuffle(&mut untouched);
    let mut clauses = Vec::new();
    for _ in 0..rng.usize(1..5) {
        let name = |fresh: &mut u32| {
            *fresh += 1;
            format!("c{fresh}")
        };
        let taken = if untouched.len() > 3 { untouched.pop() } else { None };
        // Columns that this statement does not touch keep their names.
        let place = match rng.u32(0..4) {
            0 => " FIRST".to_owned(),
            1 => " AFTER id".to_owned(),
            2 => untouched.get(rng.usize(0..4)).map_or_else(String::new, |column| format!(" AFTER `{column}`")),
            _ => String::new(),
        };
        let last = untouched.pop();
        let kept = if last.is_some() && place.contains(last.unwrap().as_str()) { "" } else { place.as_str() };
        untouched.extend(last);
        let place = if rng.bool() { place.as_str() } else { kept };
        clauses.push(match (taken, rng.u32(0..6)) {
            (Some(mapped), _) if mapped == "m" || mapped == "n" => format!("MODIFY `{mapped}` INT{place}"),
            (Some(column), 0) => format!("DROP COLUMN `{column}`"),
            (Some(column), 1) => format!("MODIFY `{column}` BIGINT{place}"),
            (Some(column), 2) => format!("CHANGE `{column}` `{}` INT{place}", name(fresh)),
            (Some(column), 3) => format!("RENAME COLUMN `{column}` TO `{}`", name(fresh)),
            (None, 4) if flavor == Flavor::MariaDb => format!("ADD COLUMN IF NOT EXISTS `{}` INT{place}", name(fresh)),
            (_, 5) => format!("ADD ({} INT, {} INT)", name(fresh), name(fresh)),
            _ => format!("ADD COLUMN {} INT{place}", name(fresh)),
        });
    }
    format!("ALTER TABLE a {}", clauses.join(", "))
}

async fn random(server: &Arc<Server>, schema: &str) {
    let mut bench = bench(server, schema).await;
    let mut rng = fastrand::Rng::with_seed(20_260_101);
    let begin = bench.position().await;
    let (mut fresh, mut altered) = (0, 0);
    for number in 0..120 {
        let columns = columns_now(&mut bench).await;
        let statement = random_alter(&mut rng, &columns, &mut fresh, server.flavor);
        // Some name a column that an earlier clause took away: the server refuses those.
        altered += u32::from(bench.conn.query_drop(&statement).await.is_ok());
        insert(&mut bench, number).await;
    }
    assert!(altered > 60, "only {altered} statements were good");
    let end = Position::Binlog(bench.position().await);
    let events = read_to(bench.open(StartBy::FilePosition, begin).await.unwrap(), &end).await.unwrap();
    assert_eq!(read_right(&events), (0..120).collect::<Vec<_>>());
    for from in [10, 57, 111] {
        let again = read_to(bench.open(StartBy::FilePosition, stored(&events[from])).await.unwrap(), &end).await.unwrap();
        assert_eq!(again, events[from + 1..]);
    }
}

/// A resume that starts earlier for a prepared transaction reads old definitions again, and the statements behind them.
async fn behind_a_prepared(server: &Arc<Server>, schema: &str) {
    let mut bench = bench(server, schema).await;
    let begin = bench.position().await;
    bench.run(&["CREATE TABLE b (id INT PRIMARY KEY)", "ALTER TABLE a ADD COLUMN early INT FIRST"]).await;
    let mut other = bench.server.connect().await;
    other.query_drop(format!("USE {schema}")).await.unwrap();
    let xid = format!("'{schema}'");
    for statement in
        [format!("XA START {xid}"), "INSERT INTO b VALUES (1)".into(), format!("XA END {xid}"), format!("XA PREPARE {xid}")]
    {
        other.query_drop(statement).await.unwrap();
    }
    insert(&mut bench, 1).await;
    bench.run(&["ALTER TABLE a DROP COLUMN u, ADD COLUMN late INT AFTER id"]).await;
    insert(&mut bench, 2).await;
    let events = bench.stream_from(begin).await.unwrap();
    let resumed = stored(events.last().unwrap());
    assert!(resumed.prepared_from.is_some());
    bench.run(&["ALTER TABLE a DROP COLUMN early"]).await;
    insert(&mut bench, 3).await;
    let events = bench.stream_from(resumed).await.unwrap();
    other.query_drop(format!("XA COMMIT {xid}")).await.unwrap();
    assert_eq!(read_right(&events), [3]);
}

/// What cannot be followed stops by name where the log names no columns, and passes where it does.
async fn not_followed(server: &Arc<Server>, schema: &str, names: bool) {
    let mut bench = bench(server, schema).await;
    // The schema was recorded after this column was added, and the stream starts before.
    bench.run(&["ALTER TABLE a DROP COLUMN v"]).await;
    let begin = bench.position().await;
    bench.run(&["ALTER TABLE a ADD COLUMN v INT AFTER u"]).await;
    insert(&mut bench, 1).await;
    let events = bench.stream_from(begin).await;
    if names {
        assert_eq!(read_right(&events.unwrap()), [1]);
        return;
    }
    let text = format!("{:?}", events.unwrap_err());
    assert!(text.contains(&format!("{schema}.a")) && text.contains("binlog_row_metadata"), "{text}");
}

/// Several tables, and what looks like a change of columns and is none.
async fn several_tables(server: &Arc<Server>, schema: &str) {
    let mut bench = bench(server, schema).await;
    bench.table("b", &[("id", "int", INT), ("u", "int", INT), ("w", "int", INT)], "ENGINE=MyISAM").await;
    bench.layouts[1].columns.retain(|column| column.column.name != "u");
    let functional =
        if server.flavor == Flavor::MySql { "CREATE INDEX f ON a ((m + 1))" } else { "ALTER TABLE a ADD UNIQUE KEY f (u)" };
    bench.run(&["UPDATE b SET u = 1"]).await;
    let begin = bench.position().await;
    bench
        .run(&[
            "ALTER TABLE a DROP COLUMN u, ADD COLUMN u INT DEFAULT NULL",
            "ALTER TABLE b ADD COLUMN x INT FIRST, DROP u",
            functional,
            "INSERT INTO b VALUES (7, 1, 2)",
        ])
        .await;
    insert(&mut bench, 4).await;
    let events = bench.stream_from(begin).await.unwrap();
    assert!(schema_changes(&events).is_empty(), "{events:?}");
    let transactions = transactions(events);
    assert_eq!(summary(&transactions[0].changes), ["insert 1"]);
    let Operation::Insert { new } = &transactions[0].changes[0].operation else { panic!("not an insert") };
    assert_eq!(full(new), [Value::Int(1), Value::Int(2)]);
    assert_eq!(read_right(&[SourceEvent::Transaction(transactions[1].clone())]), [4]);
}

/// Everything on one server, which logs column names or does not.
async fn beside_the_mapping(flavor: Flavor, names: bool) {
    let Some(server) = Server::fresh(flavor) else { return };
    let server = Arc::new(server);
    let metadata = match (names, flavor) {
        (true, _) => "FULL",
        (false, Flavor::MariaDb) => "NO_LOG",
        (false, _) => "MINIMAL",
    };
    let mut root = server.connect().await;
    root.query_drop(format!("SET GLOBAL binlog_row_metadata = {metadata}")).await.unwrap();
    each_kind(&server, "each_kind").await;
    random(&server, "random").await;
    behind_a_prepared(&server, "behind_a_prepared").await;
    several_tables(&server, "several_tables").await;
    not_followed(&server, "not_followed", names).await;
}

#[tokio::test]
async fn f50_alters_beside_the_mapping_on_mariadb() {
    beside_the_mapping(Flavor::MariaDb, false).await;
}

#[tokio::test]
async fn f50_alters_beside_the_mapping_on_mariadb_with_names() {
    beside_the_mapping(Flavor::MariaDb, true).await;
}

#[tokio::test]
async fn f50_alters_beside_the_mapping_on_mysql() {
    beside_the_mapping(Flavor::MySql, false).await;
}

#[tokio::test]
async fn f50_alters_beside_the_mapping_on_mysql_with_names() {
    beside_the_mapping(Flavor::MySql, true).await;
}

/// MariaDB deletes the rows that repeat the new key, and logs none of them.
#[tokio::test]
async fn alter_ignore_with_a_new_key_removes_rows_and_stops() {
    let Some(server) = Server::get(Flavor::MariaDb) else { return };
    let mut bench = bench(&server, "alter_ignore").await;
    let events =
        bench.stream(&["INSERT INTO a VALUES (1,1,1,1,1), (2,1,1,1,1)", "ALTER IGNORE TABLE a ADD UNIQUE (u)"]).await.unwrap();
    let found = schema_changes(&events);
    assert!(found[0].description.starts_with("removes rows that repeat a new key"), "{found:?}");
}
