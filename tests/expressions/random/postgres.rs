//! PostgreSQL as a database of random statements: a server in a temporary folder, and what its statements are made of.
// size: tables of templates and values

use strangler::demo::servers::{Postgres, ServerError, ServerOptions};
use strangler::schema::{
    Column, DataType, Flavor, Generated, POSTGRES_PINNED, SessionSettings, SourceCatalog, TableName, TableSchema, UniqueKey,
};
use strangler::sql::evaluate::evaluate;
use strangler::sql::postgres::typing;
use strangler::sql::query::{Expr, ExprKind};
use strangler::value::{Collation, PostgresCollation, Row, Value};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::super::OneRow;
use super::grammar::{ColumnName, Grammar, Kind, Tree};
use super::statement::{Output, Statement, columns_of, filters, outputs};
use super::world::{ColumnKind, RandomTable, State, World};
use super::{Answered, Dialect};

const ZONE: &str = "America/New_York";

/// A server with one session.
pub struct PostgresServer {
    runtime: tokio::runtime::Runtime,
    _server: Postgres,
    client: Client,
    catalog: SourceCatalog,
}

impl PostgresServer {
    /// `None` where no PostgreSQL is installed.
    pub fn start() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let started = runtime.block_on(Postgres::start(ServerOptions::with_args(["-cshared_buffers=16MB", "-cfsync=off"])));
        let server = match started {
            Ok(server) => server,
            Err(ServerError::Missing { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        let client = runtime.block_on(server.connect("postgres")).unwrap();
        let made = Self { runtime, _server: server, client, catalog: catalog() };
        for (name, value) in POSTGRES_PINNED {
            made.execute(&format!("SET {name} = '{value}'"));
        }
        made.execute(&format!("SET TimeZone = '{ZONE}'"));
        Some(made)
    }

    fn execute(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn catalog() -> SourceCatalog {
    let bytewise = PostgresCollation { deterministic: true, ordered_by_bytes: true, character_type: "C".into() };
    let collations = ["default", "C"].map(|name| (name.to_owned(), Collation::postgres(name, bytewise.clone())));
    SourceCatalog {
        flavor: Flavor::PostgreSql,
        version: (15, 0, 0),
        default_schema: "public".into(),
        tables: Vec::new(),
        collations: collations.into_iter().collect(),
        session: SessionSettings::postgres(ZONE, "default"),
    }
}

impl Dialect for PostgresServer {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn grammar(&self) -> &'static Grammar {
        &GRAMMAR
    }

    fn column_kinds(&self) -> &'static [ColumnKind] {
        COLUMN_KINDS
    }

    fn create(&self, tables: &[RandomTable]) -> SourceCatalog {
        for table in tables {
            self.execute(&format!("DROP TABLE IF EXISTS {}; {}", table.name, table.create()));
        }
        let mut tables: Vec<TableSchema> = tables.iter().map(schema).collect();
        tables.sort_by(|left, right| left.name.cmp(&right.name));
        SourceCatalog { tables, ..self.catalog.clone() }
    }

    fn fill(&self, tables: &[RandomTable], state: &State) {
        for (table, rows) in tables.iter().zip(state) {
            self.execute(&format!("DELETE FROM {}", table.name));
            let rows: Vec<String> = rows.iter().map(|(id, row)| format!("({id}, {})", row.join(", "))).collect();
            if !rows.is_empty() {
                self.execute(&format!("INSERT INTO {} VALUES {}", table.name, rows.join(", ")));
            }
        }
    }

    fn ask(&self, sql: &str) -> Result<Vec<Answered>, String> {
        let messages = self.runtime.block_on(self.client.simple_query(sql)).map_err(|error| match error.as_db_error() {
            Some(refused) => refused.message().to_owned(),
            None => error.to_string(),
        })?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).map(|text| text.as_bytes().to_vec())).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    fn canonical(&self, answer: Option<&[u8]>, data_type: &DataType) -> String {
        let Some(answer) = answer else { return "NULL".into() };
        let text = String::from_utf8_lossy(answer).into_owned();
        match data_type {
            DataType::Boolean => if text == "t" { "'true'" } else { "'false'" }.into(),
            DataType::Text { fixed: true, .. } => format!("'{}'", text.trim_end_matches(' ')),
            _ => format!("'{text}'"),
        }
    }

    fn print(&self, value: &Value, data_type: &DataType) -> String {
        if value.is_null() {
            return "NULL".into();
        }
        let literal = Expr { kind: ExprKind::Literal(value.clone()), data_type: data_type.clone(), nullable: false, span: 0..0 };
        let text = DataType::Text { length: None, fixed: false, charset: "UTF8".into(), collation: "default".into() };
        let printed = typing::coerce(literal, &text, &self.catalog).unwrap_or_else(|_| panic!("{data_type:?} has no text"));
        match evaluate(&printed, &OneRow(&Row::default())) {
            Ok(Value::Text(text)) => format!("'{text}'"),
            other => panic!("{value:?}: {other:?}"),
        }
    }

    fn value(&self, answer: Option<Vec<u8>>, data_type: &DataType) -> Value {
        let Some(answer) = answer else { return Value::Null };
        let text = String::from_utf8(answer).unwrap();
        match data_type {
            DataType::Array { .. } | DataType::Native { .. } | DataType::NamedEnum { .. } => return Value::text(text),
            DataType::Boolean => return Value::Bool(text == "t"),
            _ => {}
        }
        let literal = typing::coerce(typing::literal_string(&text, 0..0), data_type, &self.catalog);
        evaluate(&literal.unwrap_or_else(|_| panic!("{text} as {data_type:?}")), &OneRow(&Row::default())).unwrap()
    }
}

fn schema(table: &RandomTable) -> TableSchema {
    let column = |name: &str, data_type: DataType, nullable: bool| Column {
        name: name.into(),
        data_type,
        native_type: String::new(),
        nullable,
        generated: Generated::No,
        comment: String::new(),
    };
    let integer = || DataType::Integer { bits: 32, unsigned: false };
    let mut columns = vec![column("id", integer(), false)];
    columns.extend(table.references.iter().map(|reference| column(reference, integer(), true)));
    columns.extend(table.columns.iter().map(|own| column(&own.name, data_type(own.kind.declared), own.nullable)));
    TableSchema {
        name: TableName { schema: "public".into(), name: table.name.into() },
        columns,
        primary_key: Some(UniqueKey { name: format!("{}_pkey", table.name), columns: vec![0] }),
        unique_keys: Vec::new(),
        engine: "heap".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 10,
        revision: String::new(),
    }
}

fn data_type(declared: &str) -> DataType {
    let text = |length, fixed| DataType::Text { length, fixed, charset: "UTF8".into(), collation: "default".into() };
    let integer = |bits| DataType::Integer { bits, unsigned: false };
    match declared {
        "SMALLINT" => integer(16),
        "INT" => integer(32),
        "BIGINT" => integer(64),
        "NUMERIC(10,2)" => DataType::Decimal { precision: 10, scale: 2, unsigned: false },
        "NUMERIC(18,6)" => DataType::Decimal { precision: 18, scale: 6, unsigned: false },
        "NUMERIC" => DataType::Numeric,
        "REAL" => DataType::Float,
        "DOUBLE PRECISION" => DataType::Double,
        "TEXT" => text(None, false),
        "VARCHAR(12)" => text(Some(12), false),
        "CHAR(8)" => text(Some(8), true),
        "DATE" => DataType::Date,
        "TIMESTAMP" => DataType::DateTime { fraction: 6 },
        "TIMESTAMP(3)" => DataType::DateTime { fraction: 3 },
        "TIMESTAMPTZ" => DataType::TimestampTz { fraction: 6 },
        "TIME" => DataType::TimeOfDay { fraction: 6 },
        "INTERVAL" => DataType::Interval,
        "BOOLEAN" => DataType::Boolean,
        "JSONB" => DataType::Jsonb,
        "TEXT[]" => DataType::Array { element: Box::new(text(None, false)) },
        other => panic!("{other}"),
    }
}

pub const GRAMMAR: Grammar = Grammar {
    templates: TEMPLATES,
    constants: CONSTANTS,
    aggregates: AGGREGATES,
    outputs: &Kind::ALL,
    own: &[distinct_on, lateral, first_of],
};

/// The first row per group, by an order over what may be NULL.
fn distinct_on(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let columns = columns_of(world, "s");
    let order = order(random, grammar, &columns);
    let mut filters = filters(random, grammar, &columns);
    filters.push(Tree::Leaf("s.r_id IS NOT NULL".into()));
    Statement {
        key: "s.r_id".into(),
        before: "DISTINCT ON (s.r_id) ".into(),
        outputs: outputs(random, grammar, &columns),
        from: "s".into(),
        filters,
        after: format!(" ORDER BY s.r_id, {order}, s.id"),
        ..Statement::default()
    }
}

/// A row beside each row of `r`, or none.
fn lateral(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let (outer, inner) = (columns_of(world, "r"), columns_of(world, "s"));
    let kind = Kind::ALL[random.usize(0..Kind::ALL.len())];
    let shown = Tree::random(random, grammar, &inner, kind, 2).render();
    let order = order(random, grammar, &inner);
    let join = ["LEFT JOIN", "JOIN"][random.usize(0..2)];
    let mut outputs = outputs(random, grammar, &outer);
    outputs.push(Output::plain(Tree::Leaf("x.v".into())));
    Statement {
        key: "r.id".into(),
        outputs,
        from: "r".into(),
        joins: vec![format!(
            "{join} LATERAL (SELECT {shown} AS v, s.id FROM s WHERE s.r_id = r.id ORDER BY {order}, s.id LIMIT 1) x ON true"
        )],
        filters: filters(random, grammar, &outer),
        ..Statement::default()
    }
}

/// The first rows of groups, numbered and ranked.
fn first_of(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let inner = columns_of(world, "s");
    let kind = Kind::ALL[random.usize(0..Kind::ALL.len())];
    let shown = Tree::random(random, grammar, &inner, kind, 2).render();
    let order = order(random, grammar, &inner);
    let from = format!(
        "(SELECT s.id, s.r_id, {shown} AS v, row_number() OVER (PARTITION BY s.r_id ORDER BY {order}, s.id DESC) AS n, \
         rank() OVER (PARTITION BY s.r_id ORDER BY {order}) AS k FROM s) x"
    );
    let leaf = |text: &str| Output::plain(Tree::Leaf(text.into()));
    let (key, filters) = match random.bool() {
        true => ("x.r_id", vec![Tree::Leaf("x.n = 1 AND x.r_id IS NOT NULL".into())]),
        false => ("x.id", Vec::new()),
    };
    Statement { key: key.into(), outputs: vec![leaf("x.v"), leaf("x.n"), leaf("x.k")], from, filters, ..Statement::default() }
}

fn order(random: &mut fastrand::Rng, grammar: &Grammar, columns: &[ColumnName]) -> String {
    const KINDS: [Kind; 7] = [Kind::Integer, Kind::Decimal, Kind::Text, Kind::Date, Kind::DateTime, Kind::Truth, Kind::Interval];
    let kind = KINDS[random.usize(0..KINDS.len())];
    let tree = Tree::random(random, grammar, columns, kind, 1);
    // A constant would be the number of an output, or nothing at all.
    let tree = if tree.is_constant(grammar) { "s.id".to_owned() } else { tree.render() };
    let way = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC"][random.usize(0..5)];
    format!("{tree}{way}")
}

const AGGREGATES: &[(&str, Kind, &str)] = &[
    ("count(", Kind::Text, ")"),
    ("count(DISTINCT ", Kind::Integer, ")"),
    ("count(*) FILTER (WHERE ", Kind::Truth, ")"),
    ("sum(", Kind::Integer, ")"),
    ("sum(", Kind::Decimal, ")"),
    ("sum(", Kind::Decimal, ") FILTER (WHERE s.d_id > 2)"),
    ("sum(", Kind::Interval, ")"),
    ("avg(", Kind::Decimal, ")"),
    ("avg(", Kind::Integer, ")"),
    ("min(", Kind::Text, ")"),
    ("max(", Kind::Decimal, ")"),
    ("min(", Kind::Date, ")"),
    ("max(", Kind::DateTime, ")"),
    ("max(", Kind::Instant, ")"),
    ("min(", Kind::Time, ")"),
    ("max(", Kind::Integer, ")"),
    ("max(", Kind::Double, ")"),
    ("bool_and(", Kind::Truth, ")"),
    ("bool_or(", Kind::Truth, ")"),
    ("bit_or(", Kind::Integer, ")"),
    ("bit_and(", Kind::Integer, ")"),
    ("string_agg(", Kind::Text, ", '|' ORDER BY {order})"),
    ("string_agg(DISTINCT ", Kind::Text, ", '|')"),
    ("array_agg(", Kind::Text, " ORDER BY s.d_id DESC, {order})"),
    ("array_agg(", Kind::Integer, " ORDER BY {order})"),
    ("json_agg(", Kind::Integer, " ORDER BY s.d_id, {order})"),
    ("jsonb_agg(", Kind::Decimal, " ORDER BY {order})"),
    ("jsonb_agg(", Kind::Text, " ORDER BY {order} DESC)"),
];

const TEMPLATES: &[(Kind, &[&str])] = &[
    (
        Kind::Integer,
        &[
            "({I} + 1)",
            "({I} - {I})",
            "({I} * 3)",
            "({I} / NULLIF({I}, 0))",
            "({I} % NULLIF({I}, 0))",
            "abs({I})",
            "mod({I}, 7)",
            "length({T})",
            "char_length({T})",
            "octet_length({T})",
            "strpos({T}, 'a')",
            "position('b' in {T})",
            "ascii({T})",
            "extract(year from {A})::int",
            "extract(dow from {M})::int",
            "extract(week from {A})::int",
            "date_part('month', {Z})::int",
            "({A} - {A})",
            "CASE WHEN {B} THEN {I} ELSE {I} END",
            "CASE {I} WHEN {I} THEN {I} END",
            "coalesce({I}, {I})",
            "nullif({I}, {I})",
            "greatest({I}, {I})",
            "least({I}, 5)",
            "({I} & 255)",
            "({I} | 8)",
            "({I} # 3)",
            "(~{I})",
            "({I} << 2)",
            "({I} >> 1)",
            "floor({D})::bigint",
            "round({D})::bigint",
            "{B}::int",
            "sign({D})::int",
            "cardinality({Y})",
            "array_length({Y}, 1)",
            "regexp_count({T}, '[ab]')",
            "jsonb_array_length(jsonb_build_array({I}, {T}))",
            "date_part('day', {V})::int",
            "num_nulls({T}, {I})",
            "gcd({I}, 12)",
            "(-{I})",
            "length({J}::text)",
        ],
    ),
    (
        Kind::Decimal,
        &[
            "({D} + {D})",
            "({D} - {I})",
            "({D} * {D})",
            "({D} / NULLIF({D}, 0))",
            "({D} / 3)",
            "round({D}, 1)",
            "trunc({D}, 1)",
            "round({D}, -1)",
            "abs({D})",
            "({D} % NULLIF({D}, 0))",
            "coalesce({D}, {I})",
            "CASE WHEN {B} THEN {D} ELSE {I} END",
            "greatest({D}, {I})",
            "least({D}, {D})",
            "nullif({D}, {I})",
            "{I}::numeric",
            "{D}::numeric(20,1)",
            "ceil({D})",
            "floor({D})",
            "div({D}, NULLIF({D}, 0))",
            "extract(epoch from {M})",
            "extract(second from {C})",
            "extract(epoch from {V})",
            "trim_scale({D})",
            "mod({D}, 7)",
            "sign({D})",
            "{F}::numeric",
            "(-{D})",
            "({D} * 1.10)",
        ],
    ),
    (
        Kind::Double,
        &[
            "({F} * 2)",
            "abs({F})",
            "({F} + {I})",
            "sqrt(abs({F}))",
            "{D}::double precision",
            "floor({F})",
            "round({F})",
            "CASE WHEN {B} THEN {F} ELSE {F} END",
            "date_part('hour', {M})",
            "coalesce({F}, {I})",
            "{I}::real",
        ],
    ),
    (
        Kind::Text,
        &[
            "({T} || {T})",
            "({T} || {I})",
            "({A} || {T})",
            "concat({T}, {I}, {B})",
            "concat_ws('-', {T}, {T}, {A})",
            "left({T}, 3)",
            "right({T}, -1)",
            "substring({T}, 2, 3)",
            "substr({T}, 2)",
            "btrim({T})",
            "ltrim({T}, 'a ')",
            "rtrim({T})",
            "upper({T})",
            "lower({T})",
            "initcap({T})",
            "replace({T}, 'a', 'bc')",
            "translate({T}, 'ab', 'x')",
            "lpad({T}, 5, '*')",
            "rpad({T}, 6)",
            "reverse({T})",
            "repeat({T}, 2)",
            "split_part({T}, 'a', 1)",
            "overlay({T} placing 'XY' from 2 for 1)",
            "coalesce({T}, 'none')",
            "coalesce({T}, {T})",
            "nullif({T}, 'a')",
            "CASE WHEN {B} THEN {T} ELSE 'x' END",
            "CASE {T} WHEN 'a' THEN {T} ELSE {T} END",
            "{I}::text",
            "{D}::text",
            "{A}::text",
            "{M}::text",
            "{Z}::text",
            "{B}::text",
            "{F}::text",
            "{V}::text",
            "{C}::text",
            "{Y}::text",
            "to_char({M}, 'YYYY-MM-DD HH24:MI')",
            "to_char({A}, 'DD Mon YYYY')",
            "to_char({Z}, 'HH12:MI AM Dy')",
            "md5({T})",
            "quote_literal({T})",
            "to_hex({I})",
            "encode(convert_to({T}, 'UTF8'), 'base64')",
            "{T}::varchar(2)",
            "{T}::char(3)",
            "regexp_replace({T}, '[ab]+', '-', 'g')",
            "substring({T} from '[a-z]+')",
            "array_to_string({Y}, ',')",
            "array_to_string({Y}, ',', '-')",
            "({J} ->> 'a')",
            "({J} ->> 0)",
            "greatest({T}, {T})",
            "jsonb_typeof({J})",
            "{J}::text",
            "to_json({T})::text",
            "json_build_object('k', {D}, 't', {T})::text",
            "trim(both 'a' from {T})",
        ],
    ),
    (
        Kind::Date,
        &[
            "{M}::date",
            "{Z}::date",
            "({A} + 7)",
            "({A} - abs({I}) % 100)",
            "coalesce({A}, {A})",
            "CASE WHEN {B} THEN {A} END",
            "greatest({A}, {A})",
            "least({A}, {A})",
            "nullif({A}, {A})",
            "date_trunc('month', {A})::date",
            "to_date(to_char({A}, 'YYYYMMDD'), 'YYYYMMDD')",
            "({A} + {V})::date",
        ],
    ),
    (
        Kind::DateTime,
        &[
            "{A}::timestamp",
            "({M} + {V})",
            "({M} - interval '1 mon')",
            "({A} + {V})",
            "date_trunc('hour', {M})",
            "date_trunc('quarter', {M})",
            "coalesce({M}, {A})",
            "CASE WHEN {B} THEN {M} ELSE {A} END",
            "({A} + {C})",
            "greatest({M}, {A})",
            "{Z}::timestamp",
            "({Z} AT TIME ZONE 'Asia/Seoul')",
            "{M}::timestamp(0)",
        ],
    ),
    (
        Kind::Instant,
        &[
            "({M} AT TIME ZONE 'America/New_York')",
            "({Z} + {V})",
            "({Z} - interval '1 day')",
            "date_trunc('day', {Z})",
            "coalesce({Z}, {M})",
            "{M}::timestamptz",
            "{A}::timestamptz",
            "CASE WHEN {B} THEN {Z} END",
            "least({Z}, {A})",
        ],
    ),
    (
        Kind::Time,
        &[
            "{M}::time",
            "{Z}::time",
            "({C} + {V})",
            "({C} - interval '1 hour')",
            "CASE WHEN {B} THEN {C} END",
            "coalesce({C}, {C})",
            "greatest({C}, {C})",
            "{C}::time(0)",
        ],
    ),
    (
        Kind::Interval,
        &[
            "({M} - {M})",
            "({Z} - {Z})",
            "({V} + {V})",
            "({V} - {V})",
            "({V} * 2)",
            "({V} / 3)",
            "({C} - {C})",
            "age({M}, {M})",
            "age({A}, {A})",
            "justify_days({V})",
            "justify_hours({V})",
            "CASE WHEN {B} THEN {V} END",
            "coalesce({V}, {V})",
            "(-{V})",
            "date_trunc('day', {V})",
            "{C}::interval",
        ],
    ),
    (
        Kind::Json,
        &[
            "jsonb_build_object('a', {I}, 'b', {T})",
            "jsonb_build_object('a', {J})",
            "jsonb_build_array({D}, {B}, {A})",
            "jsonb_build_array({M}, {V}, {F})",
            "({J} -> 'a')",
            "({J} -> 0)",
            "to_jsonb({T})",
            "to_jsonb({D})",
            "coalesce({J}, {J})",
            "jsonb_strip_nulls({J})",
            "CASE WHEN {B} THEN {J} END",
        ],
    ),
    (
        Kind::Array,
        &[
            "string_to_array({T}, 'a')",
            "string_to_array({T}, ',', 'b')",
            "coalesce({Y}, {Y})",
            "CASE WHEN {B} THEN {Y} END",
            "regexp_split_to_array({T}, '[ab]')",
            "regexp_match({T}, '([a-z])(.)?')",
        ],
    ),
    (
        Kind::Truth,
        &[
            "({I} = {I})",
            "({D} < {I})",
            "({D} >= {D})",
            "({I} <> {D})",
            "({T} = {T})",
            "({T} < {T})",
            "({T} LIKE 'a%')",
            "({T} NOT LIKE '%b%')",
            "({T} LIKE {T})",
            "({T} ILIKE '%A%')",
            "({T} ~ '^[a-z]')",
            "({T} !~* 'B')",
            "({T} SIMILAR TO '%(a|b)%')",
            "({A} > {M})",
            "({A} = {A})",
            "({M} <= {Z})",
            "({Z} > {A})",
            "({A} >= '2020-06-15')",
            "({I} IN (1, 2, 3))",
            "({T} IN ('a', 'B', {T}))",
            "({I} BETWEEN 0 AND {I})",
            "({D} NOT BETWEEN {D} AND 5)",
            "({T} IS NULL)",
            "({D} IS NOT NULL)",
            "({B} AND {B})",
            "({B} OR {B})",
            "(NOT {B})",
            "({I} IS DISTINCT FROM {I})",
            "({T} IS NOT DISTINCT FROM {T})",
            "({B} IS TRUE)",
            "({B} IS NOT FALSE)",
            "({B} IS UNKNOWN)",
            "({B} = {B})",
            "({F} > {I})",
            "({C} > '10:00:00')",
            "({C} = {C})",
            "({V} > interval '1 day')",
            "({V} = {V})",
            "({J} @> jsonb_build_object('a', 1))",
            "({J} ? 'a')",
            "starts_with({T}, 'a')",
            "({I} = ANY (ARRAY[1, 2]))",
            "({I} <> ALL (ARRAY[1, {I}]))",
            "({I} NOT IN (1, {I}))",
            "(({I}, {T}) = ({I}, {T}))",
            "coalesce({B}, false)",
            "CASE WHEN {B} THEN {B} ELSE {B} END",
            "({T} > 'b')",
        ],
    ),
];

const CONSTANTS: &[(Kind, &[&str])] = &[
    (Kind::Integer, &["0", "1", "-1", "7", "NULL::int", "2147483648"]),
    (Kind::Decimal, &["0.00", "1.5", "-2.25", "1000.125", "NULL::numeric"]),
    (Kind::Double, &["1::double precision", "'-2.5'::double precision", "NULL::double precision"]),
    (Kind::Text, &["'a'", "''", "'B'", "'한'", "' a '", "'10'", "NULL", "'a'::text"]),
    (Kind::Date, &["DATE '2024-02-29'", "DATE '1999-12-31'", "NULL::date"]),
    (Kind::DateTime, &["TIMESTAMP '2024-02-29 23:59:59'", "TIMESTAMP '2001-01-01 00:00:00'", "NULL::timestamp"]),
    (Kind::Instant, &["TIMESTAMPTZ '2024-03-10 07:30:00+00'", "TIMESTAMPTZ '2024-11-03 01:30:00'", "NULL::timestamptz"]),
    (Kind::Time, &["TIME '10:20:30'", "TIME '23:59:59.5'"]),
    (Kind::Interval, &["INTERVAL '1 day'", "INTERVAL '1 mon -3 days 04:00:00'", "NULL::interval"]),
    (Kind::Json, &["jsonb_build_object('a', 1)", "to_jsonb(1.50)", "NULL::jsonb"]),
    (Kind::Array, &["string_to_array('a,b', ',')", "NULL::text[]"]),
    (Kind::Truth, &["TRUE", "FALSE", "NULL::boolean"]),
];

/// Column types with the values that random rows have.
pub const COLUMN_KINDS: &[ColumnKind] = &[
    ColumnKind { kind: Kind::Integer, declared: "INT", values: &["0", "1", "2", "3", "-1", "10", "1000", "-25"] },
    ColumnKind { kind: Kind::Integer, declared: "SMALLINT", values: &["0", "1", "-128", "127", "5"] },
    ColumnKind { kind: Kind::Integer, declared: "BIGINT", values: &["0", "1", "-7", "1234567890123", "25"] },
    ColumnKind {
        kind: Kind::Decimal,
        declared: "NUMERIC(10,2)",
        values: &["0.00", "1.00", "-7.25", "99999999.99", "10.05", "3.33"],
    },
    ColumnKind {
        kind: Kind::Decimal,
        declared: "NUMERIC(18,6)",
        values: &["0.000000", "0.000001", "-1.500000", "123456789012.654321", "2.5"],
    },
    ColumnKind {
        kind: Kind::Decimal,
        declared: "NUMERIC",
        values: &["0", "1.50", "-12345678901234567890.5", "1e-20", "7", "'NaN'"],
    },
    ColumnKind { kind: Kind::Double, declared: "DOUBLE PRECISION", values: &["0", "1.5", "-2.25", "1e10", "0.1", "3", "'NaN'"] },
    ColumnKind { kind: Kind::Double, declared: "REAL", values: &["0", "1.5", "-0.1", "1e10", "16777216"] },
    ColumnKind {
        kind: Kind::Text,
        declared: "TEXT",
        values: &["''", "'a'", "'A'", "'a '", "' b'", "'ab'", "'한글'", "'10'", "'aXbXa'", "'😀a'", "'a,b'", "'%_'"],
    },
    ColumnKind { kind: Kind::Text, declared: "VARCHAR(12)", values: &["''", "'a'", "'A'", "'ab'", "'가'", "'1.5x'", "'b '"] },
    ColumnKind { kind: Kind::Text, declared: "CHAR(8)", values: &["''", "'a'", "'Y'", "'n'", "'20240131'", "'코드'"] },
    ColumnKind {
        kind: Kind::Date,
        declared: "DATE",
        values: &["'2024-01-31'", "'2024-02-29'", "'1999-12-31'", "'2020-06-15'", "'2000-01-01'"],
    },
    ColumnKind {
        kind: Kind::DateTime,
        declared: "TIMESTAMP",
        values: &["'2024-01-31 10:20:30'", "'2024-02-29 23:59:59.5'", "'2000-01-01 00:00:00'", "'2020-06-15 12:00:00.000001'"],
    },
    ColumnKind {
        kind: Kind::DateTime,
        declared: "TIMESTAMP(3)",
        values: &["'2024-01-31 10:20:30.123'", "'2020-06-15 12:00:00.999'", "'2024-12-31 00:00:00.5'"],
    },
    ColumnKind {
        kind: Kind::Instant,
        declared: "TIMESTAMPTZ",
        values: &[
            "'2024-03-10 06:30:00+00'",
            "'2024-11-03 05:30:00+00'",
            "'2020-06-15 12:00:00+09'",
            "'1999-12-31 23:59:59.25+00'",
        ],
    },
    ColumnKind { kind: Kind::Time, declared: "TIME", values: &["'10:20:30'", "'23:59:59.999999'", "'00:00:00'", "'24:00:00'"] },
    ColumnKind {
        kind: Kind::Interval,
        declared: "INTERVAL",
        values: &["'1 day'", "'24:00:00'", "'1 mon'", "'30 days'", "'-1 year 2 days 03:04:05.5'", "'0'"],
    },
    ColumnKind { kind: Kind::Truth, declared: "BOOLEAN", values: &["true", "false"] },
    ColumnKind {
        kind: Kind::Json,
        declared: "JSONB",
        values: &["'{\"a\": 1, \"b\": [1, 2.50]}'", "'[1, null, \"x\"]'", "'\"s\"'", "'null'", "'{\"a\": {\"b\": \"한\"}}'"],
    },
    ColumnKind {
        kind: Kind::Array,
        declared: "TEXT[]",
        values: &["'{}'", "'{a,b}'", "'{NULL,\"a b\"}'", "'{a}'", "'{\"q\\\"\",한}'"],
    },
];
