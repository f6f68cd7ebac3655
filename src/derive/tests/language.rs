//! Further query shapes: joins of every kind, CTEs, sets, subqueries with NULLs, numbered rows.

/// Name, key and SELECT of each shape.
pub(super) const SHAPES: &[(&str, &[&str], &str)] = &[
    (
        "right_join_after_several_tables",
        &["pay_no"],
        "SELECT p.pay_no, o.memo, c.nm, p.amt FROM o JOIN c ON c.cust_no = o.cust_no RIGHT JOIN p ON p.ord_no = o.ord_no AND c.grd > 1",
    ),
    (
        "left_join_of_a_join_in_parentheses",
        &["ord_no"],
        "SELECT o.ord_no, c.nm, b.nm AS boss, g.nm AS ctg FROM o LEFT JOIN (c JOIN c b ON b.cust_no = c.boss) ON c.cust_no = o.cust_no AND b.grd IS NOT NULL
         LEFT JOIN (g LEFT JOIN cd ON cd.grp = 'ST' AND cd.cd = g.nm) ON g.ctg_no = o.ctg",
    ),
    (
        "inner_join_of_an_outer_join_in_parentheses",
        &["ord_no"],
        "SELECT o.ord_no, c.nm, b.nm AS boss FROM o JOIN (c LEFT JOIN c b ON b.cust_no = c.boss) ON c.cust_no = o.cust_no AND (b.grd IS NULL OR b.grd > 2)",
    ),
    (
        "using_and_right_using",
        &["pay_no"],
        "SELECT p.pay_no, ord_no, o.memo FROM o RIGHT JOIN p USING (ord_no)",
    ),
    (
        "comma_and_cross_joins_with_equalities_in_where",
        &["ord_no", "seq"],
        "SELECT d.ord_no, d.seq, c.nm, g.nm AS ctg FROM o CROSS JOIN d, c CROSS JOIN g
         WHERE o.ord_no = d.ord_no AND c.cust_no = o.cust_no AND g.ctg_no = o.ctg",
    ),
    (
        "conditions_in_on_beyond_equality",
        &["ord_no"],
        "SELECT o.ord_no, c.nm, x.memo AS other FROM o LEFT JOIN c ON c.cust_no = o.cust_no AND (c.grd > o.ord_no OR o.del = 'Y') AND c.nm <> o.memo
         LEFT JOIN o x ON x.ord_no = c.boss AND x.cust_no <=> o.cust_no",
    ),
    (
        "null_safe_join_on_a_key",
        &["ord_no"],
        "SELECT o.ord_no, c.nm FROM o LEFT JOIN c ON c.cust_no <=> o.cust_no",
    ),
    (
        "many_to_many",
        &["ord_no", "seq", "pay_no"],
        "SELECT o.ord_no, d.seq, p.pay_no, o.memo, d.qty * p.amt AS x FROM o JOIN d ON d.ord_no = o.ord_no JOIN p ON p.ord_no = o.ord_no",
    ),
    (
        "many_to_many_without_the_table_between",
        &["seq", "pay_no", "ord_no"],
        "SELECT d.ord_no, d.seq, p.pay_no, p.kind FROM d JOIN p ON p.ord_no = d.item_no WHERE d.use_yn = 'Y'",
    ),
    (
        "many_to_many_self_join",
        &["one", "other"],
        "SELECT a.ord_no AS one, b.ord_no AS other, a.memo FROM o a JOIN o b ON b.cust_no = a.cust_no AND b.ord_no > a.ord_no",
    ),
    (
        "cte_used_twice_and_nested",
        &["ord_no"],
        "WITH kept AS (SELECT o.ord_no, o.cust_no, o.memo FROM o WHERE o.del = 'N'),
           paid AS (SELECT p.ord_no, SUM(p.amt) AS total, COUNT(*) AS n FROM p JOIN kept ON kept.ord_no = p.ord_no GROUP BY p.ord_no)
         SELECT kept.ord_no, kept.memo, paid.total, c.nm FROM kept LEFT JOIN paid ON paid.ord_no = kept.ord_no LEFT JOIN c ON c.cust_no = kept.cust_no",
    ),
    (
        "cte_that_hides_its_table_and_names_columns",
        &["no"],
        "WITH o (no, text) AS (SELECT o.ord_no, o.memo FROM o WHERE o.del = 'N') SELECT o.no, o.text FROM o",
    ),
    (
        "nested_derived_tables",
        &["ord_no"],
        "SELECT a.ord_no, a.nm, s.qty FROM (SELECT b.ord_no, c.nm FROM (SELECT o.ord_no, o.cust_no FROM o WHERE o.del = 'N') b JOIN c ON c.cust_no = b.cust_no) a
         LEFT JOIN (SELECT t.ord_no, SUM(t.qty) AS qty FROM (SELECT d.ord_no, d.qty FROM d WHERE d.use_yn = 'Y') t GROUP BY t.ord_no) s ON s.ord_no = a.ord_no",
    ),
    (
        "grouped_derived_table_as_root",
        &["ord_no"],
        "SELECT s.ord_no, s.n, o.memo FROM (SELECT d.ord_no, COUNT(*) AS n, MAX(d.item_no) AS item FROM d GROUP BY d.ord_no HAVING COUNT(*) > 1) s
         LEFT JOIN o ON o.ord_no = s.ord_no",
    ),
    (
        "grouped_over_a_grouped_derived_table",
        &["cust_no"],
        "SELECT s.cust_no, COUNT(*) AS orders, SUM(s.n) AS n FROM (SELECT o.cust_no, o.ord_no, COUNT(*) AS n FROM o JOIN d ON d.ord_no = o.ord_no
           WHERE o.cust_no IS NOT NULL GROUP BY o.cust_no, o.ord_no) s GROUP BY s.cust_no",
    ),
    (
        "derived_table_with_a_subquery_as_root",
        &["ord_no"],
        "SELECT t.ord_no, t.total, t.total + 1 AS more FROM (SELECT o.ord_no, (SELECT MAX(p.pay_no) FROM p WHERE p.ord_no = o.ord_no) AS total FROM o) t
         WHERE t.total IS NULL OR t.total > 0",
    ),
    (
        "in_subquery",
        &["ord_no"],
        "SELECT o.ord_no, o.memo FROM o WHERE o.cust_no IN (SELECT c.cust_no FROM c WHERE c.grd > 2) OR o.ord_no IN (SELECT p.ord_no FROM p)",
    ),
    (
        "not_in_subquery_over_null",
        &["ord_no"],
        "SELECT o.ord_no, o.cust_no NOT IN (SELECT d.item_no FROM d WHERE d.ord_no = o.ord_no) AS strange,
           CASE WHEN o.cust_no IN (SELECT d.item_no FROM d WHERE d.ord_no = o.ord_no) THEN 'in' ELSE 'out' END AS place
         FROM o WHERE NOT (o.ord_no IN (SELECT x.qty FROM d x WHERE x.item_no = o.cust_no)) OR o.cust_no IS NULL",
    ),
    (
        "not_in_as_a_filter",
        &["ord_no"],
        "SELECT o.ord_no FROM o WHERE o.cust_no NOT IN (SELECT d.item_no FROM d WHERE d.ord_no = o.ord_no)",
    ),
    (
        "in_grouped_subquery",
        &["cust_no"],
        "SELECT c.cust_no, c.nm FROM c WHERE c.cust_no IN (SELECT o.cust_no FROM o GROUP BY o.cust_no HAVING COUNT(*) > 1)",
    ),
    (
        "rows_in_subquery",
        &["ord_no", "seq"],
        "SELECT d.ord_no, d.seq FROM d WHERE (d.ord_no, d.item_no) IN (SELECT p.ord_no, p.pay_no FROM p WHERE p.kind = 'CARD')",
    ),
    (
        "exists_over_a_union",
        &["ord_no"],
        "SELECT o.ord_no FROM o WHERE EXISTS (SELECT 1 FROM p WHERE p.ord_no = o.ord_no UNION ALL SELECT 1 FROM d WHERE d.item_no = o.ord_no)",
    ),
    ("distinct_over_no_key", &["cust_no", "del"], "SELECT DISTINCT o.cust_no, o.del FROM o WHERE o.cust_no IS NOT NULL"),
    (
        "distinct_over_a_join",
        &["ord_no", "grd"],
        "SELECT DISTINCT p.ord_no, c.grd FROM p JOIN o ON o.ord_no = p.ord_no JOIN c ON c.cust_no = o.cust_no WHERE c.grd IS NOT NULL",
    ),
    (
        "union_of_overlapping_branches",
        &["no"],
        "SELECT o.cust_no AS no FROM o WHERE o.cust_no IS NOT NULL UNION SELECT p.ord_no FROM p WHERE p.ord_no > 1 UNION SELECT h.at + 10 FROM h",
    ),
    (
        "union_of_branches_kept_apart",
        &["kind", "no"],
        "SELECT 'O' AS kind, o.ord_no AS no, o.memo FROM o UNION SELECT 'P', p.pay_no, p.kind FROM p",
    ),
    (
        "union_in_a_derived_table_under_joins",
        &["kind", "no"],
        "SELECT u.kind, u.no, o.memo FROM (SELECT 'D' AS kind, d.ord_no * 100 + d.seq AS id, d.ord_no AS no, d.item_no AS ref FROM d WHERE d.seq = 1
           UNION ALL SELECT 'P', p.pay_no, p.pay_no, p.ord_no FROM p) u JOIN o ON o.ord_no = u.ref",
    ),
    (
        "grouped_over_a_union",
        &["ord_no"],
        "SELECT u.ord_no, SUM(u.amt) AS total, COUNT(*) AS n FROM (SELECT d.ord_no, d.amt FROM d WHERE d.use_yn = 'Y'
           UNION ALL SELECT p.ord_no, p.amt FROM p JOIN o ON o.ord_no = p.ord_no WHERE o.del = 'N') u
         LEFT JOIN c ON c.cust_no = u.ord_no WHERE c.grd IS NULL OR c.grd > 1 GROUP BY u.ord_no",
    ),
    (
        "union_in_an_optional_derived_table",
        &["ord_no"],
        "SELECT o.ord_no, s.total FROM o LEFT JOIN (SELECT u.no, SUM(u.amt) AS total FROM (SELECT d.ord_no AS no, d.amt, d.item_no AS x FROM d
           UNION ALL SELECT p.ord_no, p.amt, p.pay_no FROM p) u JOIN c ON c.cust_no = u.x GROUP BY u.no) s ON s.no = o.ord_no",
    ),
    (
        "having_without_groups",
        &["ord_no"],
        "SELECT o.ord_no, o.cust_no + 1 AS next FROM o HAVING next > 3",
    ),
    (
        "grouped_by_expressions",
        &["m", "y"],
        "SELECT o.ord_no % 2 AS m, o.del AS y, COUNT(*) AS n, MIN(o.cust_no) AS least FROM o GROUP BY m, y HAVING n > 1 OR least = 2",
    ),
    (
        "left_join_made_inner_and_grouped_by_it",
        &["grd"],
        "SELECT c.grd, COUNT(*) AS n FROM o LEFT JOIN c ON c.cust_no = o.cust_no WHERE c.grd IS NOT NULL GROUP BY c.grd",
    ),
    (
        "latest_row_by_number",
        &["ord_no"],
        "SELECT x.ord_no, x.amt, x.kind FROM (SELECT p.ord_no, p.amt, p.kind, ROW_NUMBER() OVER (PARTITION BY p.ord_no ORDER BY p.amt DESC, p.pay_no) AS n
           FROM p WHERE p.ord_no IS NOT NULL) x WHERE x.n = 1",
    ),
    (
        "latest_row_by_number_joined",
        &["ord_no"],
        "WITH x AS (SELECT p.ord_no, p.amt, p.kind, ROW_NUMBER() OVER (PARTITION BY p.ord_no ORDER BY p.pay_no DESC) AS n FROM p JOIN c ON c.cust_no = p.pay_no)
         SELECT o.ord_no, x.amt, x.kind FROM o LEFT JOIN x ON x.ord_no = o.ord_no AND x.n = 1",
    ),
    (
        "first_rows_by_number",
        &["ord_no", "n"],
        "SELECT x.ord_no, x.n, x.item_no FROM (SELECT d.ord_no, d.item_no, ROW_NUMBER() OVER (PARTITION BY d.ord_no ORDER BY d.item_no, d.seq) AS n FROM d) x
         WHERE x.n <= 2",
    ),
    (
        "numbers_as_columns",
        &["ord_no"],
        "SELECT o.ord_no, ROW_NUMBER() OVER (PARTITION BY o.cust_no ORDER BY o.ord_no DESC) AS nth, RANK() OVER (PARTITION BY o.cust_no ORDER BY o.st) AS r,
           DENSE_RANK() OVER (PARTITION BY o.cust_no ORDER BY o.st DESC) AS dr FROM o",
    ),
    (
        "numbered_groups",
        &["ord_no"],
        "SELECT x.ord_no, x.item_no, x.qty FROM (SELECT d.ord_no, d.item_no, SUM(d.qty) AS qty,
           ROW_NUMBER() OVER (PARTITION BY d.ord_no ORDER BY SUM(d.qty) DESC, d.item_no) AS n FROM d GROUP BY d.ord_no, d.item_no) x WHERE x.n = 1",
    ),
    (
        "constants_and_prefixes_in_keys",
        &["id"],
        "SELECT CONCAT('O-', o.ord_no) AS id, o.memo AS text FROM o UNION ALL SELECT CONCAT('P-', p.pay_no), p.kind FROM p",
    ),
    (
        "scalar_subquery_over_a_union",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT SUM(u.amt) FROM (SELECT p.amt, p.ord_no FROM p UNION ALL SELECT d.amt, d.ord_no FROM d) u WHERE u.ord_no = o.ord_no) AS total FROM o",
    ),
    (
        "settings_beside_every_row",
        &["ord_no"],
        "SELECT o.ord_no, s.nm AS setting, z.nm AS other FROM o JOIN cd s ON s.grp = 'ST' AND s.cd = '10'
         LEFT JOIN cd z ON z.grp = 'ZZ' AND z.cd = '20' AND z.use_yn = 'Y' WHERE o.del = 'N'",
    ),
    (
        "settings_by_comma_beside_groups",
        &["ord_no"],
        "SELECT d.ord_no, SUM(d.qty) AS n, MAX(s.nm) AS setting FROM d, cd s WHERE s.grp = 'ST' AND s.cd = '20' GROUP BY d.ord_no",
    ),
    (
        "settings_by_range",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT MAX(s.nm) FROM cd s WHERE s.grp = 'ST' AND s.cd <= o.st) AS nm FROM o",
    ),
    (
        "subqueries_that_stand_alone",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT MAX(p.amt) FROM p) AS top, (SELECT COUNT(*) FROM h WHERE h.at > 0) AS events,
           CASE WHEN EXISTS (SELECT 1 FROM g WHERE g.nm = '10') THEN 'y' ELSE 'n' END AS has
         FROM o WHERE o.ord_no <= (SELECT MAX(c.cust_no) + 2 FROM c)",
    ),
    (
        "a_total_beside_groups",
        &["ord_no"],
        "SELECT d.ord_no, SUM(d.qty) AS n, (SELECT SUM(x.qty) FROM d x) AS every FROM d GROUP BY d.ord_no",
    ),
    (
        "any_and_all",
        &["ord_no"],
        "SELECT o.ord_no, o.memo FROM o WHERE o.cust_no = ANY (SELECT c.cust_no FROM c WHERE c.grd > 1)
         AND o.ord_no <> ALL (SELECT p.pay_no FROM p)",
    ),
];

/// Those that only MySQL understands.
pub(super) const LATERAL: &[(&str, &[&str], &str)] = &[
    (
        "lateral_latest_row",
        &["ord_no"],
        "SELECT o.ord_no, x.amt, x.kind FROM o LEFT JOIN LATERAL (SELECT p.amt, p.kind FROM p WHERE p.ord_no = o.ord_no ORDER BY p.pay_no DESC LIMIT 1) x ON TRUE",
    ),
    (
        "lateral_aggregate",
        &["ord_no"],
        "SELECT o.ord_no, x.n, x.total FROM o, LATERAL (SELECT COUNT(*) AS n, SUM(d.amt) AS total FROM d WHERE d.ord_no = o.ord_no) x WHERE x.n > 0",
    ),
    (
        "lateral_rows",
        &["ord_no", "seq"],
        "SELECT o.ord_no, x.seq, x.item_no FROM o JOIN LATERAL (SELECT d.seq, d.item_no FROM d WHERE d.ord_no = o.ord_no ORDER BY d.item_no, d.seq LIMIT 2) x ON TRUE",
    ),
];
