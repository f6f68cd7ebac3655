//! Transactions: order, sizes, names, altered tables.

use super::*;
use crate::error::Class;
use crate::write::{TableWrites, WriteBatch};

#[tokio::test]
async fn rows_may_come_before_the_rows_that_a_deferrable_foreign_key_asks_for() {
    let Some(bench) = Bench::new().await else { return };
    let tables = [labels("child"), labels("parent")];
    let start = bench.begin(&tables).await;
    bench.run("ALTER TABLE child ADD CONSTRAINT of_parent FOREIGN KEY (id) REFERENCES parent DEFERRABLE").await;
    assert_eq!(bench.target.inspect(&tables[0]).await.unwrap(), crate::target::TableState::Present { has_rows: false });
    let writes = |table: u32, id: i64| TableWrites { table, deletes: vec![], upserts: vec![label(id, "x")] };
    let both = next(&start);
    bench.target.apply(&[(both.clone(), &tables, WriteBatch { tables: vec![writes(0, 1), writes(1, 1)] })]).await.unwrap();
    let orphan = bench.target.apply(&[(next(&both.next), &tables, WriteBatch { tables: vec![writes(0, 2)] })]).await.unwrap_err();
    assert_eq!(orphan.class(), Class::Person);
    assert!(orphan.message().contains("foreign key of_parent"), "{orphan:?}");
    assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(both.next));
}

#[tokio::test]
async fn f99_a_violated_constraint_is_named_without_values() {
    let Some(bench) = Bench::new().await else { return };
    let table = labels("t");
    let tables = std::slice::from_ref(&table);
    let start = bench.begin(tables).await;
    bench.run("ALTER TABLE t ADD CONSTRAINT label_ok CHECK (label <> 'canary'), ADD CONSTRAINT one_label UNIQUE (label)").await;
    for (rows, constraint) in
        [(vec![label(1, "canary")], "label_ok"), (vec![label(1, "canary "), label(2, "canary ")], "one_label")]
    {
        for error in [
            bench.target.apply(&[(next(&start), tables, batch(0, vec![], rows.clone()))]).await.unwrap_err(),
            bench.target.load(&table, &rows, &next(&start)).await.unwrap_err(),
        ] {
            let shown = format!("{error:?}");
            assert_eq!(error.class(), Class::Person);
            assert!(shown.contains(constraint) && !shown.contains("canary "), "{shown}");
        }
    }
    assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(start));
}

#[tokio::test]
async fn batches_of_all_sizes_with_deletes_and_moved_keys() {
    let Some(bench) = Bench::new().await else { return };
    let table = labels("t");
    let tables = std::slice::from_ref(&table);
    let mut current = bench.begin(tables).await;
    for count in [1, 1_000, 4_999, 5_000, 20_000] {
        let upserts: Vec<Row> = (0..count).rev().map(|id| label(id, &format!("{count}"))).collect();
        let deletes: Vec<Row> = (0..count / 2).map(|id| key(id + 1_000_000)).chain([key(0)]).collect();
        let advance = next(&current);
        bench.target.apply(&[(advance.clone(), tables, batch(0, deletes, upserts))]).await.unwrap();
        current = advance.next;
        assert_eq!(bench.ask(&format!("SELECT count(*) FROM t WHERE label = '{count}'")).await, count.to_string());
    }
    let keys: Vec<Row> = (0..1_000).map(|id| key(id * 2)).collect();
    let advance = next(&current);
    bench.target.apply(&[(advance, tables, batch(0, keys.clone(), vec![]))]).await.unwrap();
    assert_eq!(bench.ask("SELECT count(*) FROM t").await, "19000");
    assert!(bench.target.read_keys("m", &table, &keys).await.unwrap().1.is_empty());
}

