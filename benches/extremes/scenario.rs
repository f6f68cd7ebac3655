//! What happens at the source, and how a reader of the target tells before from after.

use crate::stage::Kind;

/// Which legacy table a scenario is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Very many small rows, all of one code, there from the start.
    Thin,
    /// Rows of 60 KB, none of them there at the start.
    Wide,
}

/// What readers may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// Before or after.
    Whole,
    /// Some rows before, some after, until the sweep is over.
    Sweep,
}

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it needs.
    pub table: Table,
    /// Of its mapping.
    pub policies: &'static str,
    /// What of a target row (`o`, null where there is none) differs between before and after.
    pub label: &'static str,
    /// What readers may see.
    pub expects: Expects,
    /// Whether small transactions go on meanwhile.
    pub has_beats: bool,
}

/// All, those of one table in an order in which they can follow one another.
pub fn all() -> [Scenario; 4] {
    let rows = Scenario {
        name: "rows",
        table: Table::Thin,
        policies: "",
        label: "(o.amount - o.no)::text",
        expects: Expects::Whole,
        has_beats: false,
    };
    let strict =
        Scenario { name: "strict", policies: "policies:\n  hot_change: strict\n", label: "o.status", has_beats: true, ..rows };
    let deferred =
        Scenario { name: "deferred", policies: "policies:\n  hot_change: deferred\n", expects: Expects::Sweep, ..strict };
    let bytes = Scenario { name: "bytes", table: Table::Wide, label: "(o.no IS NOT NULL)::text", ..rows };
    [rows, strict, deferred, bytes]
}

impl Scenario {
    /// What a hot code costs does not depend on the source.
    pub fn is_of(&self, kind: Kind) -> bool {
        kind == Kind::MariaDb || !self.has_beats
    }

    /// The source's transaction.
    pub fn transaction(&self, kind: Kind, row_count: u64) -> String {
        match (self.name, kind) {
            ("rows", _) => "UPDATE x_row SET amt = amt + 1".into(),
            ("bytes", Kind::MariaDb) => format!(
                "INSERT INTO x_wide SELECT s.seq, 1, CONCAT(LPAD(s.seq, 12, '0'), p.memo) FROM seq_1_to_{row_count} s JOIN x_pool p ON p.no = s.seq % 64"
            ),
            ("bytes", Kind::Postgres) => format!(
                "INSERT INTO x_wide SELECT n, 1, lpad(n::text, 12, '0') || p.memo FROM generate_series(1, {row_count}) n JOIN x_pool p ON p.no = n % 64"
            ),
            (name, _) => format!("UPDATE x_cd SET nm = '{name}' WHERE cd = 1"),
        }
    }
}

impl Table {
    /// The SELECT of the mapping.
    pub fn select(self) -> &'static str {
        match self {
            Self::Thin => "SELECT r.no AS no, c.nm AS status, r.amt AS amount FROM x_row r LEFT JOIN x_cd c ON c.cd = r.cd",
            Self::Wide => "SELECT w.no AS no, c.nm AS status, w.memo AS memo FROM x_wide w LEFT JOIN x_cd c ON c.cd = w.cd",
        }
    }

    /// The columns that are compared.
    pub fn columns(self) -> &'static str {
        match self {
            Self::Thin => "no, status, amount",
            Self::Wide => "no, status, memo",
        }
    }

    /// What the legacy database begins with.
    pub fn statements(self, kind: Kind, row_count: u64) -> Vec<String> {
        let mut statements = vec![
            "CREATE TABLE x_cd (cd INT PRIMARY KEY, nm VARCHAR(40) NOT NULL)".to_owned(),
            "INSERT INTO x_cd VALUES (0, '접수'), (1, '배송'), (2, '반품')".to_owned(),
        ];
        match self {
            Self::Thin => {
                statements.push("CREATE TABLE x_row (no INT PRIMARY KEY, cd INT NOT NULL, amt INT NOT NULL)".into());
                for from in (0..row_count).step_by(500_000) {
                    let to = (from + 500_000).min(row_count) - 1;
                    let series = match kind {
                        Kind::MariaDb => format!("seq, 1, seq FROM seq_{from}_to_{to}"),
                        Kind::Postgres => format!("n, 1, n FROM generate_series({from}, {to}) n"),
                    };
                    statements.push(format!("INSERT INTO x_row SELECT {series}"));
                }
            }
            Self::Wide => statements.extend(wide(kind).map(str::to_owned)),
        }
        statements
    }
}

/// Rows are put together from a pool, so that they cost the source little and no store can make them small.
fn wide(kind: Kind) -> [&'static str; 3] {
    match kind {
        Kind::MariaDb => [
            "CREATE TABLE x_wide (no INT PRIMARY KEY, cd INT NOT NULL, memo MEDIUMTEXT NOT NULL)",
            "CREATE TABLE x_pool (no INT PRIMARY KEY, memo MEDIUMTEXT NOT NULL)",
            "INSERT INTO x_pool SELECT s.seq, (SELECT GROUP_CONCAT(MD5(s.seq * 10000 + k.seq) SEPARATOR '') FROM seq_1_to_1875 k) FROM seq_0_to_63 s",
        ],
        Kind::Postgres => [
            "CREATE TABLE x_wide (no int PRIMARY KEY, cd int NOT NULL, memo text NOT NULL)",
            "CREATE TABLE x_pool (no int PRIMARY KEY, memo text NOT NULL)",
            "INSERT INTO x_pool SELECT s, (SELECT string_agg(md5((s * 10000 + k)::text), '') FROM generate_series(1, 1875) k) FROM generate_series(0, 63) s",
        ],
    }
}

/// Bytes of a wide row.
pub const WIDE_BYTES: u64 = 12 + 1_875 * 32;
