//! Project files, right and wrong.

use std::path::Path;
use std::sync::Arc;

use super::{Project, SecretPlace, SourceOptions, TlsChoice, read, url};
use crate::mapping::{Problem, SourceFile};

const RIGHT: &str = r#"sources:
  erp:
    url: mysql://strangler_src@db.internal:3306/homeshop   # 쇼핑몰
    password: { env: STRANGLER_TEST_PASSWORD_THAT_IS_NOT_SET }
    tls: { ca: certs/erp-ca.pem }
    server_id: 18231
    session: { sql_mode: "", time_zone: "+09:00" }
    limits: { connections: 2, statement_timeout_s: 30 }
targets:
  order-db:
    url: postgresql://strangler_dst@127.0.0.1/orders
    password: { file: secrets/order }
state: ./state
memory: 1GiB
facts_grace: 30
mappings: [mappings/*.yaml]
"#;

fn parse(text: &str) -> Result<Project, Vec<Problem>> {
    read::project(Arc::new(SourceFile { path: "strangler.yaml".into(), text: text.into() }), Path::new("/project"))
}

#[test]
fn the_setting_that_a_large_transaction_asks_for_exists() {
    let with = |size: &str| RIGHT.replace("statement_timeout_s: 30", &format!("transaction_bytes_max: {size}"));
    assert_eq!(parse(&with("1GiB")).unwrap().sources["erp"].limits.transaction_bytes_max, 1 << 30);
    assert_eq!(parse(RIGHT).unwrap().sources["erp"].limits.transaction_bytes_max, 256 << 20);
    for wrong in ["1MiB", "much", "[1]"] {
        assert!(parse(&with(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn the_limits_of_a_source_are_read() {
    let with = |limits: &str| parse(&RIGHT.replace("connections: 2", limits));
    for load in ["max_load: \"Threads_running=25\"", "max_load: { Threads_running: 25 }"] {
        let project = with(&format!("{load}, rows_per_second: 5000, mb_per_second: 20, max_lag_s: 10")).unwrap();
        let limits = &project.sources["erp"].limits.limits;
        assert_eq!(limits.words(), "4 connections, 5000 rows/s, 20 MB/s, max_load Threads_running=25, max_lag_s 10");
        assert_eq!(project.engine_options(["erp".to_owned()].iter()).limits["erp"], *limits);
    }
    let replica = with("max_lag_s: 5, replica: { url: \"mysql://watch@replica.internal:3307/homeshop\" }").unwrap();
    assert!(replica.sources["erp"].limits.replica.is_some() && replica.sources["erp"].limits.max_lag_span.is_some());
}

#[test]
fn the_gauges_of_postgresql_are_known() {
    let text = RIGHT.replace("mysql://", "postgresql://").replace("    server_id: 18231\n", "");
    let text = text.replace("{ sql_mode: \"\", time_zone: \"+09:00\" }", "{}");
    let with = |limits: &str| parse(&text.replace("connections: 2", limits));
    assert!(with("max_load: { active_sessions: 25 }, max_lag_s: 3, replica: standby1").is_ok());
    let problems = with("max_load: { Threads_running: 25 }").unwrap_err();
    assert!(problems[0].message.contains("no gauge Threads_running") && problems[0].help.contains("active_sessions"));
}

#[test]
fn a_right_file_becomes_a_project() {
    let project = parse(RIGHT).unwrap();
    let erp = &project.sources["erp"];
    assert_eq!(erp.tls, TlsChoice::VerifyFull { ca: Some("/project/certs/erp-ca.pem".into()) });
    assert_eq!((erp.server_id, erp.connections_max(), erp.limits.statement_timeout_s), (Some(18231), 2, 30));
    assert_eq!((erp.session.sql_mode.as_deref(), erp.session.time_zone.as_deref()), (Some(""), Some("+09:00")));
    assert_eq!(project.targets["order-db"].password, SecretPlace::File("/project/secrets/order".into()));
    assert_eq!(project.store_folder(), Path::new("/project/state/store"));
    assert_eq!(project.memory_bytes, 1 << 30);
    assert_eq!(project.engine_options(["erp".to_owned()].iter()).facts_grace.as_secs(), 30);
}

#[test]
fn metrics_are_on_loopback_unless_the_file_says_so() {
    let with = |metrics: &str| parse(&format!("{RIGHT}metrics: {metrics}\n"));
    assert_eq!(parse(RIGHT).unwrap().metrics, None);
    for (metrics, address) in [
        ("{ listen: 127.0.0.1:9464 }", "127.0.0.1:9464"),
        ("{ listen: localhost:9464 }", "127.0.0.1:9464"),
        ("{ listen: '[::1]:0' }", "[::1]:0"),
        ("{ listen: 0.0.0.0:9464, off_loopback: true }", "0.0.0.0:9464"),
    ] {
        assert_eq!(with(metrics).unwrap().metrics, Some(address.parse().unwrap()), "{metrics}");
    }
    for wrong in
        ["127.0.0.1:9464", "{ listen: 9464 }", "{ listen: 0.0.0.0:9464 }", "{ listen: 10.0.0.1:1, off_loopback: no }", "{}"]
    {
        assert!(with(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn memory_scales_the_bounds() {
    let small = parse(&RIGHT.replace("1GiB", "128MiB")).unwrap().engine_options(["erp".to_owned()].iter());
    let large = parse(RIGHT).unwrap().engine_options(["erp".to_owned()].iter());
    assert_eq!(large.queue_bytes_max, 8 * small.queue_bytes_max);
    assert_eq!(large.hot_bytes_max, 8 * small.hot_bytes_max);
    assert_eq!(large.connections, 2);
}

#[test]
fn connections_may_be_raised_as_far_as_the_file_says() {
    let project = parse(&RIGHT.replace("connections: 2", "connections: 2, connections_max: 9")).unwrap();
    let options = project.engine_options(["erp".to_owned()].iter());
    assert_eq!((options.connections, options.connections_max["erp"], options.limits["erp"].connections), (9, 9, 2));
    assert_eq!(project.sources["erp"].connections_max(), 9);
}

#[test]
fn tls_is_the_default_off_loopback() {
    let text = RIGHT
        .replace("    tls: { ca: certs/erp-ca.pem }\n", "")
        .replace("    password: { env: STRANGLER_TEST_PASSWORD_THAT_IS_NOT_SET }\n", "")
        .replace("    password: { file: secrets/order }\n", "");
    let project = parse(&text).unwrap();
    let SourceOptions::MySql(options) = project.source_options("erp").unwrap() else { panic!("not a MySQL source") };
    assert_eq!(options.tls, crate::transport::Tls::VerifyFull { ca: None });
    assert_eq!(project.target_options("order-db").unwrap().tls(), &crate::transport::Tls::Off);
    assert!(project.source_options("crm").is_err());
}

#[test]
fn a_postgresql_source_has_a_slot_a_publication_and_a_limit() {
    let text = RIGHT
        .replace("    password: { env: STRANGLER_TEST_PASSWORD_THAT_IS_NOT_SET }\n", "")
        .replace("mysql://", "postgresql://")
        .replace("server_id: 18231", "slot_limit: { max_retained: 20GiB, on_exceed: drop }");
    let session = text.find("    session:").map(|at| text[at..].lines().next().unwrap().to_owned()).unwrap();
    let text = text.replace(&session, "    session: { time_zone: Asia/Seoul }");
    let SourceOptions::Postgres(options) = parse(&text).unwrap().source_options("erp").unwrap() else { panic!("not PostgreSQL") };
    assert_eq!((options.slot.as_str(), options.publication.as_str()), ("strangler_erp", "strangler_erp"));
    let limit = options.slot_limit.unwrap();
    assert_eq!((limit.bytes_max, limit.on_exceed), (20 << 30, crate::source::postgres::connect::OnExceed::Drop));
    assert_eq!(options.time_zone.as_deref(), Some("Asia/Seoul"));
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let error = parse(RIGHT).unwrap().source_options("erp").err().unwrap();
    assert!(error.message().contains("STRANGLER_TEST_PASSWORD_THAT_IS_NOT_SET"));
}

#[cfg(unix)]
#[test]
fn a_password_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "geheim\n").unwrap();
    let place = SecretPlace::File(path.clone());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = place.read("target", "t").unwrap_err();
    assert!(error.message().contains("other users") && error.hint().unwrap().starts_with("chmod 0600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(place.read("target", "t").unwrap().as_deref(), Some("geheim"));
}

const CASES: &[(&str, &str, &str)] = &[
    ("a password in a url", "strangler_src@", "strangler_src:hunter2@"),
    (
        "a password in a url of another kind",
        "mysql://strangler_src@db.internal:3306",
        "oracle://strangler_src:hunter2@db.internal:3306",
    ),
    (
        "a password beside another problem",
        "    url: postgresql://strangler_dst@127.0.0.1/orders\n",
        "    { url: \"postgresql://a:hunter2@h/d\", usr: b }\n  x:\n",
    ),
    ("a password in the file", "{ file: secrets/order }", "hunter2"),
    ("a password from two places", "{ file: secrets/order }", "{ file: a, env: B }"),
    ("an unknown key", "server_id", "serverid"),
    ("a postgres source", "mysql://", "postgresql://"),
    ("a mysql target by socket", "postgresql://strangler_dst@127.0.0.1/orders", "mysql://strangler_dst@/orders?host=/run/mysqld"),
    ("no user", "strangler_src@", ""),
    ("a load without a bound", "connections: 2", "max_load: Threads_running"),
    ("a load of nothing", "connections: 2", "max_load: { Threads_running: 0 }"),
    ("a load that is no name", "connections: 2", "max_load: \"Threads-running=25\""),
    ("a load that is a number", "connections: 2", "max_load: 25"),
    ("a replica without a lag", "connections: 2", "replica: { url: \"mysql://r@127.0.0.1/d\" }"),
    ("a replica of another kind", "connections: 2", "max_lag_s: 5, replica: { url: \"postgresql://r@127.0.0.1/d\" }"),
    ("a rate of nothing", "connections: 2", "rows_per_second: 0"),
    ("a rate with a unit", "connections: 2", "mb_per_second: 50MB"),
    ("too many connections", "connections: 2", "connections: 1000"),
    ("more connections than there may be", "connections: 2", "connections: 5, connections_max: 4"),
    ("masking", "state: ./state", "masking: { key: { env: NAME } }"),
    ("slot", "server_id: 18231", "slot: strangler"),
    ("tls on", "{ ca: certs/erp-ca.pem }", "on"),
    ("memory without a unit of ours", "1GiB", "1G"),
    ("too little memory", "1GiB", "1MiB"),
    ("a grace that is no number of seconds", "facts_grace: 30", "facts_grace: long"),
    ("no mappings", "mappings: [mappings/*.yaml]\n", ""),
    ("no sources", "sources:\n", "sources: {}\nsrc:\n"),
];

#[test]
fn every_broken_project_file_shows_its_place() {
    let mut all = String::new();
    for (name, from, to) in CASES {
        assert!(RIGHT.contains(from), "{name}");
        let problems = parse(&RIGHT.replacen(from, to, 1)).expect_err(name);
        let pictures: Vec<String> = problems.iter().map(|problem| problem.picture(false)).collect();
        all += &format!("## {name}\n{}\n\n", pictures.join("\n\n"));
    }
    assert!(!all.contains("hunter2"), "a password in the file reached a message");
    insta::assert_snapshot!(all);
}

#[test]
fn patterns_find_mapping_files_and_say_when_they_do_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mappings")).unwrap();
    for name in ["b.yaml", "a.yaml", "c.txt"] {
        std::fs::write(folder.path().join("mappings").join(name), "x: y\n").unwrap();
    }
    let mut project = parse(RIGHT).unwrap();
    project.folder = folder.path().to_path_buf();
    let names: Vec<String> = project.mapping_files().unwrap().iter().map(|file| file.path.clone()).collect();
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with("a.yaml"));
    project.mappings[0].value = "mappings/*.yml".into();
    assert_eq!(project.mapping_files().unwrap_err()[0].message, "no mapping file is named mappings/*.yml");
}

#[test]
fn a_missing_project_file_is_a_problem_with_its_path() {
    let problems = Project::read(Path::new("/nowhere/strangler.yaml")).unwrap_err();
    assert!(problems[0].picture(false).contains("/nowhere/strangler.yaml"));
    assert!(matches!(url::DatabaseUrl::source("x"), Err(wrong) if wrong.message.contains("not a database URL")));
}
