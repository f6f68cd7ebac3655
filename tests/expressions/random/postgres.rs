//! PostgreSQL as a database of random statements: a server in a temporary folder, and what its statements are made of.

use strangler::demo::servers::{Postgres, ServerError, ServerOptions};
use strangler::schema::{DataType, Flavor, POSTGRES_PINNED, SessionSettings, SourceCatalog, TableSchema};
use strangler::sql::evaluate::evaluate;
use strangler::sql::postgres::typing;
use strangler::sql::query::{Expr, ExprKind};
use strangler::value::{Collation, PostgresCollation, Row, Value};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::super::OneRow;
use super::grammar::{ColumnName, Grammar, Kind, Tree};
use super::postgres_words::{AGGREGATES, COLUMN_KINDS, CONSTANTS, TEMPLATES};
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
        sources: std::collections::BTreeMap::new(),
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
    table.schema("public", &format!("{}_pkey", table.name), "heap", data_type)
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
