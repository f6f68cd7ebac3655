//! The stream: changes of every shape, and what is not in the log.

use super::*;
use crate::change::{Image, Operation};
use crate::error::Class;
use crate::value::Value;

fn operations(changes: Vec<Change>) -> Vec<Operation> {
    changes.into_iter().map(|change| change.operation).collect()
}

fn ints(image: &Image) -> Vec<Option<i64>> {
    let int = |value: &Value| match value {
        Value::Int(number) => *number,
        other => panic!("{other:?}"),
    };
    match image {
        Image::Full(row) => row.iter().map(|value| Some(int(value))).collect(),
        Image::Partial(values) => values.iter().map(|value| value.as_ref().map(int)).collect(),
    }
}

const BIG: &str = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 300))";

#[tokio::test]
async fn f35_unchanged_toast_is_left_out_and_with_full_identity_taken_from_the_old_row() {
    let Some(bench) = Bench::new(
        "CREATE TABLE d (id int PRIMARY KEY, n int, big text); CREATE TABLE f (id int PRIMARY KEY, n int, big text); \
         ALTER TABLE f REPLICA IDENTITY FULL; ALTER TABLE d ALTER big SET STORAGE EXTERNAL; ALTER TABLE f ALTER big SET STORAGE EXTERNAL",
    )
    .await
    else {
        return;
    };
    let mut open = bench.open(&["d", "f"]).await;
    bench.run(&format!("INSERT INTO d VALUES (1, 1, {BIG}); INSERT INTO f SELECT * FROM d")).await;
    let Operation::Insert { new: Image::Full(whole) } = operations(open.changes().await).remove(0) else { panic!("no insert") };
    bench.run("UPDATE d SET n = 2; UPDATE f SET n = 2").await;
    // Both statements of a batch are one transaction.
    let mut changes = operations(open.changes().await);
    let Operation::Update { old, new: Image::Partial(new) } = changes.remove(0) else { panic!("not partial") };
    assert!(matches!(&new[..], [Some(Value::Int(1)), Some(Value::Int(2)), None]));
    assert_eq!(old, Image::Partial([Some(Value::Int(1)), None, None].into()));
    let Operation::Update { old: Image::Full(old), new: Image::Full(new) } = changes.remove(0) else { panic!("not full") };
    assert_eq!((&old[2], &new[2]), (&whole[2], &whole[2]));
}

#[tokio::test]
async fn an_update_of_unmapped_columns_is_no_event_where_the_log_has_both_rows() {
    let Some(bench) = Bench::new(
        "CREATE TABLE d (id int PRIMARY KEY, n int, note text); CREATE TABLE f (id int PRIMARY KEY, n int, big text, note text); \
         ALTER TABLE f REPLICA IDENTITY FULL; ALTER TABLE f ALTER big SET STORAGE EXTERNAL; \
         CREATE TABLE bag (n int, note text); ALTER TABLE bag REPLICA IDENTITY FULL",
    )
    .await
    else {
        return;
    };
    bench.run(&format!("INSERT INTO d VALUES (1, 1); INSERT INTO f VALUES (1, NULL, {BIG}); INSERT INTO bag VALUES (1)")).await;
    let catalog = bench.catalog(&["d", "f", "bag"]).await;
    let layouts = layouts(&catalog, |column| column != "note");
    let start = bench.source.start_position(&layouts).await.unwrap();
    let mut open = bench.resume(catalog, layouts, start).await.unwrap();
    bench.run("UPDATE f SET note = 'x'").await;
    bench.run("BEGIN; UPDATE f SET note = 'y'; UPDATE f SET n = 2, note = 'z'; UPDATE f SET note = 'w'; COMMIT").await;
    let mut changes = operations(open.changes().await);
    let Operation::Update { old: Image::Full(old), new: Image::Full(new) } = changes.remove(0) else { panic!("not full") };
    assert_eq!((changes.len(), &old[1], &new[1]), (0, &Value::Null, &Value::Int(2)));
    // A row whose former state is not in the log, and one that is only counted.
    bench.run("UPDATE d SET note = 'x'").await;
    bench.run("UPDATE bag SET note = 'x'").await;
    assert_eq!([open.changes().await.len(), open.changes().await.len()], [1, 1]);
}

