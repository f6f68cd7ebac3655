//! What exists is compared by name; what is missing is granted by name.

use super::*;
use crate::error::Class;
use crate::finding::Severity;
use crate::target::{TableDifference, TableState};

fn messages(state: TableState) -> Vec<String> {
    match state {
        TableState::Differs(differences) => {
            differences.into_iter().map(|TableDifference { object, message }| format!("{object} {message}")).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_differs_is_told_by_name_and_no_row_is_written() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        assert_eq!(bench.target.inspect(&table).await.unwrap(), TableState::Absent);
        let start = bench.begin(tables).await;
        assert_eq!(bench.target.inspect(&table).await.unwrap(), TableState::Present { has_rows: false });
        let trigger = "CREATE TRIGGER watch BEFORE INSERT ON t FOR EACH ROW SET NEW.label = 'changed'";
        let child = "CREATE TABLE child (id bigint, FOREIGN KEY of_t (id) REFERENCES t (id) ON DELETE CASCADE) ENGINE=InnoDB";
        for (alteration, back, expected) in [
            ("ALTER TABLE t ADD extra int", "ALTER TABLE t DROP extra", "t.extra is an extra column"),
            ("ALTER TABLE t MODIFY label varchar(39)", "ALTER TABLE t MODIFY label varchar(40)", "t.label is varchar(39)"),
            ("ALTER TABLE t MODIFY label varchar(40) NOT NULL", "ALTER TABLE t MODIFY label varchar(40)", "t.label is NOT NULL"),
            (
                "ALTER TABLE t MODIFY label varchar(40) CHARACTER SET latin1",
                "ALTER TABLE t MODIFY label varchar(40)",
                "t.label has the collation latin1_swedish_ci",
            ),
            ("ALTER TABLE t ENGINE=MyISAM", "ALTER TABLE t ENGINE=InnoDB", "t is of engine MyISAM"),
            ("ALTER TABLE t DROP PRIMARY KEY", "ALTER TABLE t ADD PRIMARY KEY (id)", "t has no primary key"),
            (trigger, "DROP TRIGGER watch", "t has the trigger watch"),
            (child, "DROP TABLE child", "t is referenced by the foreign key"),
            ("RENAME TABLE t TO u", "RENAME TABLE u TO t", ""),
            (
                "ALTER TABLE t DROP label, ADD label varchar(40) AS ('x')",
                "ALTER TABLE t DROP label, ADD label varchar(40)",
                "t.label is a generated",
            ),
        ] {
            bench.run(&[alteration]).await;
            let state = bench.target.inspect(&table).await.unwrap();
            if expected.is_empty() {
                assert_eq!(state, TableState::Absent);
            } else {
                let found = messages(state);
                assert!(found.iter().any(|message| message.starts_with(expected)), "{expected}: {found:?}");
            }
            // The stamp of the first look is gone or outdated: nothing is written under an altered definition.
            let error = bench.target.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap_err();
            assert_eq!(error.class(), Class::Preflight, "{alteration}: {error:?}");
            bench.run(&[back]).await;
            assert_eq!(bench.target.inspect(&table).await.unwrap(), TableState::Present { has_rows: false }, "{back}");
        }
    }
}

#[tokio::test]
async fn f104_a_table_altered_while_the_engine_runs_is_noticed_in_the_transaction() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let first = next(&start);
        bench.target.apply(&[(first.clone(), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap();
        bench.run(&["CREATE TRIGGER watch BEFORE INSERT ON t FOR EACH ROW SET NEW.label = 'changed'"]).await;
        let write = || batch(0, vec![], vec![label(2, "y")]);
        let error = bench.target.apply(&[(next(&first.next), tables, write())]).await.unwrap_err();
        assert_eq!(error.class(), Class::Preflight);
        assert!(error.message().contains("trigger watch"), "{error:?}");
        // What the mapping does not mind is accepted: an index, a comment.
        bench.run(&["DROP TRIGGER watch", "CREATE INDEX by_label ON t (label)", "ALTER TABLE t COMMENT 'x'"]).await;
        bench.target.apply(&[(next(&first.next), tables, write())]).await.unwrap();
        assert_eq!(bench.ask("SELECT GROUP_CONCAT(label ORDER BY id) FROM t").await, "x,y");
    }
}

#[tokio::test]
async fn a_loose_collation_in_a_key_is_refused() {
    for bench in Bench::all().await {
        let code = MySqlType::Varchar { length: 20, collation: bench.exact() };
        let table = table("t", 1, &[("code", code)]);
        for collation in ["utf8mb4_general_ci", "utf8mb4_bin"] {
            bench
                .run(&["DROP TABLE IF EXISTS t", &format!("CREATE TABLE t (code varchar(20) COLLATE {collation} PRIMARY KEY)")])
                .await;
            let found = messages(bench.target.inspect(&table).await.unwrap());
            assert!(found.iter().any(|message| message.contains("different keys may be equal")), "{collation}: {found:?}");
        }
    }
}

#[tokio::test]
async fn indexes_are_made_once_whatever_their_name() {
    for bench in Bench::all().await {
        let mut table = bench.labels("t");
        table.indexes = vec![vec![1], vec![1, 0]];
        bench.begin(std::slice::from_ref(&table)).await;
        bench.run(&["CREATE INDEX other_name ON t (label)", "CREATE INDEX ix_label_id ON t (label(5))"]).await;
        for _ in 0..2 {
            bench.target.create_indexes(&table).await.unwrap();
        }
        let count = "SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't'";
        assert_eq!(bench.ask(count).await, "4", "the primary key, two that were there, one that was missing");
    }
}

#[tokio::test]
async fn every_missing_grant_is_named_and_its_remedy_is_enough() {
    for bench in Bench::all().await {
        let mut table = bench.labels("t");
        table.indexes = vec![vec![1]];
        let tables = std::slice::from_ref(&table);
        bench.run(&["CREATE USER app@'127.0.0.1' IDENTIFIED BY 'pw-canary'", "GRANT USAGE ON shop.* TO app@'127.0.0.1'"]).await;
        bench.run(&["GRANT SHOW VIEW ON shop.* TO app@'127.0.0.1'"]).await;
        let mut options = bench.options.clone();
        options.user = "app".into();
        options.password = Some(Secret::new("pw-canary"));
        let limited = MySqlTarget::new(options);
        let found = limited.preflight(tables).await.unwrap();
        let lacking: Vec<_> = found.iter().filter(|finding| finding.severity == Severity::Privilege).collect();
        assert_eq!(lacking.len(), 2, "{found:?}");
        for finding in &lacking {
            bench.run(&[finding.remedy.trim_end_matches(';')]).await;
        }
        let again = MySqlTarget::new(MySqlOptions {
            user: "app".into(),
            password: Some(Secret::new("pw-canary")),
            ..bench.options.clone()
        });
        let found = again.preflight(tables).await.unwrap();
        assert!(found.iter().all(|finding| finding.severity < Severity::Refused), "{found:?}");
        again.create(tables).await.unwrap();
        let start = again.take_over(None, row("m", "state-1", 0)).await.unwrap();
        again.load(&table, &[label(1, "x")], &next(&start)).await.unwrap();
        again.create_indexes(&table).await.unwrap();
        assert!(!format!("{found:?}").contains("canary"));
    }
}

#[tokio::test]
async fn the_other_family_and_a_read_only_server_are_refused() {
    for bench in Bench::all().await {
        let mut options = bench.options.clone();
        options.kind = if options.kind == TargetKind::MySql { TargetKind::MariaDb } else { TargetKind::MySql };
        let error = MySqlTarget::new(options).checkpoint("m").await.unwrap_err();
        assert_eq!(error.class(), Class::Preflight);
        assert!(error.hint().is_some_and(|hint| hint.contains("://")), "{error:?}");
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        bench.run(&["CREATE USER app@'127.0.0.1' IDENTIFIED BY 'pw'", "GRANT ALL ON shop.* TO app@'127.0.0.1'"]).await;
        bench.run(&["SET GLOBAL read_only = ON"]).await;
        let mut options = bench.options.clone();
        options.user = "app".into();
        options.password = Some(Secret::new("pw"));
        let app = MySqlTarget::new(options);
        let found = app.preflight(tables).await.unwrap();
        assert!(found.iter().any(|finding| finding.check == "read_only" && finding.severity == Severity::Refused), "{found:?}");
        let error = app.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{error:?}");
        bench.run(&["SET GLOBAL read_only = OFF"]).await;
        app.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap();
    }
}
