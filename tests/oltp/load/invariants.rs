//! What every committed state of the target fulfils, asked in one REPEATABLE READ transaction. Several are the standard's own consistency
//! conditions (TPC-C clause 3.3.2), held against rows that the engine derived.

use fastrand::Rng;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::writers::now_ms;
use super::{Outcome, tpcc};

/// Name and question; every row that it answers is a violation in words. `{scope}` narrows it to some districts.
const OF_TPCC: [(&str, &str); 8] = [
    (
        "sum of lines = order total",
        "SELECT format('order %s/%s/%s: total %s of %s lines, its lines %s of %s', warehouse, district, order_no, stated_total, stated_lines, line_total, line_count)
           FROM orders WHERE {scope} AND (stated_total IS DISTINCT FROM line_total OR stated_lines IS DISTINCT FROM line_count)",
    ),
    (
        "order lines = order",
        "SELECT format('order %s/%s/%s: total %s of %s lines, in order_lines %s of %s', warehouse, district, order_no, o.stated_total, o.stated_lines, l.total, l.line_count)
           FROM (SELECT * FROM orders WHERE {scope}) o
           FULL JOIN (SELECT warehouse, district, order_no, SUM(amount) AS total, COUNT(*) AS line_count FROM order_lines
                       WHERE {scope} GROUP BY warehouse, district, order_no) l USING (warehouse, district, order_no)
          WHERE o.stated_total IS DISTINCT FROM l.total OR o.stated_lines IS DISTINCT FROM l.line_count",
    ),
    (
        "ledger = balance",
        "SELECT format('account %s/%s/%s: balance %s, delivered %s, paid %s', warehouse, district, customer_no, balance, delivered, paid)
           FROM accounts WHERE {scope} AND balance IS DISTINCT FROM COALESCE(delivered, 0) - COALESCE(paid, 0)",
    ),
    (
        "delivered lines = account",
        "SELECT format('account %s/%s/%s: delivered %s, in order_lines %s', warehouse, district, customer_no, a.delivered, l.delivered)
           FROM (SELECT * FROM accounts WHERE {scope}) a
           FULL JOIN (SELECT warehouse, district, o.customer_no, SUM(l.amount) AS delivered FROM orders o
                        JOIN order_lines l USING (warehouse, district, order_no)
                       WHERE {scope} AND l.delivered_at IS NOT NULL GROUP BY warehouse, district, o.customer_no) l USING (warehouse, district, customer_no)
          WHERE a.customer_no IS NULL OR a.delivered IS DISTINCT FROM l.delivered",
    ),
    (
        "waiting = no carrier",
        "SELECT format('order %s/%s/%s: waiting %s, carrier %s', warehouse, district, order_no, waiting, carrier)
           FROM orders WHERE {scope} AND (waiting = 1) <> (carrier IS NULL)",
    ),
    (
        "payments of a district = its takings",
        "SELECT format('district %s/%s: taken %s, payments %s', warehouse, district, d.taken, p.taken)
           FROM districts d FULL JOIN payments_by_district p USING (warehouse, district)
          WHERE {scope} AND d.taken IS DISTINCT FROM p.taken",
    ),
    (
        "next order = last order + 1",
        "SELECT format('district %s/%s: next %s, last %s', warehouse, district, next_order_no, last)
           FROM (SELECT d.*, (SELECT MAX(o.order_no) FROM orders o WHERE o.warehouse = d.warehouse AND o.district = d.district) AS last FROM districts d) d
          WHERE {scope} AND next_order_no IS DISTINCT FROM last + 1",
    ),
    (
        "takings of districts = warehouse",
        "SELECT format('warehouse %s: taken %s, districts %s', warehouse, w.taken, d.taken)
           FROM warehouses w FULL JOIN (SELECT warehouse, SUM(taken) AS taken FROM districts GROUP BY warehouse) d USING (warehouse)
          WHERE w.taken IS DISTINCT FROM d.taken",
    ),
];

