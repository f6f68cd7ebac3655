//! Functions that no mapping can hold: their value is not one of the row.

/// Why a function (lower case) is refused, and what to do; `None` if it is not one of these.
#[must_use]
pub fn refused_function(name: &str) -> Option<(String, &'static str)> {
    let (why, help) = match name {
        "now"
        | "current_timestamp"
        | "current_date"
        | "current_time"
        | "localtime"
        | "localtimestamp"
        | "clock_timestamp"
        | "statement_timestamp"
        | "transaction_timestamp"
        | "timeofday" => ("changes with the clock, not with the data", "compute it in the service, or compare with a fixed date"),
        "random" | "setseed" | "gen_random_uuid" | "uuid_generate_v4" | "uuid_generate_v1" | "gen_random_bytes"
        | "random_normal" => ("is different every time", "build the value from columns, or leave it to the target's default"),
        "current_user" | "session_user" | "user" | "current_role" | "current_schema" | "current_schemas" | "current_database"
        | "current_catalog" | "current_setting" | "version" | "inet_client_addr" | "inet_server_addr" | "pg_backend_pid"
        | "txid_current" | "pg_current_xact_id" | "currval" | "lastval" => {
            ("belongs to a session, not to a row", "write the value itself")
        }
        "nextval" | "setval" | "set_config" | "pg_sleep" | "pg_advisory_lock" | "pg_notify" | "dblink" | "lo_get"
        | "pg_read_file" | "query_to_xml" => ("does something on the server", "leave it out of the mapping"),
        "row_number" | "rank" | "dense_rank" | "ntile" | "lag" | "lead" | "first_value" | "last_value" | "nth_value"
        | "percent_rank" | "cume_dist" => {
            ("is a window function", "write a correlated subquery, e.g. (SELECT max(..) FROM .. WHERE ..)")
        }
        "unnest"
        | "generate_series"
        | "generate_subscripts"
        | "regexp_split_to_table"
        | "regexp_matches"
        | "json_array_elements"
        | "jsonb_array_elements"
        | "json_each"
        | "jsonb_each"
        | "json_object_keys"
        | "jsonb_object_keys"
        | "string_to_table"
        | "jsonb_array_elements_text"
        | "json_array_elements_text"
        | "jsonb_each_text"
        | "json_each_text" => (
            "returns rows, and the rows of a mapping are those of tables",
            "map the column itself, and take it apart in the service",
        ),
        "pg_typeof" | "obj_description" | "col_description" | "to_regclass" | "format_type" | "pg_get_expr" => {
            ("tells about the catalogue, not about a row", "write the value itself")
        }
        _ => return None,
    };
    Some((format!("{name} {why}"), help))
}