#[tokio::test]
async fn two_mappings_share_a_transaction_or_fail_together() {
    let Some(bench) = Bench::new().await else { return };
    let (first, second) = ([labels("a")], [labels("b")]);
    let one = bench.begin(&[first[0].clone(), second[0].clone()]).await;
    let two = bench.target.take_over(None, row("another", "state-1", 5)).await.unwrap();
    let write = || batch(0, vec![], vec![label(1, "x")]);
    let mut wrong = next(&two);
    wrong.expected_sequence = 4;
    let error = bench.target.apply(&[(next(&one), &first, write()), (wrong, &second, write())]).await.unwrap_err();
    assert_eq!(error.class(), Class::Retry, "our own row further ahead: {error:?}");
    assert_eq!(bench.ask("SELECT count(*) FROM a").await, "0");
    bench.target.apply(&[(next(&one), &first, write()), (next(&two), &second, write())]).await.unwrap();
    assert_eq!(bench.ask("SELECT (SELECT label FROM a) || (SELECT label FROM b)").await, "xx");
    assert_eq!(bench.ask("SELECT string_agg(seq::text, ',' ORDER BY mapping) FROM strangler.checkpoint").await, "6,1");
}

#[tokio::test]
async fn tables_of_key_columns_alone() {
    let Some(bench) = Bench::new().await else { return };
    let table = table("pairs", 2, &[("left", TargetType::Integer), ("right", TargetType::Varchar(8))]);
    let tables = std::slice::from_ref(&table);
    let start = bench.begin(tables).await;
    let pair = |left: i64, right: &str| values([Value::Int(left), Value::text(right)]);
    let advance = next(&start);
    bench
        .target
        .apply(&[(advance.clone(), tables, batch(0, vec![], vec![pair(1, "가"), pair(1, "나"), pair(2, "가")]))])
        .await
        .unwrap();
    bench.target.apply(&[(next(&advance.next), tables, batch(0, vec![pair(1, "나")], vec![pair(1, "가")]))]).await.unwrap();
    let (_, rows) = bench.target.read_after("m", &table, Some(&pair(1, "가")), 10).await.unwrap();
    assert_eq!(rows, [pair(2, "가")]);
    let (_, rows) = bench.target.read_after("m", &table, None, 1).await.unwrap();
    assert_eq!(rows, [pair(1, "가")]);
}

#[tokio::test]
async fn hostile_names_are_names() {
    let Some(bench) = Bench::new().await else { return };
    let longest = "가".repeat(21);
    assert_eq!(longest.len(), 63);
    let names = ["\"; DROP TABLE t; --", "select", "a'b$1", "back\\slash", "Ünï ✓", "u", longest.as_str(), "c1", "t"];
    let mut current = bench.begin(&[]).await;
    for (index, name) in names.iter().enumerate() {
        let mut table =
            table(name, 1, &[(name, TargetType::BigInt), ("EXCLUDED\"", TargetType::Text), ("user", TargetType::Text)]);
        table.schema = Some(format!("{}\"{index}", name.chars().take(10).collect::<String>()));
        table.description = format!("it's {name}");
        table.columns[1].description = format!("it's \\{name}");
        table.indexes = vec![vec![1, 2]];
        let tables = std::slice::from_ref(&table);
        bench.target.create(tables).await.unwrap();
        bench.target.create_indexes(&table).await.unwrap();
        bench.target.create_indexes(&table).await.unwrap();
        let whole = |id: i64| values([Value::Int(id), Value::text(*name), Value::Null]);
        let loaded = next(&current);
        bench.target.load(&table, &[whole(1)], &loaded).await.unwrap();
        let applied = next(&loaded.next);
        bench.target.apply(&[(applied.clone(), tables, batch(0, vec![key(1)], vec![whole(2), whole(3)]))]).await.unwrap();
        let (_, rows) = bench.target.read_after("m", &table, Some(&key(2)), 9).await.unwrap();
        assert_eq!(rows, [whole(3)]);
        assert_eq!(bench.target.inspect(&table).await.unwrap(), crate::target::TableState::Present { has_rows: true });
        current = applied.next;
    }
    assert_eq!(bench.ask("SELECT count(*) FROM pg_indexes WHERE schemaname LIKE '%\"%'").await, (names.len() * 2).to_string());
    for name in ["", &"x".repeat(64), "nul\0"] {
        let error = bench.target.create(&[labels(name)]).await.unwrap_err();
        assert_eq!(error.class(), Class::Preflight);
    }
}