/// A deletion comes with an insertion, so the number of rows stands; groups are what the rows say.
const OF_SYSBENCH: [(&str, &str); 2] = [
    (
        "rows stand",
        "SELECT format('%s rows, %s in groups, {rows} expected', rows, grouped)
           FROM (SELECT (SELECT COUNT(*) FROM sb_pairs) AS rows, (SELECT SUM(row_count) FROM sb_groups) AS grouped) counted
          WHERE rows <> {rows} OR grouped IS DISTINCT FROM {rows} OR EXISTS (SELECT FROM sb_pairs WHERE other_k IS NULL)",
    ),
    (
        "groups = rows",
        "SELECT format('k %s: %s rows with ids of %s up to %s, in sb_pairs %s of %s up to %s', k, g.row_count, g.id_sum, g.id_max, p.row_count, p.id_sum, p.id_max)
           FROM sb_groups g FULL JOIN (SELECT k, COUNT(*) AS row_count, SUM(id) AS id_sum, MAX(id) AS id_max FROM sb_pairs GROUP BY k) p USING (k)
          WHERE (g.row_count, g.id_sum, g.id_max) IS DISTINCT FROM (p.row_count, p.id_sum, p.id_max)",
    ),
];

/// How much of the target one sample looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every row.
    Whole,
    /// So many districts, at random, and sysbench's rows whole.
    Districts(usize),
}

/// A reader of the target, as its administrator.
pub struct Sampler {
    client: Client,
    scale: tpcc::Scale,
    sysbench_rows: i64,
    rng: Rng,
    sequences: Vec<i64>,
    /// Samples taken.
    pub count: u64,
    /// How many of them saw another state than the one before.
    pub moved: u64,
}

/// What one sample saw.
#[derive(Debug)]
pub struct Sample {
    /// Violations, each with its invariant and key.
    pub violations: Vec<String>,
    /// How old the newest beat was that the snapshot shows, milliseconds.
    pub age_ms: i64,
}

impl Sampler {
    /// A reader over `client` of a target with loads of these sizes.
    pub fn new(client: Client, scale: tpcc::Scale, sysbench_rows: i64, seed: u64) -> Self {
        Self { client, scale, sysbench_rows, rng: Rng::with_seed(seed), sequences: Vec::new(), count: 0, moved: 0 }
    }

    /// Takes one sample.
    pub async fn sample(&mut self, scope: Scope) -> Outcome<Sample> {
        let scope = self.scope(scope);
        self.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let now = now_ms();
        let beat: i64 = self.texts("SELECT at_ms FROM beat").await?.first().ok_or("no beat in the target")?.parse()?;
        let mut violations = self.went_back().await?;
        for (name, question) in OF_TPCC.iter().chain(&OF_SYSBENCH) {
            let question = question.replace("{scope}", &scope).replace("{rows}", &self.sysbench_rows.to_string());
            let found = self.texts(&format!("{question} LIMIT 3")).await?;
            violations.extend(found.into_iter().map(|row| format!("{name}: {row}")));
        }
        self.client.batch_execute("COMMIT").await?;
        self.count += 1;
        Ok(Sample { violations, age_ms: (now - beat).max(0) })
    }

    /// Checkpoints only ever go on, and their tables are live.
    async fn went_back(&mut self) -> Outcome<Vec<String>> {
        let rows = self.texts("SELECT mapping || ' ' || phase || ' ' || seq FROM strangler.checkpoint ORDER BY mapping").await?;
        let mut violations: Vec<String> =
            rows.iter().filter(|row| !row.contains(" live ")).map(|row| format!("a table that was live is not: {row}")).collect();
        let sequences: Vec<i64> = rows.iter().filter_map(|row| row.rsplit(' ').next()?.parse().ok()).collect();
        if self.sequences.iter().zip(&sequences).any(|(before, now)| now < before) || sequences.len() < self.sequences.len() {
            violations.push(format!("a checkpoint went back: {:?}, then {sequences:?}", self.sequences));
        }
        self.moved += u64::from(self.sequences != sequences);
        self.sequences = sequences;
        Ok(violations)
    }

    fn scope(&mut self, scope: Scope) -> String {
        let Scope::Districts(count) = scope else { return "true".into() };
        let some: Vec<String> = (0..count)
            .map(|_| format!("({},{})", self.rng.i64(1..=self.scale.warehouses), self.rng.i64(1..=tpcc::DISTRICTS)))
            .collect();
        format!("(warehouse, district) IN ({})", some.join(", "))
    }

    async fn texts(&self, question: &str) -> Outcome<Vec<String>> {
        let answer = self.client.simple_query(question).await.map_err(|error| format!("{error:?} in {question}"))?;
        let text = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        };
        Ok(answer.into_iter().filter_map(text).collect())
    }
}
