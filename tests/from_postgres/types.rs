//! Every column type of PostgreSQL at its edges, once through the snapshot, once inserted and once updated in the stream: always the text
//! that the source prints. What is not carried is refused by name.

use super::Crm;

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

fn table() -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    // bigserial brings NOT NULL.
    let table =
        format!("CREATE TABLE t (id int PRIMARY KEY, {}); ALTER TABLE t ALTER counted DROP NOT NULL;", columns.join(", "));
    format!("{TYPES} {table} {}", inserts(0))
}

/// Rows that use every literal of every column at least once, ids from `first`; the last is all NULL.
fn inserts(first: usize) -> String {
    let rows = COLUMNS.iter().map(|(_, _, literals)| literals.len()).max().unwrap();
    let row = |number: usize| {
        let literal =
            |literals: &[&str]| if number == rows { "NULL".to_owned() } else { literals[number % literals.len()].to_owned() };
        let literals: Vec<String> = COLUMNS.iter().map(|(_, _, literals)| literal(literals)).collect();
        format!("INSERT INTO t VALUES ({}, {});", first + number, literals.join(", "))
    };
    (0..=rows).map(row).collect()
}

fn mapping() -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, ..)| format!("t.{name} AS {name}")).collect();
    format!(
        "version: 1\nmapping: crm\nsource: crm\ntarget: order-db\ntables:\n  kinds:\n    key: [id]\n    sql: |\n      SELECT t.id AS id, {} FROM app.t t\n",
        columns.join(", ")
    )
}

impl Crm {
    /// Every column of both sides as PostgreSQL prints it.
    async fn same_texts(&self) -> usize {
        let (mut count, mut faults) = (0, Vec::new());
        for (name, ..) in COLUMNS {
            let texts =
                |table: &str| format!("SET TimeZone = 'UTC'; SELECT id || ' ' || coalesce({name}::text, 'NULL') FROM {table}");
            let wanted = self.texts("legacy", &texts("app.t")).await;
            let found = self.texts("service", &texts("public.kinds")).await;
            count += wanted.len();
            if wanted != found {
                faults.push(format!("{name}: {wanted:?} arrived as {found:?}"));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        count
    }

    async fn texts(&self, database: &str, sql: &str) -> Vec<String> {
        let client = self.server.connect(database).await.unwrap();
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_postgresql_arrives_as_its_text() {
    let Some(crm) = Crm::with(&table(), "app.t", &mapping()).await else { return };
    // What a session prints must not matter.
    crm.server.execute("postgres", "ALTER DATABASE legacy SET TimeZone = 'Asia/Seoul'").await.unwrap();
    crm.server.execute("postgres", "ALTER DATABASE service SET TimeZone = 'America/St_Johns'").await.unwrap();
    crm.strangler(&["check"]).await.expect(0);
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let loaded = crm.same_texts().await;
    assert!(loaded > 500, "{loaded}");
    let assigned: Vec<String> = COLUMNS.iter().map(|(name, ..)| format!("{name} = o.{name}")).collect();
    let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    let empty: Vec<&str> = names.iter().map(|_| "NULL").collect();
    let writes = format!(
        "SET search_path = app; SET TimeZone = 'Asia/Kathmandu'; {} INSERT INTO t (id, {}) SELECT id + 2000, {} FROM t WHERE id < 100; \
         UPDATE t SET {} FROM t o WHERE t.id = o.id + 2000",
        inserts(1_000),
        names.join(", "),
        empty.join(", "),
        assigned.join(", ")
    );
    crm.server.execute("legacy", &writes).await.unwrap();
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    assert!(crm.same_texts().await > 2 * loaded);
    crm.strangler(&["verify"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_objects_and_arrays_of_domains_are_refused_by_name() {
    let tables = "CREATE SCHEMA app; CREATE DOMAIN app.code AS text; \
                  CREATE TABLE app.t (id int PRIMARY KEY, kind regclass, kinds regtype[], codes app.code[])";
    let mapping = "version: 1\nmapping: crm\nsource: crm\ntarget: order-db\ntables:\n  kinds:\n    key: [id]\n    \
                   sql: SELECT t.id AS id, t.kind AS kind, t.kinds AS kinds, t.codes AS codes FROM app.t t\n";
    let Some(crm) = Crm::with(tables, "app.t", mapping).await else { return };
    crm.strangler(&["check"]).await.expect(65).names(&["regclass", "regtype[]", "app.code[]"]);
}
