//! Random SELECTs in the shapes that mappings have, as parts that can be dropped one by one.

use super::grammar::{ColumnName, Grammar, Kind, Tree};
use super::world::World;

/// A statement in parts.
#[derive(Debug, Clone, Default)]
pub struct Statement {
    /// What stands between SELECT and the outputs.
    pub before: String,
    /// What stands behind everything.
    pub after: String,
    /// The key column's expression; its name is `key_id`.
    pub key: String,
    /// Further outputs.
    pub outputs: Vec<Output>,
    pub from: String,
    /// Joins that may be dropped where nothing names them.
    pub joins: Vec<String>,
    pub filters: Vec<Tree>,
    pub group_by: Option<String>,
    pub having: Option<Tree>,
    /// Further branches, as text.
    pub union: Option<String>,
}

/// An output: text around a tree.
#[derive(Debug, Clone)]
pub struct Output {
    pub before: String,
    pub tree: Tree,
    pub after: String,
}

impl Output {
    pub fn plain(tree: Tree) -> Self {
        Self { before: String::new(), tree, after: String::new() }
    }
}

impl Statement {
    pub fn render(&self) -> String {
        let mut sql = format!("SELECT {}{} AS key_id", self.before, self.key);
        for (number, Output { before, tree, after }) in self.outputs.iter().enumerate() {
            sql += &format!(", {before}{}{after} AS c{number}", tree.render());
        }
        sql += &format!(" FROM {}", self.from);
        for join in &self.joins {
            sql += &format!(" {join}");
        }
        if !self.filters.is_empty() {
            let filters: Vec<String> = self.filters.iter().map(Tree::render).collect();
            sql += &format!(" WHERE {}", filters.join(" AND "));
        }
        if let Some(group) = &self.group_by {
            sql += &format!(" GROUP BY {group}");
        }
        if let Some(having) = &self.having {
            sql += &format!(" HAVING {}", having.render());
        }
        if let Some(union) = &self.union {
            sql += &format!(" UNION ALL {union}");
        }
        sql + &self.after
    }

    pub fn random(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Self {
        if !grammar.own.is_empty() && random.u8(0..4) == 0 {
            return grammar.own[random.usize(0..grammar.own.len())](random, grammar, world);
        }
        match random.u8(0..6) {
            0 | 1 => rows(random, grammar, world, "r"),
            2 => rows(random, grammar, world, "s"),
            3 => grouped(random, grammar, world),
            4 => subqueries(random, grammar, world),
            _ => derived(random, grammar, world),
        }
    }

    /// Statements with something left out, the largest cuts first.
    pub fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        let without = |change: &dyn Fn(&mut Self)| {
            let mut copy = self.clone();
            change(&mut copy);
            copy
        };
        for place in 0..self.outputs.len() {
            found.push(without(&|copy| drop(copy.outputs.remove(place))));
        }
        for place in 0..self.filters.len() {
            found.push(without(&|copy| drop(copy.filters.remove(place))));
        }
        for place in 0..self.joins.len() {
            found.push(without(&|copy| drop(copy.joins.remove(place))));
        }
        if self.union.is_some() {
            found.push(without(&|copy| copy.union = None));
        }
        if self.having.is_some() {
            found.push(without(&|copy| copy.having = None));
        }
        for (place, output) in self.outputs.iter().enumerate() {
            for smaller in output.tree.smaller() {
                found.push(without(&|copy| copy.outputs[place].tree = smaller.clone()));
            }
        }
        for (place, filter) in self.filters.iter().enumerate() {
            for smaller in filter.smaller() {
                found.push(without(&|copy| copy.filters[place] = smaller.clone()));
            }
        }
        found
    }
}

fn kind(random: &mut fastrand::Rng, grammar: &Grammar) -> Kind {
    grammar.outputs[random.usize(0..grammar.outputs.len())]
}

pub fn outputs(random: &mut fastrand::Rng, grammar: &Grammar, columns: &[ColumnName]) -> Vec<Output> {
    let count = random.usize(1..5);
    (0..count)
        .map(|_| {
            let kind = kind(random, grammar);
            Output::plain(Tree::random(random, grammar, columns, kind, 3))
        })
        .collect()
}

pub fn filters(random: &mut fastrand::Rng, grammar: &Grammar, columns: &[ColumnName]) -> Vec<Tree> {
    (0..random.usize(0..3)).map(|_| Tree::random(random, grammar, columns, Kind::Truth, 2)).collect()
}

pub fn columns_of(world: &World, alias: &str) -> Vec<ColumnName> {
    world.tables.iter().find(|table| table.name == alias).unwrap().names(alias)
}

/// One row per row of `r` or `s`, with what its references find.
fn rows(random: &mut fastrand::Rng, grammar: &Grammar, world: &World, root: &str) -> Statement {
    let mut columns = columns_of(world, root);
    let mut joins = Vec::new();
    let join = |random: &mut fastrand::Rng| if random.bool() { "LEFT JOIN" } else { "JOIN" };
    if root == "s" && random.u8(0..3) > 0 {
        let on = if random.bool() { "r.id = s.r_id" } else { "s.r_id = r.id AND r.d_id > 2" };
        joins.push(format!("{} r ON {on}", join(random)));
        columns.extend(columns_of(world, "r"));
    }
    if random.u8(0..3) > 0 {
        let extra = if random.bool() {
            String::new()
        } else {
            format!(" AND {}", Tree::random(random, grammar, &columns_of(world, "d"), Kind::Truth, 1).render())
        };
        joins.push(format!("{} d ON d.id = {root}.d_id{extra}", join(random)));
        columns.extend(columns_of(world, "d"));
    }
    Statement {
        key: format!("{root}.id"),
        outputs: outputs(random, grammar, &columns),
        from: root.to_owned(),
        filters: filters(random, grammar, &columns),
        joins,
        ..Statement::default()
    }
}