#[tokio::test]
async fn a_table_altered_under_a_prepared_statement_is_not_misread() {
    let Some(bench) = Bench::new().await else { return };
    let table = table("t", 1, &[("id", TargetType::BigInt), ("n", TargetType::BigInt)]);
    let tables = std::slice::from_ref(&table);
    let start = bench.begin(tables).await;
    let write = || batch(0, vec![], vec![values([Value::Int(1), Value::Int(2)])]);
    let advance = next(&start);
    bench.target.apply(&[(advance.clone(), tables, write())]).await.unwrap();
    bench.target.read_after("m", &table, None, 1).await.unwrap();
    bench.run("ALTER TABLE t ALTER n TYPE double precision").await;
    let first = bench.target.read_after("m", &table, None, 1).await.unwrap_err();
    assert_eq!(first.class(), Class::Retry, "{first:?}");
    let second = bench.target.read_after("m", &table, None, 1).await.unwrap_err();
    assert!(second.class() == Class::Person && second.message().contains("float8"), "{second:?}");
    bench.run("ALTER TABLE t DROP n").await;
    let error = bench.target.apply(&[(next(&advance.next), tables, write())]).await.unwrap_err();
    assert_eq!(error.class(), Class::Preflight, "{error:?}");
    assert!(error.message().contains("t.n is missing"), "{error:?}");
}

/// Each alteration is made after a write that went well; the next write must not arrive in the altered table.
#[tokio::test]
async fn a_table_altered_while_live_takes_no_more_rows() {
    let Some(bench) = Bench::new().await else { return };
    bench.run("CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n = 0; RETURN NEW; END'").await;
    let alterations = [
        ("ALTER TABLE {} ALTER n TYPE numeric(15,0)", "is numeric(15,0), declared is numeric(15,2)"),
        ("ALTER TABLE {} ALTER at TYPE timestamp(0)", "is timestamp(0)"),
        (
            "CREATE TRIGGER spoils BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION spoil()",
            "the enabled trigger spoils",
        ),
        ("CREATE RULE away AS ON INSERT TO {} DO INSTEAD NOTHING", "the rewrite rule away"),
        ("ALTER TABLE {} ADD extra int", "extra column"),
    ];
    let mut current = bench.begin(&[]).await;
    for (index, (alteration, said)) in alterations.into_iter().enumerate() {
        let name = format!("live{index}");
        let numeric = TargetType::Numeric(Some((15, 2)));
        let table = table(&name, 1, &[("id", TargetType::BigInt), ("n", numeric), ("at", TargetType::Timestamp(6))]);
        let tables = std::slice::from_ref(&table);
        bench.target.create(tables).await.unwrap();
        let row = |id: i64| values([Value::Int(id), Value::Decimal(crate::value::Decimal::parse("1.25").unwrap()), Value::Null]);
        let first = next(&current);
        bench.target.load(&table, &[row(1)], &first).await.unwrap();
        let second = next(&first.next);
        bench.target.apply(&[(second.clone(), tables, batch(0, vec![], vec![row(2)]))]).await.unwrap();
        bench.run(&alteration.replace("{}", &name)).await;
        for attempt in ["apply", "load"] {
            let advance = next(&second.next);
            let outcome = match attempt {
                "apply" => bench.target.apply(&[(advance, tables, batch(0, vec![key(1)], vec![row(3)]))]).await,
                _ => bench.target.load(&table, &[row(4)], &advance).await,
            };
            let error = outcome.unwrap_err();
            assert_eq!(error.class(), Class::Preflight, "{alteration}: {error:?}");
            assert!(error.message().contains(&name) && error.message().contains(said), "{alteration}: {error:?}");
        }
        assert_eq!(bench.ask(&format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM {name}")).await, "1,2", "{alteration}");
        assert_eq!(bench.ask("SELECT seq FROM strangler.checkpoint").await, second.next.sequence.to_string());
        current = second.next;
    }
}

#[tokio::test]
async fn an_alteration_that_the_mapping_does_not_mind_is_accepted_while_live() {
    let Some(bench) = Bench::new().await else { return };
    let table = labels("t");
    let tables = std::slice::from_ref(&table);
    let start = bench.begin(tables).await;
    let first = next(&start);
    bench.target.apply(&[(first.clone(), tables, batch(0, vec![], vec![label(1, "a")]))]).await.unwrap();
    bench.run("CREATE TABLE child (t bigint REFERENCES t DEFERRABLE); CREATE INDEX ON t (label)").await;
    let second = next(&first.next);
    bench.target.apply(&[(second, tables, batch(0, vec![], vec![label(2, "b")]))]).await.unwrap();
    assert_eq!(bench.ask("SELECT count(*) FROM t").await, "2");
}
