//! Every code of every supported legacy charset, swept against a running server: what the server converts, we convert to the same
//! text; what it cannot convert is an error here.

use mysql_async::prelude::Queryable;

use super::*;
use crate::source::mysql::charset;

/// All codes of one and two bytes, through the server's own table. It answers `?` where it has none.
async fn sweep(charset: &str, two_bytes: bool) {
    let Some(mut bench) = Bench::new(Flavor::MariaDb, &format!("sweep_{charset}")).await else { return };
    let mut codes = "SELECT seq, 2 FROM seq_0_to_255".to_owned();
    if two_bytes {
        codes.push_str(" UNION ALL SELECT seq, 4 FROM seq_32768_to_65535");
    }
    let code = "UNHEX(LPAD(HEX(c.n), c.w, '0'))";
    let query =
        format!("SELECT HEX({code}), HEX(CONVERT(CONVERT({code} USING {charset}) USING utf8mb4)) FROM ({codes}) AS c (n, w)");
    let query = query.replace("AS c (n, w)", "c").replacen("SELECT seq, 2", "SELECT seq AS n, 2 AS w", 1);
    let rows: Vec<(String, Option<String>)> = bench.conn.query(query).await.unwrap();
    assert!(rows.len() >= 256);
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect::<Vec<u8>>();
    let mut different = Vec::new();
    for (code, converted) in rows {
        let code = bytes(&code);
        let converted = converted.map(|hex| String::from_utf8(bytes(&hex)).unwrap());
        // The server's `?` would prove nothing here.
        if code.len() == 2 && code.ends_with(b"?") {
            continue;
        }
        let known =
            converted.filter(|text| code == b"?" || !(text.contains(['?', char::REPLACEMENT_CHARACTER]) || text.is_empty()));
        let ours = charset::decode(charset, &code).ok();
        if ours != known {
            different.push((code, ours, known));
        }
    }
    assert!(different.is_empty(), "{charset}: {} differ: {:?}", different.len(), &different[..different.len().min(8)]);
}

macro_rules! sweeps {
    ($($name:ident: $charset:literal, $two:literal;)*) => { $(#[tokio::test] async fn $name() { sweep($charset, $two).await; })* };
}

sweeps! {
    f59_sweep_euckr: "euckr", true;
    f59_sweep_cp932: "cp932", true;
    f59_sweep_latin1: "latin1", false;
    f59_sweep_latin2: "latin2", false;
    f59_sweep_latin5: "latin5", false;
    f59_sweep_latin7: "latin7", false;
    f59_sweep_cp1250: "cp1250", false;
    f59_sweep_cp1251: "cp1251", false;
    f59_sweep_cp1256: "cp1256", false;
    f59_sweep_cp1257: "cp1257", false;
    f59_sweep_koi8r: "koi8r", false;
    f59_sweep_koi8u: "koi8u", false;
    f59_sweep_greek: "greek", false;
    f59_sweep_hebrew: "hebrew", false;
    f59_sweep_tis620: "tis620", false;
    f59_sweep_cp850: "cp850", false;
    f59_sweep_cp852: "cp852", false;
    f59_sweep_cp866: "cp866", false;
    f59_sweep_macroman: "macroman", false;
    f59_sweep_macce: "macce", false;
    f59_sweep_ascii: "ascii", false;
}