/// An aggregate over an expression.
fn aggregate(random: &mut fastrand::Rng, grammar: &Grammar, columns: &[ColumnName], order: &str) -> Output {
    let (before, kind, after) = grammar.aggregates[random.usize(0..grammar.aggregates.len())];
    let after = after.replace("{order}", order);
    Output { before: before.to_owned(), tree: Tree::random(random, grammar, columns, kind, 2), after }
}

fn grouped(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let columns = columns_of(world, "s");
    let mut filters = filters(random, grammar, &columns);
    filters.push(Tree::Leaf("s.r_id IS NOT NULL".into()));
    let count = random.usize(1..4);
    Statement {
        key: "s.r_id".into(),
        outputs: (0..count).map(|_| aggregate(random, grammar, &columns, "s.id")).collect(),
        from: "s".into(),
        joins: Vec::new(),
        filters,
        group_by: Some("s.r_id".into()),
        having: (random.u8(0..3) == 0).then(|| Tree::Leaf("COUNT(*) > 1".into())),
        ..Statement::default()
    }
}

fn subqueries(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let (outer, inner) = (columns_of(world, "r"), columns_of(world, "s"));
    let mut outputs = outputs(random, grammar, &outer);
    for _ in 0..random.usize(1..3) {
        let Output { before, tree, after } = aggregate(random, grammar, &inner, "s.id");
        let condition = Tree::random(random, grammar, &inner, Kind::Truth, 1).render();
        outputs.push(Output {
            before: format!("(SELECT {before}"),
            tree,
            after: format!("{after} FROM s WHERE s.r_id = r.id AND {condition})"),
        });
    }
    if random.bool() {
        let kind = kind(random, grammar);
        outputs.push(Output {
            before: "(SELECT ".to_owned(),
            tree: Tree::random(random, grammar, &inner, kind, 2),
            after: " FROM s WHERE s.r_id = r.id ORDER BY s.id DESC LIMIT 1)".to_owned(),
        });
    }
    let mut filters = filters(random, grammar, &outer);
    if random.u8(0..3) == 0 {
        let test = ["IN", "NOT IN"][random.usize(0..2)];
        filters.push(Tree::Leaf(format!("r.id {test} (SELECT s.d_id FROM s WHERE s.d_id IS NOT NULL)")));
    }
    if random.bool() {
        let test = ["EXISTS", "NOT EXISTS"][random.usize(0..2)];
        filters.push(Tree::Leaf(format!("{test} (SELECT 1 FROM s WHERE s.r_id = r.id AND s.d_id > 3)")));
    }
    Statement { key: "r.id".into(), outputs, from: "r".into(), filters, ..Statement::default() }
}

fn derived(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let (outer, inner) = (columns_of(world, "r"), columns_of(world, "s"));
    let Output { before, tree, after } = aggregate(random, grammar, &inner, "s.id");
    let join = if random.bool() { "LEFT JOIN" } else { "JOIN" };
    let joins = vec![format!(
        "{join} (SELECT s.r_id AS g, {before}{}{after} AS v FROM s GROUP BY s.r_id) x ON x.g = r.id",
        tree.render()
    )];
    let mut outputs = outputs(random, grammar, &outer);
    outputs.push(Output::plain(Tree::Leaf("x.v".into())));
    Statement {
        key: "r.id".into(),
        outputs,
        from: "r".into(),
        joins,
        filters: filters(random, grammar, &outer),
        ..Statement::default()
    }
}

/// The latest row of every group.
pub fn latest(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let inner = columns_of(world, "s");
    let kind = kind(random, grammar);
    let tree = Tree::random(random, grammar, &inner, kind, 2);
    let order = ["DESC", "ASC"][random.usize(0..2)];
    let from = format!(
        "(SELECT s.r_id AS g, s.id AS i, {} AS v, ROW_NUMBER() OVER (PARTITION BY s.r_id ORDER BY s.id {order}) AS n \
         FROM s WHERE s.r_id IS NOT NULL) x",
        tree.render()
    );
    Statement {
        key: "x.g".into(),
        outputs: vec![Output::plain(Tree::Leaf("x.v".into())), Output::plain(Tree::Leaf("x.i".into()))],
        from,
        filters: vec![Tree::Leaf("x.n = 1".into())],
        ..Statement::default()
    }
}

/// Two branches with keys of different beginnings.
pub fn united(random: &mut fastrand::Rng, grammar: &Grammar, world: &World) -> Statement {
    let (one, two) = (columns_of(world, "r"), columns_of(world, "s"));
    let (kind, other_kind) = (kind(random, grammar), kind(random, grammar));
    let kinds = [kind, if random.u8(0..4) == 0 { other_kind } else { kind }];
    let second = Tree::random(random, grammar, &two, kinds[1], 2).render();
    Statement {
        key: "CONCAT('r', r.id)".into(),
        outputs: vec![Output::plain(Tree::random(random, grammar, &one, kinds[0], 2))],
        from: "r".into(),
        filters: filters(random, grammar, &one),
        union: Some(format!("SELECT CONCAT('s', s.id), {second} FROM s")),
        ..Statement::default()
    }
}
