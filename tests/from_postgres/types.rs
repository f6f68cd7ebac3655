//! Every column type of PostgreSQL at its edges, once through the snapshot, once inserted and once updated in the stream: always the text
//! that the source prints, and to MySQL and MariaDB the same value. What is not carried is refused by name.

use crate::support::project::Project;
use crate::support::servers::{Database, Pair, own_pair};

const TYPES: &str = "
  CREATE SCHEMA app;
  SET search_path = app;
  CREATE TYPE mood AS ENUM ('sad', 'ok', '행복');
  CREATE TYPE place AS (street text, no int, at point);
  CREATE TYPE spans AS RANGE (subtype = float8);
  CREATE DOMAIN code AS varchar(8) CHECK (VALUE <> '');
  CREATE DOMAIN amount AS numeric(12,3);";

/// Column, its type, and literals at the edges; NULL is added to each.
const COLUMNS: &[(&str, &str, &[&str])] = &[
    ("flag", "boolean", &["true", "false"]),
    ("small", "smallint", &["-32768", "32767"]),
    ("whole", "integer", &["-2147483648", "2147483647"]),
    ("big", "bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("counted", "bigserial", &["0", "7"]),
    (
        "exact",
        "numeric",
        &["'NaN'", "'Infinity'", "'-Infinity'", "12345678901234567890.1234567890123456789012345678", "1e-30", "-0.000", "1e40"],
    ),
    ("price", "numeric(10,2)", &["-99999999.99", "0.01", "'NaN'", "0.00"]),
    ("round_up", "numeric(5,-2)", &["1250", "-99999", "0"]),
    ("tiny_part", "numeric(2,4)", &["0.0099", "-0.0001"]),
    ("single", "real", &["'NaN'", "'-Infinity'", "3.4028235e38", "1e-45", "0.1", "16777217", "'-0'"]),
    ("double_one", "double precision", &["'NaN'", "'Infinity'", "1.7976931348623157e308", "5e-324", "0.1", "'-0'"]),
    ("cash", "money", &["'-92233720368547758.08'", "'12.34'", "0"]),
    ("fixed", "char(5)", &["'a'", "''", "'가나다라마'"]),
    ("bare", "bpchar", &["'a  '", "''"]),
    ("word", "varchar(20)", &["'trailing  '", "'😀 Renée 가'", "''"]),
    ("prose", "text", &["repeat('긴 글 ', 20000)", "''", r"E'tab\tnew\nback\\'"]),
    ("one_char", "\"char\"", &["'x'", "''"]),
    ("name_of", "name", &["'a name'"]),
    ("raw", "bytea", &[r"'\x00ff'", "''", "decode(repeat('00ff', 30000), 'hex')"]),
    ("day", "date", &["'infinity'", "'-infinity'", "'4713-11-24 BC'", "'5874897-12-31'", "'2024-02-29'"]),
    ("clock", "time", &["'00:00:00'", "'24:00:00'", "'23:59:59.999999'"]),
    ("clock_ms", "time(3)", &["'12:34:56.789'"]),
    ("clock_zone", "time with time zone", &["'12:34:56+09'", "'00:00:00-15:59'"]),
    (
        "moment",
        "timestamp",
        &["'infinity'", "'-infinity'", "'4713-11-24 00:00:00 BC'", "'294276-12-31 23:59:59.999999'", "'2024-03-10 02:30:00'"],
    ),
    ("moment_ms", "timestamp(3)", &["'2024-01-01 00:00:00.123'"]),
    (
        "instant",
        "timestamptz",
        &["'infinity'", "'4713-11-24 12:00:00+00 BC'", "'294276-12-31 12:00:00+00'", "'2024-11-03 05:30:00+00'"],
    ),
    ("instant_s", "timestamptz(0)", &["'2024-11-03 06:30:00+00'"]),
    (
        "span",
        "interval",
        &["'178000000 years'", "'-1 year -2 mons +3 days -04:05:06.789'", "'0'", "'-178000000 years'", "'100:00:00'"],
    ),
    ("span_months", "interval year to month", &["'1 year 5 mons'"]),
    ("span_ms", "interval(3)", &["'1.2345 seconds'"]),
    ("key", "uuid", &["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    ("doc", "json", &[r#"'{"a" : 1, "a": 1e400, "b":[ ]}'"#, "' null '"]),
    ("docb", "jsonb", &[r#"'{"bb": 1.50, "a": "한\u0041"}'"#, "'12345678901234567890123'", "'null'"]),
    ("path_of", "jsonpath", &["'$.a[*] ? (@ > 1)'"]),
    ("markup", "xml", &[r#"'<a b="1">한</a>'"#, "'text'"]),
    ("bits", "bit(3)", &["B'101'", "B'000'"]),
    ("bits_more", "bit varying(70)", &["B''", "B'1'", "repeat('10', 35)::varbit"]),
    ("address", "inet", &["'192.168.1.5/24'", "'::1'", "'10.0.0.1'"]),
    ("network", "cidr", &["'10.0.0.0/8'", "'2001:db8::/32'"]),
    ("mac", "macaddr", &["'08:00:2b:01:02:03'"]),
    ("mac_long", "macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("dot", "point", &["'(1.5,-0.1)'", "'(1e300,NaN)'"]),
    ("straight", "line", &["'{1,-1,0.5}'"]),
    ("segment", "lseg", &["'[(0,0),(1,1)]'"]),
    ("box_of", "box", &["'(1,1),(0,0)'"]),
    ("way", "path", &["'[(0,0),(1,1),(2,0)]'", "'((0,0),(1,1))'"]),
    ("area", "polygon", &["'((0,0),(1,1),(2,0))'"]),
    ("ring", "circle", &["'<(0,0),1.5>'"]),
    ("words", "tsvector", &["'''a'':1 ''한'':2A'", "''"]),
    ("search", "tsquery", &["'''a'' & !''b'' | ''c'':*'"]),
    ("ints", "int4range", &["'[1,5)'", "'empty'", "'(,)'", "'[3,]'"]),
    ("bigs", "int8range", &["'[1,9223372036854775807)'"]),
    ("nums", "numrange", &["'(1.50,2.0]'", "'[,NaN]'"]),
    ("moments", "tsrange", &["'[2024-01-01 00:00:00,infinity]'"]),
    ("instants", "tstzrange", &["'[2024-01-01 00:00:00+00,2024-03-10 07:00:00+00)'"]),
    ("days", "daterange", &["'[2024-01-01,2024-02-01)'", "'(,2024-01-01)'"]),
    ("own_range", "spans", &["'[0.1,2.5)'"]),
    ("many_ints", "int4multirange", &["'{[1,3),[5,9)}'", "'{}'"]),
    ("many_days", "datemultirange", &["'{[2024-01-01,2024-02-01)}'"]),
    ("many_nums", "nummultirange", &["'{[1.0,2.5]}'"]),
    ("lsn", "pg_lsn", &["'16/B374D848'", "'0/0'"]),
    ("number_of", "oid", &["4294967295", "0"]),
    ("shot", "pg_snapshot", &["'10:20:10,14'"]),
    ("feeling", "mood", &["'sad'", "'행복'"]),
    ("place_of", "place", &[r#"ROW('a "street", b', 7, '(1,2)')::app.place"#, "ROW(NULL, NULL, NULL)::app.place"]),
    ("coded", "code", &["'ab'", "'가나다라'"]),
    ("amounts", "amount", &["-123456789.123", "0"]),
    ("list_int", "int[]", &["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'"]),
    ("list_text", "text[]", &[r#"'{"a,b",NULL,"null","q\"x",한글,""}'"#]),
    ("list_num", "numeric(6,2)[]", &["'{1.50,NaN,-0.01}'"]),
    ("list_float", "double precision[]", &["'{0.1,NaN,-Infinity,1e300}'"]),
    ("list_day", "date[]", &["'{2024-02-29,infinity}'"]),
    ("list_moment", "timestamp[]", &[r#"'{"2024-01-01 00:00:00.5"}'"#]),
    ("list_uuid", "uuid[]", &["'{00000000-0000-0000-0000-000000000000}'"]),
    ("list_mood", "mood[]", &["'{sad,NULL,행복}'"]),
    ("list_place", "place[]", &["ARRAY[ROW('a,b', 1, '(0,0)')::app.place]"]),
    ("list_json", "jsonb[]", &[r#"ARRAY['{"a": 1}', '[1]']::jsonb[]"#]),
    ("list_bool", "boolean[]", &["'{t,f,NULL}'"]),
    ("list_bytes", "bytea[]", &[r"ARRAY['\x00ff'::bytea, '']"]),
    ("list_ip", "inet[]", &["'{10.0.0.1,::1}'"]),
    ("list_span", "interval[]", &[r#"'{"1 mon",-01:00:00}'"#]),
];

/// What no date, time or number of MySQL and MariaDB holds: each is refused by name.
const BEYOND_MYSQL: [&str; 7] = ["NaN", "nfinity", "BC", "5874897", "294276", "1e40", "1e400"];

/// The literals of a column that a target holds.
fn literals(literals: &[&'static str], kind: &str, target: Database) -> Vec<&'static str> {
    let is_text = ["json", "range", "[]", "point", "oid"].iter().any(|text| kind.contains(text)) && kind != "jsonb";
    let held =
        |literal: &&&str| target == Database::Postgres || is_text || !BEYOND_MYSQL.iter().any(|beyond| literal.contains(beyond));
    literals.iter().filter(held).copied().collect()
}

/// How a column is selected, and its declared type: what a target has no type for is cast by the source or declared.
fn selected(name: &str, kind: &str, target: Database) -> (String, Option<&'static str>) {
    if target == Database::Postgres {
        return (format!("t.{name}"), None);
    }
    match kind {
        // A scale below zero or beyond the precision is none of MySQL either.
        "numeric" | "numeric(5,-2)" | "numeric(2,4)" => (format!("t.{name}"), Some("decimal(65,30)")),
        // A json column of MySQL has no decimals.
        "jsonb" => (format!("t.{name}"), Some("longtext")),
        _ if kind.starts_with("interval") && !kind.ends_with("[]") => (format!("CAST(t.{name} AS text)"), None),
        _ => (format!("t.{name}"), None),
    }
}

fn table(target: Database) -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    // bigserial brings NOT NULL.
    let table =
        format!("CREATE TABLE t (id int PRIMARY KEY, {}); ALTER TABLE t ALTER counted DROP NOT NULL;", columns.join(", "));
    format!("{TYPES} {table} {}", inserts(0, target))
}

/// Rows that use every literal of every column at least once, ids from `first`; the last is all NULL.
fn inserts(first: usize, target: Database) -> String {
    let columns: Vec<Vec<&str>> = COLUMNS.iter().map(|(_, kind, all)| literals(all, kind, target)).collect();
    let rows = columns.iter().map(Vec::len).max().unwrap();
    let row = |number: usize| {
        let literal = |literals: &Vec<&'static str>| match literals.as_slice() {
            some @ [_, ..] if number < rows => some[number % some.len()],
            _ => "NULL",
        };
        let literals: Vec<&str> = columns.iter().map(literal).collect();
        format!("INSERT INTO t VALUES ({}, {});", first + number, literals.join(", "))
    };
    (0..=rows).map(row).collect()
}

fn mapping(target: Database) -> String {
    let mut columns = Vec::new();
    let mut declared = String::new();
    for (name, kind, _) in COLUMNS {
        let (expression, target_type) = selected(name, kind, target);
        columns.push(format!("{expression} AS {name}"));
        if let Some(target_type) = target_type {
            declared += &format!("      {name}: {{ type: \"{target_type}\" }}\n");
        }
    }
    let declared = if declared.is_empty() { declared } else { format!("    columns:\n{declared}") };
    format!(
        "version: 1\nmapping: crm\nsource: erp\ntarget: order-db\ntables:\n  kinds:\n    key: [id]\n    sql: |\n      SELECT t.id AS id, {} FROM app.t t\n{declared}",
        columns.join(", ")
    )
}

async fn project(tables: &str, mapping: &str, target: Database, test: &str) -> Option<(Pair, Project)> {
    let pair = own_pair(Database::Postgres, target).await?;
    let project = Project::new(&pair, test).await;
    project.legacy(&[tables, "CREATE PUBLICATION erp_out FOR TABLE app.t"]).await;
    project.write("mappings/crm.yaml", mapping);
    Some((pair, project))
}

/// Every column of both sides as PostgreSQL prints it.
async fn same_texts(project: &Project) -> usize {
    let (mut count, mut faults) = (0, Vec::new());
    for (name, ..) in COLUMNS {
        let question =
            |table: &str| format!("SET TimeZone = 'UTC'; SELECT id || ' ' || coalesce({name}::text, 'NULL') FROM {table}");
        let wanted = texts(&project.source_client().await, &question("app.t")).await;
        let found = texts(&project.target_client().await, &question("public.kinds")).await;
        count += wanted.len();
        if wanted != found {
            faults.push(format!("{name}: {wanted:?} arrived as {found:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    count
}

async fn texts(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows: Vec<String> = messages
        .into_iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().to_owned()),
            _ => None,
        })
        .collect();
    rows.sort();
    rows
}

/// Everything loaded, then inserted and updated in the stream, in sessions of other time zones.
async fn every_type_arrives(target: Database, test: &str) -> Option<(Pair, Project)> {
    let (pair, project) = project(&table(target), &mapping(target), target, test).await?;
    if target == Database::Postgres {
        // What a session prints must not matter.
        project.legacy(&[&format!("ALTER DATABASE {} SET TimeZone = 'Asia/Seoul'", project.name)]).await;
        project.service(&format!("ALTER DATABASE {} SET TimeZone = 'America/St_Johns'", project.name)).await;
    }
    project.strangler(&["check"]).await.expect(0);
    assert!(project.settle().await > 4);
    let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    let assigned: Vec<String> = names.iter().map(|name| format!("{name} = o.{name}")).collect();
    let empty: Vec<&str> = names.iter().map(|_| "NULL").collect();
    let writes = format!(
        "SET search_path = app; SET TimeZone = 'Asia/Kathmandu'; {} INSERT INTO t (id, {}) SELECT id + 2000, {} FROM t WHERE id < 100; \
         UPDATE t SET {} FROM t o WHERE t.id = o.id + 2000",
        inserts(1_000, target),
        names.join(", "),
        empty.join(", "),
        assigned.join(", ")
    );
    project.legacy(&[&writes]).await;
    assert!(project.settle().await > 12);
    project.strangler(&["verify"]).await.expect(0);
    project.strangler(&["diff"]).await.expect(0);
    Some((pair, project))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_postgresql_arrives_as_its_text() {
    let Some((_pair, project)) = every_type_arrives(Database::Postgres, "types_postgres").await else { return };
    assert!(same_texts(&project).await > 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_postgresql_arrives_in_mariadb() {
    every_type_arrives(Database::MARIADB, "types_mariadb").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_postgresql_arrives_in_mysql() {
    every_type_arrives(Database::MYSQL, "types_mysql").await;
}

/// Values that PostgreSQL has and MySQL has not stop the mapping by the column's name; when they are mended, it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_mysql_cannot_hold_stops_by_name_and_goes_on_when_mended() {
    let tables = "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, price numeric(10,2), at timestamp, day date, half real, doc jsonb); \
                  INSERT INTO app.t VALUES (1, 1.50, '2024-01-01', '2024-01-01', 0.5, '{\"a\": 1}')";
    let mapping = "version: 1\nmapping: crm\nsource: erp\ntarget: order-db\ntables:\n  kinds:\n    key: [id]\n    \
                   sql: SELECT t.id, t.price, t.at, t.day, t.half, t.doc FROM app.t t\n";
    let Some((_pair, project)) = project(tables, mapping, Database::MYSQL, "beyond_mysql").await else { return };
    assert_eq!(project.settle().await, 1);
    for (column, beyond) in [
        ("price", "'NaN'"),
        ("at", "'infinity'"),
        ("at", "'0044-03-15 BC'"),
        ("day", "'-infinity'"),
        ("day", "'10000-01-01'"),
        ("half", "'NaN'"),
        ("half", "'-Infinity'"),
        ("doc", "'[1.50]'"),
    ] {
        project.legacy(&[&format!("UPDATE app.t SET {column} = {beyond}")]).await;
        let stopped = project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["crm", column]);
        assert!(!stopped.text().contains("1.50"), "{}", stopped.text());
        project.legacy(&[&format!("UPDATE app.t SET {column} = NULL")]).await;
        assert_eq!(project.settle().await, 1, "{column} = {beyond}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_target_has_a_type_for_is_refused_by_name() {
    let tables = "CREATE SCHEMA app; CREATE DOMAIN app.code AS text; \
                  CREATE TABLE app.t (id int PRIMARY KEY, kind regclass, kinds regtype[], codes app.code[], span interval, price numeric, \
                  word text NOT NULL UNIQUE)";
    let mapping = |columns: &str, key: &str| {
        format!(
            "version: 1\nmapping: crm\nsource: erp\ntarget: order-db\ntables:\n  kinds:\n    key: [{key}]\n    sql: SELECT {columns} FROM app.t t\n"
        )
    };
    let objects = mapping("t.id AS id, t.kind AS kind, t.kinds AS kinds, t.codes AS codes", "id");
    let Some((_pair, project)) = project(tables, &objects, Database::MARIADB, "types_refused").await else { return };
    project.strangler(&["check"]).await.expect(65).names(&["regclass", "regtype[]", "app.code[]"]);
    project.write("mappings/crm.yaml", &mapping("t.id, t.span, t.price", "id"));
    project.strangler(&["check"]).await.expect(65).names(&["span", "interval", "price", "decimal(30,10)"]);
    project.write("mappings/crm.yaml", &mapping("t.word, t.id", "word"));
    project.strangler(&["check"]).await.expect(65).names(&["word", "varchar(n)"]);
    let long = "c".repeat(65);
    project.write("mappings/crm.yaml", &mapping(&format!("t.id, t.word AS {long}"), "id"));
    let refused = project.strangler(&["check"]).await;
    assert!(matches!(refused.code, Some(65 | 78)) && refused.text().contains(&long), "{}", refused.text());
}
