//! The oracle itself: it must find what is wrong, or its silence means nothing. The program has no part in this.

use super::on_mariadb;
use crate::support::oracle;
use crate::support::project::Project;
use crate::support::servers::Pair;

const MAPPING: &str = "\
version: 1
mapping: types
source: erp
target: order-db
tables:
  kinds:
    key: [id]
    sql: SELECT id, small, big, money, single, many, word, raw, day, moment, span FROM o_kinds
";

async fn two_sides(pair: &Pair, test: &str) -> Project {
    let project = Project::new(pair, test).await;
    let rows = "(1, -1, 18446744073709551615, 12.50, 0.1, 1e300, 'a ', x'00ff', '2024-02-29', '2024-01-02 03:04:05.120', '-00:00:01.5'), \
                (2, NULL, 0, -0.01, NULL, -0.0, '가😀', x'', '9999-12-31', '1000-01-01', '838:59:59'), \
                (3, 127, 1, 0, 3.4e38, 0.1, '', NULL, NULL, NULL, NULL)";
    project
        .legacy(&[
            "CREATE TABLE o_kinds (id INT PRIMARY KEY, small TINYINT, big BIGINT UNSIGNED, money DECIMAL(10,2), single FLOAT, \
             many DOUBLE, word VARCHAR(10), raw VARBINARY(4), day DATE, moment DATETIME(3), span TIME(1))",
            &format!("INSERT INTO o_kinds VALUES {rows}"),
        ])
        .await;
    project
        .service(
            "CREATE TABLE kinds (id int PRIMARY KEY, small smallint, big numeric(20,0), money numeric(12,4), single real, \
             many double precision, word text, raw bytea, day date, moment timestamp(3), span interval); \
             INSERT INTO kinds VALUES \
             (1, -1, 18446744073709551615, 12.5, 0.1, 1e300, 'a ', '\\x00ff', '2024-02-29', '2024-01-02 03:04:05.12', '-1.5 seconds'), \
             (2, NULL, 0, -0.01, NULL, 0, '가😀', '', '9999-12-31', '1000-01-01', '838:59:59'), \
             (3, 127, 1, 0, 3.4e38, 0.1, '', NULL, NULL, NULL, NULL)",
        )
        .await;
    project.write("mappings/types.yaml", MAPPING);
    project
}

#[tokio::test]
async fn the_oracle_takes_equal_values_as_equal_and_finds_every_other() {
    let (_pair, project) = on_mariadb!(two_sides, "oracle");
    assert_eq!(oracle::compare(&project).await, (3, Vec::new()));
    for (column, value) in [
        ("small", "NULL"),
        ("big", "18446744073709551614"),
        ("money", "12.5001"),
        ("single", "0.10000001"),
        ("many", "1.0000000000000002e300"),
        ("word", "'a'"),
        ("raw", "'\\x00fe'"),
        ("day", "'2024-03-01'"),
        ("moment", "'2024-01-02 03:04:05.121'"),
        ("span", "'1.5 seconds'"),
    ] {
        project.service(&format!("UPDATE kinds SET {column} = {value} WHERE id = 1")).await;
        let (_, differences) = oracle::compare(&project).await;
        assert_eq!(differences.len(), 1, "{column}: {differences:?}");
        assert!(differences[0].contains(column), "{differences:?}");
        let original = "DELETE FROM kinds WHERE id = 1; INSERT INTO kinds VALUES (1, -1, 18446744073709551615, 12.5, 0.1, 1e300, 'a ', \
             '\\x00ff', '2024-02-29', '2024-01-02 03:04:05.12', '-1.5 seconds')";
        project.service(original).await;
    }
    project.service("DELETE FROM kinds WHERE id = 2").await;
    project.service("INSERT INTO kinds (id) VALUES (9)").await;
    let (_, differences) = oracle::compare(&project).await;
    assert_eq!(differences.len(), 2);
    assert!(differences[0].contains("missing") && differences[1].contains("surplus"), "{differences:?}");
}
