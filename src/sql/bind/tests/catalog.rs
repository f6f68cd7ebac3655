//! The catalogue of the example shop, read from its own DDL, and the SELECTs of its mapping.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlparser::ast::{self, ColumnOption, Statement, TableConstraint};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;

use crate::schema::{Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableName, TableSchema, UniqueKey};
use crate::value::Collation;

/// A file of the example shop.
fn example(path: &str) -> String {
    std::fs::read_to_string(format!("{}/examples/homeshop/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The shop under a session with `sql_mode`.
pub(super) fn shop(sql_mode: &str) -> SourceCatalog {
    static PLAIN: LazyLock<SourceCatalog> = LazyLock::new(read);
    let mut shop = PLAIN.clone();
    shop.session.sql_mode = sql_mode.to_owned();
    shop
}

fn read() -> SourceCatalog {
    let collations = ["utf8mb4_general_ci", "euckr_korean_ci", "utf8mb4_bin", "latin1_swedish_ci"];
    let collation = |name: &str| (name.to_owned(), Collation::binary(name, name.split_once('_').unwrap().0, true));
    let mut tables: Vec<TableSchema> = statements().iter().map(table).collect();
    tables.sort_by(|left, right| left.name.cmp(&right.name));
    SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "erp".to_owned(),
        tables,
        collations: collations.into_iter().map(collation).collect::<BTreeMap<_, _>>(),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+09:00".to_owned(),
            div_precision_increment: 4,
            group_concat_max_len: 1024,
            collation_connection: "utf8mb4_general_ci".to_owned(),
            lower_case_table_names: 0,
        },
    }
}

/// The SELECTs of the example's mapping file, cut out by indentation.
pub(super) fn example_selects() -> Vec<String> {
    let mut selects: Vec<String> = Vec::new();
    let mut inside = false;
    for line in example("mappings/order-service.yaml").lines() {
        if line.trim() == "sql: |" {
            selects.push(String::new());
            inside = true;
        } else if inside && (line.is_empty() || line.starts_with("      ")) {
            let select = selects.last_mut().unwrap();
            select.push_str(line);
            select.push('\n');
        } else {
            inside = false;
        }
    }
    selects
}

fn statements() -> Vec<ast::CreateTable> {
    let created =
        Parser::parse_sql(&MySqlDialect {}, &example("schema.sql")).unwrap().into_iter().filter_map(
            |statement| match statement {
                Statement::CreateTable(create) => Some(create),
                _ => None,
            },
        );
    created.collect()
}

fn table(create: &ast::CreateTable) -> TableSchema {
    let name = create.name.0.last().unwrap().as_ident().unwrap().value.clone();
    let euckr = create.to_string().contains("euckr");
    let columns: Vec<Column> = create.columns.iter().map(|column| self::column(column, euckr)).collect();
    let mut primary_key = None;
    let mut unique_keys = Vec::new();
    for constraint in &create.constraints {
        let ordinals = |parts: &[ast::IndexColumn]| -> Vec<usize> {
            let ordinal = |part: &ast::IndexColumn| {
                columns.iter().position(|column| part.to_string().trim_matches('`') == column.name).unwrap()
            };
            parts.iter().map(ordinal).collect()
        };
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                primary_key = Some(UniqueKey { name: "PRIMARY".to_owned(), columns: ordinals(&key.columns) })
            }
            TableConstraint::Unique(key) => {
                unique_keys.push(UniqueKey { name: "unique".to_owned(), columns: ordinals(&key.columns) })
            }
            _ => {}
        }
    }
    TableSchema {
        name: TableName { schema: "erp".to_owned(), name },
        columns,
        primary_key,
        unique_keys,
        engine: "InnoDB".to_owned(),
        transactional: true,
        comment: String::new(),
        row_estimate: 0,
        revision: String::new(),
    }
}

fn column(column: &ast::ColumnDef, euckr: bool) -> Column {
    let not_null = column.options.iter().any(|option| matches!(option.option, ColumnOption::NotNull));
    let native_type = column.data_type.to_string().to_lowercase();
    Column {
        name: column.name.value.clone(),
        data_type: data_type(&native_type, &column.data_type, euckr),
        native_type,
        nullable: !not_null,
        generated: Generated::No,
        comment: String::new(),
    }
}

fn data_type(native: &str, parsed: &ast::DataType, euckr: bool) -> DataType {
    let (charset, collation) = if euckr { ("euckr", "euckr_korean_ci") } else { ("utf8mb4", "utf8mb4_general_ci") };
    let (word, rest) = native.split_once(['(', ' ']).unwrap_or((native, ""));
    let numbers: Vec<u32> = rest.split([')', ',', ' ']).filter_map(|part| part.parse().ok()).collect();
    let unsigned = native.contains("unsigned");
    let text = |length: Option<u32>, fixed| DataType::Text {
        length,
        fixed,
        charset: charset.to_owned(),
        collation: collation.to_owned(),
    };
    let integer = |bits| DataType::Integer { bits, unsigned };
    match word {
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" => integer(32),
        "bigint" => integer(64),
        "decimal" => DataType::Decimal { precision: numbers[0] as u16, scale: numbers[1] as u16, unsigned },
        "double" => DataType::Double,
        "float" => DataType::Float,
        "char" => text(Some(numbers[0]), true),
        "varchar" => text(Some(numbers[0]), false),
        "text" | "mediumtext" | "longtext" => text(None, false),
        "date" => DataType::Date,
        "datetime" => DataType::DateTime { fraction: 0 },
        "timestamp" => DataType::Timestamp { fraction: 0 },
        "time" => DataType::Time { fraction: 0 },
        "enum" => {
            let ast::DataType::Enum(members, _) = parsed else { panic!("{native}") };
            let labels = members.iter().map(label).collect();
            DataType::Enum { labels, charset: charset.to_owned(), collation: collation.to_owned() }
        }
        "year" => DataType::Year,
        "blob" => DataType::Bytes { length: None, fixed: false },
        other => panic!("the example has a type that this reader does not know: {other}"),
    }
}

fn label(member: &ast::EnumMember) -> String {
    match member {
        ast::EnumMember::Name(name) | ast::EnumMember::NamedValue(name, _) => name.clone(),
    }
}
