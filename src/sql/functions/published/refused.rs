//! Functions of MySQL and MariaDB that mappings cannot have, with the reason and what to write instead.

use super::Refused;

const WINDOW_HELP: &str = "write a correlated subquery, e.g. (SELECT MAX(..) FROM .. WHERE ..)";

/// By reason; every name once.
pub const REFUSED: &[Refused] = &[
    Refused {
        names: &[
            "NOW",
            "CURRENT_TIMESTAMP",
            "SYSDATE",
            "CURDATE",
            "CURRENT_DATE",
            "CURTIME",
            "CURRENT_TIME",
            "LOCALTIME",
            "LOCALTIMESTAMP",
            "UTC_DATE",
            "UTC_TIME",
            "UTC_TIMESTAMP",
        ],
        why: "depends on when it is asked",
        help: "carry the date itself and let the service compare it with its clock",
    },
    Refused {
        names: &["RAND", "UUID", "UUID_SHORT", "UUID_V4", "UUID_V7", "SYS_GUID", "RANDOM_BYTES"],
        why: "is different every time",
        help: "build the value from columns, or leave it to the target's default",
    },
    Refused {
        names: &[
            "USER",
            "CURRENT_USER",
            "SESSION_USER",
            "SYSTEM_USER",
            "CURRENT_ROLE",
            "CONNECTION_ID",
            "LAST_INSERT_ID",
            "FOUND_ROWS",
            "ROW_COUNT",
            "DATABASE",
            "SCHEMA",
            "VERSION",
            "CHARSET",
            "COLLATION",
            "COERCIBILITY",
        ],
        why: "belongs to a session, not to a row",
        help: "write the value itself",
    },
    Refused {
        names: &[
            "SLEEP",
            "BENCHMARK",
            "GET_LOCK",
            "RELEASE_LOCK",
            "RELEASE_ALL_LOCKS",
            "IS_FREE_LOCK",
            "IS_USED_LOCK",
            "LOAD_FILE",
            "NEXTVAL",
            "LASTVAL",
            "SETVAL",
            "MASTER_POS_WAIT",
            "MASTER_GTID_WAIT",
        ],
        why: "does something on the server",
        help: "leave it out of the mapping",
    },
    Refused {
        names: &[
            "ROW_NUMBER",
            "RANK",
            "DENSE_RANK",
            "NTILE",
            "LAG",
            "LEAD",
            "FIRST_VALUE",
            "LAST_VALUE",
            "NTH_VALUE",
            "PERCENT_RANK",
            "CUME_DIST",
        ],
        why: "is a window function",
        help: WINDOW_HELP,
    },
    Refused { names: &["VALUES", "DEFAULT", "GROUPING"], why: "has no meaning in a mapping", help: "write the value itself" },
    Refused {
        names: &[
            "EXP", "LN", "LOG", "LOG2", "LOG10", "POW", "POWER", "SIN", "COS", "TAN", "COT", "ASIN", "ACOS", "ATAN", "ATAN2",
        ],
        why: "is computed by the server's C library, whose last digits differ from version to version",
        help: "carry its argument, or multiply (POW(x, 2) is x * x)",
    },
    Refused { names: &["PI"], why: "is shown with six digits and computed with sixteen", help: "write the number" },
    Refused {
        names: &[
            "AES_ENCRYPT",
            "AES_DECRYPT",
            "DES_ENCRYPT",
            "DES_DECRYPT",
            "ENCODE",
            "DECODE",
            "ENCRYPT",
            "PASSWORD",
            "OLD_PASSWORD",
            "COMPRESS",
            "UNCOMPRESS",
            "UNCOMPRESSED_LENGTH",
        ],
        why: "needs a key or a library of the server",
        help: "carry the column as it is and let the service decode it",
    },
    Refused {
        names: &["EXTRACTVALUE", "UPDATEXML", "WEIGHT_STRING", "LOAD_XML", "GET_FORMAT", "CHR", "NATURAL_SORT_KEY", "SFORMAT"],
        why: "is not carried exactly",
        help: "carry the column as it is",
    },
    Refused {
        names: &[
            "JSON_CONTAINS",
            "JSON_OVERLAPS",
            "JSON_SEARCH",
            "JSON_SET",
            "JSON_INSERT",
            "JSON_REPLACE",
            "JSON_REMOVE",
            "JSON_ARRAY_APPEND",
            "JSON_ARRAY_INSERT",
            "JSON_MERGE",
            "JSON_MERGE_PATCH",
            "JSON_MERGE_PRESERVE",
            "JSON_PRETTY",
            "JSON_DETAILED",
            "JSON_LOOSE",
            "JSON_COMPACT",
            "JSON_QUERY",
            "JSON_TABLE",
            "JSON_EQUALS",
            "JSON_NORMALIZE",
            "JSON_STORAGE_SIZE",
            "JSON_SCHEMA_VALID",
        ],
        why: "compares or rewrites documents, which MySQL and MariaDB do differently",
        help: "take values out with JSON_EXTRACT or JSON_VALUE, or carry the whole document",
    },
];

/// Why a function is refused and what to write instead, if `name` (upper case) is one of them.
#[must_use]
pub fn refusal(name: &str) -> Option<(String, &'static str)> {
    let refused = REFUSED.iter().find(|refused| refused.names.contains(&name))?;
    Some((format!("{name} {}", refused.why), refused.help))
}