#[tokio::test]
async fn f39_a_changed_key_says_which_it_was() {
    let Some(bench) = Bench::new("CREATE TABLE k (a int, b int, n int, PRIMARY KEY (a, b))").await else { return };
    let mut open = bench.open(&["k"]).await;
    bench.run("INSERT INTO k VALUES (1, 2, 3)").await;
    bench.run("UPDATE k SET b = 5").await;
    bench.run("DELETE FROM k").await;
    open.changes().await;
    let Operation::Update { old, new } = operations(open.changes().await).remove(0) else { panic!("no update") };
    assert_eq!((ints(&old), ints(&new)), (vec![Some(1), Some(2), None], vec![Some(1), Some(5), Some(3)]));
    let Operation::Delete { old } = operations(open.changes().await).remove(0) else { panic!("no delete") };
    assert_eq!(ints(&old), [Some(1), Some(5), None]);
}

#[tokio::test]
async fn f27_rolled_back_parts_leave_no_trace_and_order_is_that_of_commits() {
    let Some(bench) = Bench::new("CREATE TABLE s (id int PRIMARY KEY)").await else { return };
    let mut open = bench.open(&["s"]).await;
    let early = bench.server.connect(&bench.database).await;
    early.batch_execute("BEGIN; INSERT INTO s VALUES (1); SAVEPOINT x; INSERT INTO s VALUES (2); SAVEPOINT y; INSERT INTO s VALUES (3); ROLLBACK TO x; INSERT INTO s VALUES (4)").await.unwrap();
    bench.run("BEGIN; INSERT INTO s VALUES (9); ROLLBACK").await;
    bench.run("INSERT INTO s VALUES (5)").await;
    early.batch_execute("COMMIT").await.unwrap();
    drop(early);
    let inserted = |changes: Vec<Change>| -> Vec<Option<i64>> {
        operations(changes)
            .iter()
            .map(|operation| match operation {
                Operation::Insert { new } => ints(new)[0],
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let (first, second) = (open.transaction().await, open.transaction().await);
    assert!(second.position.contains(&first.position));
    assert_eq!(inserted(first.changes), [Some(5)]);
    assert_eq!(inserted(second.changes), [Some(1), Some(4)]);
}

#[tokio::test]
async fn f28_a_prepared_transaction_comes_when_it_is_committed() {
    let Some(bench) = Bench::new("CREATE TABLE p (id int PRIMARY KEY)").await else { return };
    let mut open = bench.open(&["p"]).await;
    let gid = &bench.database;
    bench.run(&format!("BEGIN; INSERT INTO p VALUES (1); PREPARE TRANSACTION '{gid}-a'")).await;
    bench.run(&format!("BEGIN; INSERT INTO p VALUES (2); PREPARE TRANSACTION '{gid}-b'")).await;
    bench.run("INSERT INTO p VALUES (3)").await;
    bench.run(&format!("ROLLBACK PREPARED '{gid}-b'")).await;
    bench.run(&format!("COMMIT PREPARED '{gid}-a'")).await;
    for expected in [3, 1] {
        let Operation::Insert { new } = operations(open.changes().await).remove(0) else { panic!("no insert") };
        assert_eq!(ints(&new), [Some(expected)]);
    }
}

#[tokio::test]
async fn truncations_of_several_tables_and_cascades_empty_each_mapped_one() {
    let Some(bench) = Bench::new(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); CREATE TABLE c (id int PRIMARY KEY); \
         CREATE TABLE unmapped (id int PRIMARY KEY)",
    )
    .await
    else {
        return;
    };
    let mut open = bench.open(&["a", "b", "c"]).await;
    bench.run("TRUNCATE a CASCADE").await;
    let emptied = |changes: Vec<Change>| {
        assert!(changes.iter().all(|change| change.operation == Operation::Truncate));
        let mut tables: Vec<u32> = changes.iter().map(|change| change.table.0).collect();
        tables.sort_unstable();
        tables
    };
    assert_eq!(emptied(open.changes().await), [0, 1]);
    bench.run("TRUNCATE c, unmapped, b RESTART IDENTITY").await;
    assert_eq!(emptied(open.changes().await), [1, 2]);
}

const PARTITIONED: &str = "CREATE TABLE m (id int, at int, v int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10); CREATE TABLE m2 (v int, id int NOT NULL, at int NOT NULL);
  ALTER TABLE m2 ADD PRIMARY KEY (id, at); ALTER TABLE m ATTACH PARTITION m2 FOR VALUES FROM (10) TO (20)";

#[tokio::test]
async fn partitions_are_rows_of_their_root_in_the_roots_column_order() {
    let Some(bench) = Bench::new(PARTITIONED).await else { return };
    let mut open = bench.open(&["m"]).await;
    bench.run("INSERT INTO m VALUES (1, 5, 50)").await;
    bench.run("UPDATE m SET at = 15").await;
    bench.run("CREATE TABLE m3 PARTITION OF m FOR VALUES FROM (20) TO (30); INSERT INTO m VALUES (2, 25, 0)").await;
    bench.run("TRUNCATE m").await;
    bench.run("INSERT INTO m VALUES (3, 1, 1), (4, 11, 2); TRUNCATE m2").await;
    let rows = |changes: Vec<Change>| -> Vec<(char, Vec<Option<i64>>)> {
        operations(changes)
            .iter()
            .map(|operation| match operation {
                Operation::Insert { new } => ('i', ints(new)),
                Operation::Delete { old } => ('d', ints(old)),
                Operation::Truncate => ('t', vec![]),
                Operation::Update { .. } => ('u', vec![]),
            })
            .collect()
    };
    assert_eq!(rows(open.changes().await), [('i', vec![Some(1), Some(5), Some(50)])]);
    assert_eq!(rows(open.changes().await), [('d', vec![Some(1), Some(5), None]), ('i', vec![Some(1), Some(15), Some(50)])]);
    assert_eq!(rows(open.changes().await), [('i', vec![Some(2), Some(25), Some(0)])]);
    assert_eq!(rows(open.changes().await), [('t', vec![])]);
    let SourceEvent::SchemaChange(change) = open.event().await.unwrap() else { panic!("no stop") };
    assert_eq!(change.description, "truncates a partition of public.m");
}

#[tokio::test]
async fn ddl_on_unmapped_columns_passes_and_on_mapped_ones_stops_with_its_name() {
    for (statement, description) in [
        ("ALTER TABLE x ADD extra text DEFAULT 'e', DROP unused", None),
        ("ALTER TABLE x ALTER v TYPE bigint", Some("changes column public.x.v from integer to bigint")),
        ("ALTER TABLE x RENAME v TO w", Some("drops or renames column public.x.v, or no longer publishes it")),
    ] {
        let Some(bench) = Bench::new("CREATE TABLE x (id int PRIMARY KEY, v int, unused text)").await else { return };
        let catalog = bench.catalog(&["x"]).await;
        let layouts = layouts(&catalog, |name| name == "v");
        let start = bench.source.start_position(&layouts).await.unwrap();
        // A column list would refuse the statement on a mapped column; an owner's publication may have none.
        bench.run("ALTER PUBLICATION strangler_crm SET TABLE x").await;
        let mut open = bench.resume(catalog, layouts, start).await.unwrap();
        bench.run("INSERT INTO x (id, v) VALUES (1, 1)").await;
        bench.run(statement).await;
        bench.run("INSERT INTO x (id) VALUES (2)").await;
        open.changes().await;
        match (open.event().await.unwrap(), description) {
            (SourceEvent::Transaction(transaction), None) => assert_eq!(transaction.changes.len(), 1),
            (SourceEvent::SchemaChange(change), Some(description)) => assert_eq!(change.description, description),
            (other, _) => panic!("{statement}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn changes_without_a_trace_in_the_log_are_found_by_the_watch() {
    for (statement, description) in [
        ("ALTER TABLE w ALTER v TYPE int USING v + 1", "rewrites column public.w.v"),
        ("ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", "renames a label of the type of column public.w.m"),
        ("ALTER TABLE w RENAME TO gone", "drops or renames public.w"),
    ] {
        let Some(bench) =
            Bench::new("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE w (id int PRIMARY KEY, v int, m mood)").await
        else {
            return;
        };
        let mut open = bench.open(&["w"]).await;
        bench.run("ALTER PUBLICATION strangler_crm SET TABLE w").await;
        bench.run("INSERT INTO w VALUES (1, 1, 'ok')").await;
        open.changes().await;
        bench.run(statement).await;
        let SourceEvent::SchemaChange(change) = open.event().await.unwrap() else { panic!("{statement}: no stop") };
        assert_eq!(change.description, description);
        // A restart sees it at once.
        let Open { catalog, layouts, start, stream, .. } = open;
        drop(stream);
        let mut again = loop {
            match bench.resume(catalog.clone(), Arc::clone(&layouts), start.clone()).await {
                Err(error) if error.class() == Class::Unreachable => tokio::time::sleep(Duration::from_millis(50)).await,
                other => break other.unwrap(),
            }
        };
        assert!(matches!(again.event().await.unwrap(), SourceEvent::SchemaChange(_)), "{statement}");
    }
}

/// What the note of the preflight says: while a column list names a column, the server refuses to change its type or to drop it.
#[tokio::test]
async fn a_listed_column_cannot_be_changed_and_an_unlisted_one_can() {
    let Some(bench) = Bench::new("CREATE TABLE x (id int PRIMARY KEY, v int, unused text)").await else { return };
    let catalog = bench.catalog(&["x"]).await;
    let findings = bench.source.preflight(&catalog).await.unwrap();
    assert!(findings.iter().any(|finding| finding.check == "publication" && finding.message.contains("change the type")));
    bench.source.start_position(&layouts(&catalog, |name| name == "v")).await.unwrap();
    let client = bench.server.connect(&bench.database).await;
    let lists = bench.ask("SELECT current_setting('server_version_num')::int >= 150000").await == "t";
    assert_eq!(client.batch_execute("ALTER TABLE x ALTER v TYPE bigint").await.is_err(), lists);
    client.batch_execute("ALTER TABLE x ALTER unused TYPE varchar(9), ADD more int").await.unwrap();
    drop(client);
}

#[tokio::test]
async fn a_vacuum_full_is_no_change() {
    let Some(bench) = Bench::new("CREATE TABLE v (id int PRIMARY KEY, n int); INSERT INTO v VALUES (1, 1)").await else { return };
    let open = bench.open(&["v"]).await;
    bench.run("VACUUM FULL v").await;
    let Open { catalog, layouts, start, stream, .. } = open;
    drop(stream);
    let lease = bench.source.pool.own().await.unwrap();
    assert!(crate::source::postgres::watch::compare(&lease, &catalog.tables, &layouts).await.unwrap().is_none());
    drop((start, lease));
}

#[tokio::test]
async fn f29_a_transaction_beyond_its_bound_stops_by_name() {
    let Some(bench) =
        Bench::with("CREATE TABLE l (id int PRIMARY KEY, v text)", |options| options.transaction_bytes_max = 1 << 16).await
    else {
        return;
    };
    bench.source.streaming.store(false, std::sync::atomic::Ordering::Relaxed);
    let mut open = bench.open(&["l"]).await;
    bench.run("INSERT INTO l SELECT g, repeat('x', 100) FROM generate_series(1, 2000) g").await;
    let error = open.event().await.unwrap_err();
    assert_eq!(error.class(), Class::Person);
    assert!(error.message().contains("larger than 65536 bytes"), "{error:?}");
}

fn first_of(image: &Image) -> Image {
    match image {
        Image::Full(row) => Image::Full(row[..1].into()),
        Image::Partial(values) => Image::Partial(values[..1].into()),
    }
}

const LARGE: &str = "INSERT INTO l SELECT g, repeat('x', 200) FROM generate_series({from}, {to}) g";

fn large(from: u32, to: u32) -> String {
    LARGE.replace("{from}", &from.to_string()).replace("{to}", &to.to_string())
}

/// F27: large transactions are sent before their commit, and so are parts of them that are rolled back.
#[tokio::test]
async fn f27_streamed_transactions_come_whole_at_their_commit_without_what_was_rolled_back() {
    let Some(bench) = Bench::new("CREATE TABLE l (id int PRIMARY KEY, v text)").await else { return };
    let mut open = bench.open(&["l"]).await;
    let one = bench.server.connect(&bench.database).await;
    let two = bench.server.connect(&bench.database).await;
    let parts = format!("BEGIN; {}; SAVEPOINT a; {}; SAVEPOINT b; {}", large(1, 2000), large(2001, 4000), large(4001, 6000));
    one.batch_execute(&parts).await.unwrap();
    two.batch_execute(&format!("BEGIN; {}", large(10_001, 13_000))).await.unwrap();
    bench.run("INSERT INTO l VALUES (0, 'small')").await;
    one.batch_execute(&format!("ROLLBACK TO a; {}", large(6001, 8000))).await.unwrap();
    two.batch_execute("ROLLBACK").await.unwrap();
    one.batch_execute("COMMIT").await.unwrap();
    let ids = |changes: Vec<Change>| -> Vec<i64> {
        let id = |operation: &Operation| match operation {
            Operation::Insert { new } => ints(&first_of(new))[0].unwrap(),
            other => panic!("{other:?}"),
        };
        operations(changes).iter().map(id).collect()
    };
    assert_eq!(ids(open.changes().await), [0]);
    let expected: Vec<i64> = (1..=2000).chain(6001..=8000).collect();
    let transaction = open.transaction().await;
    assert!(transaction.id.is_some() && transaction.committed_at_us > 0);
    assert_eq!(ids(transaction.changes), expected);
    drop((one, two));
}

/// A definition that a streamed transaction changed and took back is no change.
#[tokio::test]
async fn a_rolled_back_alter_in_a_streamed_transaction_is_forgotten() {
    let Some(bench) = Bench::new("CREATE TABLE l (id int PRIMARY KEY, v text)").await else { return };
    let catalog = bench.catalog(&["l"]).await;
    let layouts = layouts(&catalog, |_| true);
    let start = bench.source.start_position(&layouts).await.unwrap();
    bench.run("ALTER PUBLICATION strangler_crm SET TABLE l").await;
    let mut open = bench.resume(catalog, layouts, start).await.unwrap();
    bench.run("INSERT INTO l VALUES (0, 'before')").await;
    bench.run(&format!("BEGIN; ALTER TABLE l ALTER v TYPE varchar(300); {}; ROLLBACK", large(1, 3000))).await;
    bench.run("INSERT INTO l VALUES (-1, 'after')").await;
    assert_eq!(open.changes().await.len(), 1);
    assert_eq!(open.changes().await.len(), 1);
}

/// What is too large to hold before its commit, and then rolled back, is nothing.
#[tokio::test]
async fn f29_a_streamed_transaction_beyond_the_bound_is_left_to_the_server() {
    let bounded = |options: &mut PostgresSourceOptions| options.transaction_bytes_max = 1 << 18;
    let Some(bench) = Bench::with("CREATE TABLE l (id int PRIMARY KEY, v text)", bounded).await else { return };
    let mut open = bench.open(&["l"]).await;
    let client = bench.server.connect(&bench.database).await;
    client.batch_execute(&format!("BEGIN; {}", large(1, 5000))).await.unwrap();
    let error = open.event().await.unwrap_err();
    assert_eq!(error.class(), Class::Retry, "{error:?}");
    client.batch_execute("ROLLBACK").await.unwrap();
    bench.run("INSERT INTO l VALUES (0, 'small')").await;
    let Open { catalog, layouts, start, stream, .. } = open;
    drop((stream, client));
    let mut again = loop {
        match bench.resume(catalog.clone(), Arc::clone(&layouts), start.clone()).await {
            Err(error) if error.class() == Class::Unreachable => tokio::time::sleep(Duration::from_millis(50)).await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(again.changes().await.len(), 1);
}

/// Tools that alter large tables put a copy in their place by two renames; the stream must not take the one for the other.
#[tokio::test]
async fn a_table_that_takes_a_mapped_tables_name_stops_at_its_first_row() {
    for statement in [
        "CREATE TABLE n (LIKE x INCLUDING ALL); ALTER TABLE x RENAME TO o; ALTER TABLE n RENAME TO x",
        "ALTER TABLE x RENAME TO y",
    ] {
        let Some(bench) = Bench::new("CREATE TABLE x (id int PRIMARY KEY)").await else { return };
        let mut open = bench.open(&["x"]).await;
        bench.run("INSERT INTO x VALUES (1)").await;
        open.changes().await;
        let renamed = if statement.ends_with('y') { "y" } else { "x" };
        bench.run(&format!("{statement}; ALTER PUBLICATION strangler_crm SET TABLE {renamed}")).await;
        bench.run(&format!("INSERT INTO {renamed} VALUES (2)")).await;
        let SourceEvent::SchemaChange(change) = open.event().await.unwrap() else { panic!("{statement}: no stop") };
        assert!(change.description.ends_with("of public.x"), "{}", change.description);
    }
}

#[tokio::test]
async fn attached_rows_and_detached_ones_are_found_and_new_partitions_are_nothing() {
    for (statement, description) in [
        (
            "CREATE TABLE m4 (id int NOT NULL, at int NOT NULL, v int, PRIMARY KEY (id, at)); INSERT INTO m4 VALUES (1, 35, 1)",
            None,
        ),
        ("ALTER TABLE m ATTACH PARTITION m4 FOR VALUES FROM (30) TO (40)", Some("attaches a table with its rows to public.m")),
        ("CREATE TABLE m5 PARTITION OF m FOR VALUES FROM (40) TO (50); INSERT INTO m VALUES (1, 45, 1)", None),
        ("ALTER TABLE m DETACH PARTITION m1", Some("drops or detaches a partition of public.m")),
    ] {
        let before = "CREATE TABLE m4 (id int NOT NULL, at int NOT NULL, v int, PRIMARY KEY (id, at))";
        let prepared = if statement.contains("ATTACH") { format!("{PARTITIONED}; {before}") } else { PARTITIONED.to_owned() };
        let Some(bench) = Bench::new(&prepared).await else { return };
        let open = bench.open(&["m"]).await;
        bench.run(statement).await;
        let lease = bench.source.pool.own().await.unwrap();
        let news = crate::source::postgres::watch::compare(&lease, &open.catalog.tables, &open.layouts).await.unwrap();
        let found = news.map(|news| match news {
            crate::source::postgres::watch::News::Changed(_, description) => description,
            other => panic!("{other:?}"),
        });
        assert_eq!(found.as_deref(), description, "{statement}");
    }
}
