//! What a mapping over two sources is refused for, as its writer sees it.

use super::{CRM, ERP, House};

fn mapping(head: &str, sql: &str) -> String {
    format!(
        "version: 1\nmapping: joined\nowner: tests\n{head}target: order-db\ntables:\n  joined:\n    key: [id]\n    sql: |\n      {sql}\n"
    )
}

const HEAD: &str = "sources: [erp, crm]\ndialect: erp\ncollation: utf8mb4_general_ci\n";

/// Name, head of the file, SELECT, exit code.
const CASES: &[(&str, &str, &str, i32)] = &[
    ("without_dialect", "sources: [erp, crm]\n", "SELECT o.ord_no AS id FROM erp.tb_order o", 65),
    ("a_column_without_counterpart", HEAD, "SELECT m.member_no AS id, m.token AS token FROM crm.member m", 65),
    (
        "text_without_collation",
        "sources: [erp, crm]\ndialect: erp\n",
        "SELECT m.member_no AS id, m.name AS 이름 FROM crm.member m",
        65,
    ),
    ("an_ambiguous_name", HEAD, "SELECT p.member_no AS id FROM phone p", 65),
    ("an_unknown_source", HEAD, "SELECT m.member_no AS id FROM hr.member m", 65),
    ("an_unknown_table", HEAD, "SELECT m.member_no AS id FROM crm.members m", 65),
    (
        "an_unknown_collation",
        "sources: [erp, crm]\ndialect: erp\ncollation: utf8mb4_klingon_ci\n",
        "SELECT m.member_no AS id FROM crm.member m",
        65,
    ),
    (
        "a_mix_of_collations",
        HEAD,
        "SELECT m.member_no AS id, (SELECT COUNT(*) FROM tb_code c WHERE c.code = m.login) AS codes FROM crm.member m",
        65,
    ),
    (
        "a_key_by_a_coarser_rule",
        HEAD,
        "SELECT o.ord_no AS id, m.name AS name FROM tb_order o LEFT JOIN crm.member m ON m.login = o.login",
        65,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_exact_over_two_sources_is_refused_with_its_place() {
    let Some(house) = House::new("two_refused").await else { return };
    house.crm_tables(CRM, "member, phone").await;
    house.project.legacy(&ERP).await;
    house
        .project
        .legacy(&[
            "CREATE TABLE phone (member_no INT PRIMARY KEY)",
            "CREATE TABLE tb_code (code VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY)",
        ])
        .await;
    for (name, head, sql, code) in CASES {
        house.project.write("mappings/joined.yaml", &mapping(head, sql));
        let ended = house.project.strangler(&["check"]).await;
        assert_eq!(ended.code, Some(*code), "{name}\n{}", ended.text());
        let lines: Vec<&str> = ended.stdout.lines().take_while(|line| !line.starts_with("source ")).collect();
        let shown = lines.join("\n").trim_end().replace(&house.project.name, "DATABASE");
        insta::assert_snapshot!(*name, shown);
    }
}

/// A value that the dialect does not have stops the mapping that reads it, by its column; a mapping that does not read it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_dialect_does_not_have_stops_by_name() {
    let Some(house) = House::furnished("two_nan").await else { return };
    let mut engine = house.project.start(&[]);
    house.project.until_live(&mut engine).await;
    house.crm.execute("crm", "UPDATE member SET credit = 'NaN' WHERE member_no = 8").await.unwrap();
    let halted = |project: &crate::support::project::Project| {
        let status = project.status()?;
        let service = status["mappings"].as_array()?.iter().find(|mapping| mapping["mapping"] == "service")?.clone();
        service["halted"]["reason"].as_str().map(str::to_owned)
    };
    house.project.until(&mut engine, "stopped in part", |project| halted(project).is_some()).await;
    let reason = halted(&house.project).unwrap();
    assert!(reason.contains("crm.public.member.credit"), "{reason}");
    house.project.legacy(&["UPDATE tb_line SET qty = 50 WHERE ord_no = 2 AND line_no = 1"]).await;
    super::until_equal(&house, &mut engine, "lines go on", "SELECT pieces::text FROM lines WHERE id = 2", "53").await;
    house.crm.execute("crm", "UPDATE member SET credit = 10 WHERE member_no = 8").await.unwrap();
    house.project.strangler(&["resume", "--mapping", "service"]).await.expect(0);
    house.project.until(&mut engine, "going on", |project| project.status().is_some() && halted(project).is_none()).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(house.settle().await > 500);
}
