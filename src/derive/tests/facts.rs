//! Facts: without one the key is not proven, with one it is, and data that breaks it stops the engine.

use std::collections::BTreeMap;

use super::oracle::Oracle;
use super::random::{Targets, apply, input};
use super::store::MapStore;
use super::world::{World, catalog};
use crate::derive::{LoadBounds, Shared, load, replay, step};
use crate::error::Class;
use crate::plan::{Builder, Fact, MappingInput, NodeId, Plan, PlanFinding, Policies};
use crate::schema::SourceCatalog;
use crate::sql::query::Query;
use crate::sql::{bind, bind_condition};
use crate::value::Value;

const SQL: &str = "SELECT o.ord_no, p.amt, p.pay_no FROM o LEFT JOIN p ON p.ord_no = o.ord_no AND p.kind = 'CARD' AND p.amt > 0";

fn planned(catalog: &SourceCatalog, condition: Option<&str>) -> (Result<Plan, Vec<PlanFinding>>, Query) {
    let table = catalog.table(None, "p").unwrap().0;
    let fact = |condition: &str| Fact {
        table,
        columns: vec![1],
        written: vec![],
        filter: bind_condition(table, condition, catalog).unwrap(),
        condition: condition.into(),
    };
    let query = bind(SQL, catalog).unwrap();
    let mut builder = Builder::new(catalog);
    let tables = vec![input("cards", &["ord_no"], SQL, query.clone())];
    let facts = condition.map(fact).into_iter().collect();
    let planned = builder.mapping(MappingInput {
        name: "m".into(),
        target: crate::schema::TargetKind::PostgreSql,
        policies: Policies::default(),
        tables,
        facts,
    });
    (planned.map(|()| builder.finish()), query)
}

#[test]
fn an_unproven_key_prints_the_fact_that_would_prove_it() {
    let findings = planned(&catalog(), None).0.unwrap_err();
    let expected = r#"facts: [{ unique: { table: p, columns: [ord_no], where: "kind = 'CARD' AND amt > 0" } }]"#;
    assert!(findings[0].help.contains(expected), "{findings:#?}");
    assert_eq!(&SQL[findings[0].span.clone().unwrap()], "p");
}

#[test]
fn a_fact_proves_only_what_its_condition_covers() {
    let catalog = catalog();
    for condition in ["kind = 'CARD' AND amt > 0", "kind = 'CARD'", "amt > 0", ""] {
        assert!(planned(&catalog, Some(condition)).0.is_ok(), "{condition}");
    }
    for condition in ["kind = 'CASH'", "amt > 1", "kind = 'CARD' AND pay_no > 1"] {
        assert!(planned(&catalog, Some(condition)).0.is_err(), "{condition}");
    }
}

/// Whether some order has two card payments.
fn is_broken(world: &World<'_>) -> bool {
    let table = world.catalog.table(None, "p").unwrap().0;
    let mut seen = std::collections::BTreeSet::new();
    let cards = world.tables[&table].iter().filter(|row| row[2] == Value::text("CARD") && row[1] != Value::Null);
    cards.into_iter().any(|row| !seen.insert(format!("{:?}", row[1])))
}

#[test]
fn a_broken_fact_stops_and_names_the_rows_and_what_holds_is_derived() {
    let catalog = catalog();
    let (plan, query) = planned(&catalog, Some("kind = 'CARD'"));
    let plan = plan.unwrap();
    let (mut held, mut broken) = (0, 0);
    for seed in 1..60 {
        let mut world = World::new(&catalog, seed);
        let mut store = MapStore::default();
        let mut targets: Targets = vec![BTreeMap::new()];
        for _ in 0..40 {
            let changes = world.batch(&plan);
            let before = store.clone();
            match step(&plan, &store, &changes) {
                Ok(step) => {
                    assert!(!is_broken(&world), "seed {seed}: a broken fact was not seen");
                    held += 1;
                    store.apply(step.mutations);
                    apply(&plan, &mut targets, &step.writes[0]);
                    let expected = Oracle { catalog: &catalog, tables: &world.tables }.target(&query, &plan.nodes[0]).unwrap();
                    assert_eq!(expected, targets[0], "seed {seed}");
                }
                Err(error) => {
                    assert!(is_broken(&world), "seed {seed}: {error:?}");
                    assert_eq!(error.class(), Class::Person);
                    assert!(error.message().contains("unique erp.p (ord_no) where kind = 'CARD'"), "{error:?}");
                    broken += 1;
                    // A first load over the same rows sees it too.
                    store = before;
                    let caught_up = replay(&plan, &store, &changes).unwrap();
                    store.apply(caught_up);
                    assert!(
                        load(
                            &plan,
                            (&store, &Shared::new(&plan, 0)),
                            (NodeId(0), 0),
                            None,
                            LoadBounds { anchors_max: 10, bytes_max: 1 << 20 }
                        )
                        .is_err()
                    );
                    break;
                }
            }
        }
    }
    assert!(held > 500 && broken > 5, "{held} held, {broken} broke");
}
