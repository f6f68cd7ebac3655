//! Functions that no mapping can hold: their value is not one of the row.

use crate::sql::functions::published::Refused;

/// By reason; every name once, in lower case.
pub const REFUSED: &[Refused] = &[
    Refused {
        names: &[
            "now",
            "current_timestamp",
            "current_date",
            "current_time",
            "localtime",
            "localtimestamp",
            "clock_timestamp",
            "statement_timestamp",
            "transaction_timestamp",
            "timeofday",
        ],
        why: "changes with the clock, not with the data",
        help: "compute it in the service, or compare with a fixed date",
    },
    Refused {
        names: &[
            "random",
            "setseed",
            "gen_random_uuid",
            "uuid_generate_v4",
            "uuid_generate_v1",
            "gen_random_bytes",
            "random_normal",
        ],
        why: "is different every time",
        help: "build the value from columns, or leave it to the target's default",
    },
    Refused {
        names: &[
            "current_user",
            "session_user",
            "user",
            "current_role",
            "current_schema",
            "current_schemas",
            "current_database",
            "current_catalog",
            "current_setting",
            "version",
            "inet_client_addr",
            "inet_server_addr",
            "pg_backend_pid",
            "txid_current",
            "pg_current_xact_id",
            "currval",
            "lastval",
        ],
        why: "belongs to a session, not to a row",
        help: "write the value itself",
    },
    Refused {
        names: &[
            "nextval",
            "setval",
            "set_config",
            "pg_sleep",
            "pg_advisory_lock",
            "pg_notify",
            "dblink",
            "lo_get",
            "pg_read_file",
            "query_to_xml",
        ],
        why: "does something on the server",
        help: "leave it out of the mapping",
    },
    Refused {
        names: &[
            "row_number",
            "rank",
            "dense_rank",
            "ntile",
            "lag",
            "lead",
            "first_value",
            "last_value",
            "nth_value",
            "percent_rank",
            "cume_dist",
        ],
        why: "is a window function, and OVER is missing",
        help: "write row_number(), rank() or dense_rank() with OVER (PARTITION BY .. ORDER BY ..), or a correlated subquery",
    },
    Refused {
        names: &[
            "unnest",
            "generate_series",
            "generate_subscripts",
            "regexp_split_to_table",
            "regexp_matches",
            "json_array_elements",
            "jsonb_array_elements",
            "json_each",
            "jsonb_each",
            "json_object_keys",
            "jsonb_object_keys",
            "string_to_table",
            "jsonb_array_elements_text",
            "json_array_elements_text",
            "jsonb_each_text",
            "json_each_text",
        ],
        why: "returns rows, and the rows of a mapping are those of tables",
        help: "map the column itself, and take it apart in the service",
    },
    Refused {
        names: &["pg_typeof", "obj_description", "col_description", "to_regclass", "format_type", "pg_get_expr"],
        why: "tells about the catalogue, not about a row",
        help: "write the value itself",
    },
];

/// Why a function (lower case) is refused, and what to do; `None` if it is not one of these.
#[must_use]
pub fn refused_function(name: &str) -> Option<(String, &'static str)> {
    let refused = REFUSED.iter().find(|refused| refused.names.contains(&name))?;
    Some((format!("{name} {}", refused.why), refused.help))
}
