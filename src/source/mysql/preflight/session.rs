//! Time and transactions: zone, clocks, and prepared transactions that would be older than the stream.

use crate::finding::{Finding, Severity};
use crate::schema::SourceCatalog;

use super::super::zone::SessionZone;
use super::facts::Facts;
use super::finding;

/// Clocks further apart than this make lag figures wrong, seconds.
const SKEW_MAX_S: i64 = 5;

/// Findings about the session and the moment.
pub fn findings(facts: &Facts, catalog: &SourceCatalog) -> Vec<Finding> {
    let mut found = Vec::new();
    let zone = &catalog.session.time_zone;
    if SessionZone::parse(zone).is_err() {
        let message = format!("time zone {zone} is not known here");
        found.push(finding(Severity::Refused, "time_zone", zone, message, "give session.time_zone as an offset such as +09:00"));
    }
    let collation = &catalog.session.collation_connection;
    if !catalog.collations.contains_key(collation) {
        let message = format!("literals would compare by {collation}, which is not reproduced exactly");
        let remedy = "give session.collation_connection: utf8mb4_general_ci (or another supported one) in the project file";
        found.push(finding(Severity::Refused, "collation_connection", collation, message, remedy));
    }
    if facts.prepared.is_some_and(|count| count > 0) {
        let message = format!("{} prepared XA transactions are open; a first start waits for them", facts.prepared.unwrap_or(0));
        found.push(finding(Severity::Warning, "xa", "XA RECOVER", message, "XA COMMIT or XA ROLLBACK each of them"));
    }
    if facts.clock_skew_s.abs() > SKEW_MAX_S {
        let message =
            format!("the server's clock is {} s apart from this machine's; lag figures are off by that", facts.clock_skew_s);
        found.push(finding(Severity::Warning, "clock", "UNIX_TIMESTAMP()", message, "synchronise both clocks"));
    }
    found
}
